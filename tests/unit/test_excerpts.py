"""Pieces of a text around its evidence."""

from hypothesis import given
from hypothesis import strategies as st

from shared.events import Evidence
from shared.excerpts import excerpt, marked_excerpt, segments, spans_of

LONG = (
    "Before. " * 400 + "Convoys reached Tarnovo. " + "Between. " * 400 + "Talks went on. " + "After. " * 400
)


def at(text: str, words: str) -> Evidence:
    start = text.index(words)
    return Evidence(field="text", start=start, end=start + len(words), text=words)


def test_segments_mark_the_evidence() -> None:
    text = "Aid reached Tarnovo"
    assert segments(text, [at(text, "Aid")]) == [("Aid", True), (" reached Tarnovo", False)]


def test_overlapping_evidence_is_marked_once() -> None:
    text = "a food aid convoy"
    assert segments(text, [at(text, "food aid"), at(text, "aid convoy")]) == [
        ("a ", False),
        ("food aid convoy", True),
    ]


def test_evidence_of_another_field_marks_nothing() -> None:
    assert segments("Aid", [at("Aid", "Aid")], "title") == [("Aid", False)]


def test_evidence_of_another_revision_marks_nothing() -> None:
    assert (
        spans_of("Help reached Tarnovo", [Evidence(field="text", start=0, end=3, text="Aid")], "text") == []
    )


def test_a_short_text_is_its_own_excerpt() -> None:
    assert excerpt("Aid reached Tarnovo", [], 100) == "Aid reached Tarnovo"


def test_an_excerpt_holds_every_evidence_with_whole_words_around_it() -> None:
    cut = excerpt(LONG, [at(LONG, "Convoys reached"), at(LONG, "Talks went on")], 300)
    assert "Before. Convoys reached Tarnovo. Between." in cut
    assert cut.count(" … ") == 1
    assert len(cut) < 320


def test_an_excerpt_without_evidence_is_the_beginning() -> None:
    assert excerpt("one two three four", [], 9) == "one two …"


def test_an_excerpt_of_no_width_is_empty() -> None:
    assert excerpt(LONG, [at(LONG, "Talks")], 0) == ""


def test_a_script_without_spaces_is_cut_too() -> None:
    text = "援" * 900 + "停火" + "助" * 900
    cut = excerpt(text, [at(text, "停火")], 200)
    assert "援停火助" in cut
    assert len(cut) <= 204


@given(
    st.text(max_size=400),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 60)), max_size=6),
    st.integers(0, 300),
)
def test_pieces_come_from_the_text_and_marked_ones_are_evidence(
    text: str, places: list[tuple[int, int]], width: int
) -> None:
    found = [Evidence(field="text", start=a, end=a + n, text=text[a : a + n]) for a, n in places]
    assert "".join(piece for piece, _ in segments(text, found)) == text
    for piece, is_evidence in marked_excerpt(text, found, width):
        assert piece.strip(" …") in text
        assert not is_evidence or any(e.text in piece or piece in e.text for e in found)
