"""What is looked for among reports, and whether one is it."""

from dataclasses import dataclass
from typing import NamedTuple

from shared.events import Evidence, TaggedReport
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
