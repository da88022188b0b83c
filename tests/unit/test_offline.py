"""`tocsin parse` and `tocsin tag`: what is printed, and where."""

import io
import json
from pathlib import Path

import pytest

from cli.offline import parse_feed, tag_lines


def test_parse_says_on_standard_error_what_of_a_feed_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = "".join(f"<item><title>{n}</title></item>" for n in range(502))
    feed = tmp_path / "feed.xml"
    feed.write_text(f"<rss version='2.0'><channel><title>x</title>{items}</channel></rss>")
    assert parse_feed(str(feed)) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 500
    assert printed.err == f"tocsin: {feed}: 2 entries left out: only the first 500 are read\n"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            "http://u:secret@host/x",
            "'http://…@host/x': must not hold a password: there are username and password",
        ),
        (
            "ftp://host/",
            "'ftp://host/': must begin with http:// or https:// and name a host, or be a file path",
        ),
    ],
)
def test_parse_refuses_an_address_without_printing_its_password(
    target: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parse_feed(target) == 1
    assert capsys.readouterr().err.startswith(f"tocsin: {said}")


def test_tag_gives_ids_back_as_they_came_also_behind_a_byte_order_mark() -> None:
    out = io.StringIO()
    assert tag_lines(['\ufeff{"id": 7, "title": "x"}\n', '{"id": "7", "title": "x"}\n'], out) == 0
    assert [json.loads(line)["id"] for line in out.getvalue().splitlines()] == [7, "7"]
