"""The words that say so, as the original has them."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from shared.events import Evidence
from shared.matching.text import FieldName, Text

MOST_EVIDENCE = 12


class Spot(NamedTuple):
    """A run of words in the line of a field, from the space before it to its end."""

    field: FieldName
    start: int
    end: int


def in_order(spots: Iterable[Spot]) -> list[Spot]:
    """The title's spots first, as they are read, the longest of those that begin together first."""
    return sorted(spots, key=lambda spot: (spot.field != "title", spot.start, -spot.end))


class Quotes(dict[Spot, Evidence]):
    """The words of a report's spots, each cut out once: what speaks for a topic often speaks for its subtopics too."""

    def __init__(self, report: Text) -> None:
        super().__init__()
        self._report = report

    def __missing__(self, spot: Spot) -> Evidence:
        quoted = self[spot] = self._report.quote(*spot)
        return quoted


def evidence(ordered: Iterable[Spot], quotes: Quotes) -> tuple[Evidence, ...]:
    """The words of spots in order as the original has them: none inside another, at most 12."""
    return tuple(map(quotes.__getitem__, islice(_outermost(ordered), MOST_EVIDENCE)))


def _outermost(ordered: Iterable[Spot]) -> Iterator[Spot]:
    last = Spot("title", 0, 0)
    for spot in ordered:
        if spot.field != last.field or spot.end > last.end:
            last = spot
            yield spot
