"""A report as it leaves the parse worker: ready to be told, with what decides whether it is.

Nearly all that is told is told as it was drafted: the process that polls passes the event on, and never reads it.
A worker needs no models for that, which would be half of its memory.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from services.ingest.core.entry import Hints

if TYPE_CHECKING:
    from services.ingest.core.feed import Selectors
    from shared.events import Report, ReportPublished


class Origin(NamedTuple):
    """What its documents need to know of a feed, by the names that Feed has for it."""

    id: str
    url: str
    title: str | None = None
    host: str = ""
    kind: str = "feed"
    select: "Selectors | None" = None
    sample: bool = False


class Draft(NamedTuple):
    """A report of revision 1. `said` tells what it means, `page` is the name of its page's mark, empty for none.

    `dated` says whether `published_at` is the feed's own; `event` is the report.published.v1 of it, as JSON.
    """

    id: str
    said: str
    page: str
    published_at: datetime
    dated: bool
    event: bytes

    @property
    def report(self) -> "Report":
        return self._published().data.report

    def changed(self, **fields: Any) -> "Draft":
        """Return it with other fields in its report; what it was told by stays."""
        from shared.events import published

        event = self._published()
        report = event.data.report.model_copy(update=fields)
        return self._replace(id=report.id, event=published(report, event.time).model_dump_json().encode())

    def _published(self) -> "ReportPublished":
        from shared.events import ReportPublished

        return ReportPublished.model_validate_json(self.event)


@dataclass(frozen=True, slots=True)
class Reading:
    """The reports of a document, the feed's own title, notes on what was mended or left out, and its hints.

    `left_out` is the note on entries beyond those that are read, None if there are none.
    """

    title: str
    drafts: tuple[Draft, ...]
    notes: tuple[str, ...] = ()
    hints: Hints = Hints()  # noqa: RUF009
    left_out: str | None = None

    @property
    def reports(self) -> "tuple[Report, ...]":
        """As they would be published."""
        return tuple(draft.report for draft in self.drafts)
