"""Letters: whatever is filled in, the mail reads as it was written, in lines that mail servers take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.core.letter import Letter, gap, pieces, written
from tests.message_builders import received

MARK = "4f2a"
VALUES = {"name": "Дельта & “co” =3D", "link": "https://alerts.example/" + "x" * 300 + "?key=1."}
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\x85\u2028\u2029"))


def mail_of(*words: str) -> bytes:
    """Words with a gap after each but the last."""
    body = gap(MARK, "link").join(words)
    letter = Letter("Subject", pieces(body, MARK), pieces(gap(MARK, "name"), MARK))
    return written([("To", "a@b.example")], "Subject", letter, VALUES, "dlv_1")


def text_of(mail: bytes, kind: str = "plain") -> str:
    found = received(mail).get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_what_is_filled_in_reads_as_if_it_had_been_there(words: list[str]) -> None:
    mail = mail_of(*words)
    assert text_of(mail) == VALUES["link"].join(words)
    assert all(len(line) <= 76 for line in mail.split(b"\r\n")[4:])
    assert b"\n" not in mail.replace(b"\r\n", b"")


@pytest.mark.parametrize("length", range(65, 85))
def test_a_line_before_a_gap_is_never_too_long(length: int) -> None:
    mail = mail_of("я" + "x" * length, " .\n.", "\n")
    assert text_of(mail) == VALUES["link"].join(("я" + "x" * length, " .\n.", "\n"))
    assert max(map(len, mail.split(b"\r\n"))) <= 76


def test_what_is_filled_into_html_is_escaped() -> None:
    assert text_of(mail_of("a"), "html") == "Дельта &amp; “co” =3D"


def test_a_header_with_a_line_break_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        written([("To", "a@b.example\nBcc: c@d.example")], "s", Letter("s", (), ()), {}, "dlv_1")
