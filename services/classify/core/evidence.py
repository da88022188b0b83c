"""The words that say so, as the original has them."""

from collections.abc import Iterable

from shared.events import Evidence
from shared.matching.text import Span, Text

MOST_EVIDENCE = 12


def evidence(spans: Iterable[Span], report: Text) -> tuple[Evidence, ...]:
    """The words of a match as the original has them: the title's first, none inside another, at most 12."""
    ordered = sorted(set(spans), key=lambda span: (span.field != "title", span.first, -span.last))
    kept: list[Span] = []
    for span in ordered:
        if not kept or not kept[-1].holds(span):
            kept.append(span)
    return tuple(report.evidence(span) for span in kept[:MOST_EVIDENCE])
