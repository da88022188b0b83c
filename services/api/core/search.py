"""What is looked for among reports, and whether one is it."""

from dataclasses import dataclass
from typing import NamedTuple

from services.api.core.asked import Asked
from shared.events import Evidence, TaggedReport
from shared.subscriptions import CompiledFilter, Filter, document_of, find_match

ANYTHING = Asked()


@dataclass(frozen=True, slots=True)
class Search:
    """All that is asked must hold; if nothing is, every report is found."""

    asked: Asked = ANYTHING
    tagged_only: bool = False
    wanted: CompiledFilter | None = None
    """What `asked` cannot say of a subscription's filter: sources and languages."""

    @classmethod
    def of(cls, wanted: Filter) -> "Search":
        """Return the search for what a subscription asks for."""
        compiled = CompiledFilter.of(wanted)
        return cls(Asked(wanted.topics, wanted.countries, compiled.query), wanted=compiled)

    @property
    def topic(self) -> str | None:
        """The one topic whose reports are enough to look at, if there is one."""
        return self.asked.topics[0] if len(self.asked.topics) == 1 else None


class Hit(NamedTuple):
    """A report that was found, and the searched words in it."""

    tagged: TaggedReport
    evidence: tuple[Evidence, ...] = ()
    moment: int = 0
    """When it was tagged, in microseconds."""


def find_hit(search: Search, tagged: TaggedReport, moment: int = 0) -> Hit | None:
    """Return the report with the words that were found in it, or None. Cheap things are looked at first."""
    asked = search.asked
    # A later revision may have lost the topic that an index still has it under.
    if asked.topics and not {*asked.topics} & {*tagged.topics}:
        return None
    if search.tagged_only and not tagged.tags:
        return None
    if asked.countries and not {*asked.countries} & {country.code for country in tagged.countries}:
        return None
    if search.wanted and not find_match(search.wanted, tagged, document_of(tagged)):
        return None
    if asked.query is None:
        return Hit(tagged, (), moment)
    clauses = asked.query.match(document_of(tagged))
    if clauses is None:
        return None
    return Hit(tagged, tuple(piece for clause in clauses for piece in clause.evidence), moment)
