"""What is looked for among reports, and whether one is it."""

from dataclasses import dataclass
from typing import NamedTuple

from shared.events import Evidence, TaggedReport
from shared.matching.query import Query
from shared.subscriptions import document_of


@dataclass(frozen=True, slots=True)
class Search:
    """All that is given must hold; with nothing given every report is found."""

    topic: str | None = None
    country: str | None = None
    query: Query | None = None
    tagged_only: bool = False


class Hit(NamedTuple):
    """A report that was found, and the searched words in it."""

    tagged: TaggedReport
    evidence: tuple[Evidence, ...] = ()


def find_hit(search: Search, tagged: TaggedReport) -> Hit | None:
    """Return the report with the words that were found in it, or None. Cheap things are looked at first."""
    # A later revision may have lost the topic that an index still has it under.
    if search.topic and search.topic not in tagged.topics:
        return None
    if search.tagged_only and not tagged.tags:
        return None
    if search.country and search.country not in {country.code for country in tagged.countries}:
        return None
    if search.query is None:
        return Hit(tagged)
    clauses = search.query.match(document_of(tagged))
    if clauses is None:
        return None
    return Hit(tagged, tuple(piece for clause in clauses for piece in clause.evidence))
