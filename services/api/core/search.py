"""What is looked for among reports, whether one is it, and where a page of them ended."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from shared.events import Evidence, TaggedReport
from shared.report_store import Place
from shared.subscriptions import CompiledFilter, Filter, find_match


@dataclass(frozen=True, slots=True)
class Search:
    """What a subscription with this filter is told of; without one it is every report."""

    wanted: CompiledFilter | None = None
    tagged_only: bool = False

    @classmethod
    def of(cls, wanted: Filter | None, *, tagged_only: bool = False) -> "Search":
        """Return the search for what a filter asks for."""
        return cls(CompiledFilter.of(wanted) if wanted else None, tagged_only)

    @property
    def topic(self) -> str | None:
        """The one topic whose reports are enough to look at, if there is one."""
        topics = self.wanted.filter.topics if self.wanted else ()
        return topics[0] if len(topics) == 1 else None


class Hit(NamedTuple):
    """A report that was found, and the searched words in it."""

    tagged: TaggedReport
    evidence: tuple[Evidence, ...] = ()
    moment: int = 0
    """When it was tagged, in microseconds."""


def find_hit(search: Search, tagged: TaggedReport, moment: int = 0) -> Hit | None:
    """Return the report with the words that were found in it, or None."""
    if search.tagged_only and not tagged.tags:
        return None
    if search.wanted is None:
        return Hit(tagged, (), moment)
    matched = find_match(search.wanted, tagged)
    return Hit(tagged, matched.words, moment) if matched else None


_CURSOR = re.compile(r"([0-9]{1,16})-([0-9a-zA-Z_.-]{1,64})")


class CursorError(ValueError):
    """A cursor that we did not make."""


def write_cursor(place: Place) -> str:
    """Return the cursor that continues after this place."""
    return f"{place.moment}-{place.report_id}"


def read_cursor(cursor: str) -> Place:
    """Return the place in a cursor; raise CursorError."""
    found = _CURSOR.fullmatch(cursor)
    if not found:
        raise CursorError("this is no cursor of ours; take `next` of the page before as it is")
    return Place(int(found[1]), found[2])
