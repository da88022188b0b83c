"""Pieces of a text around its evidence, with the evidence marked. Used wherever a match is shown."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from shared.events import Evidence

Field = Literal["title", "text"]
Segment = tuple[str, bool]
Window = tuple[int, int]

GAP = " … "
LEAST_SHARE = 120
# What is left out is worth a gap only if it is longer than this.
NEAR = 20


def segments(text: str, evidence: Iterable[Evidence], field: Field = "text") -> list[Segment]:
    """Return the text in pieces, each with whether it is evidence; joined they are the text again."""
    return _cut(text, spans_of(text, evidence, field), (0, len(text)))


def excerpt(text: str, evidence: Iterable[Evidence], width: int, field: Field = "text") -> str:
    """Return the text around its evidence, about `width` characters; " … " stands for what is left out."""
    return "".join(piece for piece, _ in marked_excerpt(text, evidence, width, field))


def marked_excerpt(
    text: str, evidence: Iterable[Evidence], width: int, field: Field = "text"
) -> list[Segment]:
    """Return the same in pieces, each with whether it is evidence."""
    spans = spans_of(text, evidence, field)
    pieces: list[Segment] = []
    end = 0
    for window in _windows(text, spans, width):
        if window[0] > end:
            pieces.append((GAP if pieces else GAP.lstrip(), False))
        pieces += _cut(text, spans, window)
        end = window[1]
    if 0 < end < len(text):
        pieces.append((GAP.rstrip(), False))
    return pieces


def spans_of(text: str, evidence: Iterable[Evidence], field: Field) -> list[Window]:
    """Return where the evidence of one field stands, in order, overlaps merged.

    Evidence that does not read the same in this text, because it was found in another revision, is left out.
    """
    found = {
        (e.start, e.end) for e in evidence if e.field == field and e.text and text[e.start : e.end] == e.text
    }
    return _merged(found)


def _windows(text: str, spans: Sequence[Window], width: int) -> list[Window]:
    """Which parts to show: every span gets an equal share; those that do not fit any more are left out."""
    if len(text) <= width:
        return [(0, len(text))] if text else []
    if width <= 0:
        return []
    if not spans:
        return [(0, _word_end(text, 0, width))]
    share = max(width // len(spans), min(LEAST_SHARE, width))
    return _merged((_around(text, span, share) for span in spans[: width // share]), NEAR)


def _around(text: str, span: Window, share: int) -> Window:
    start, end = span[0], min(span[1], span[0] + share)
    room = (share - (end - start)) // 2
    return _word_start(text, max(0, start - room), start), _word_end(text, end, min(len(text), end + room))


def _word_start(text: str, earliest: int, latest: int) -> int:
    """The first beginning of a word between the two; `earliest` in scripts that put no spaces."""
    if earliest == 0:
        return 0
    places = range(earliest, latest)
    return next((at for at in places if text[at - 1].isspace() and not text[at].isspace()), earliest)


def _word_end(text: str, earliest: int, latest: int) -> int:
    """The last end of a word between the two; `latest` in scripts that put no spaces."""
    if latest >= len(text):
        return len(text)
    places = range(latest, earliest, -1)
    return next((at for at in places if text[at].isspace() and not text[at - 1].isspace()), latest)


def _merged(windows: Iterable[Window], near: int = 0) -> list[Window]:
    merged: list[Window] = []
    for start, end in sorted(windows):
        if merged and start <= merged[-1][1] + near:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _cut(text: str, spans: Sequence[Window], window: Window) -> list[Segment]:
    return [(piece, is_evidence) for piece, is_evidence in _pieces(text, spans, window) if piece]


def _pieces(text: str, spans: Sequence[Window], window: Window) -> Iterator[Segment]:
    place, last = window
    for start, end in spans:
        start, end = max(start, place), min(end, last)
        if start < end:
            yield text[place:start], False
            yield text[start:end], True
            place = end
    yield text[place:last], False
