"""A report as it leaves the parse worker: ready to be told, with what decides whether it is.

Nearly all that is told is told as it was drafted: the process that polls passes the event on, and never reads it.
"""

from datetime import datetime
from typing import Any, NamedTuple

from services.ingest.core.identity import is_own_page
from services.ingest.core.meaning import digest, meaning_of, same_page
from shared.events import Report, ReportPublished, published

PAGE = "page:"


class Draft(NamedTuple):
    """A report of revision 1. `said` tells what it means, `page` is the name of its page's mark, empty for none.

    `dated` says whether `published_at` is the feed's own; `event` is the report.published.v1 of it, as JSON.
    """

    id: str
    said: str
    page: str
    published_at: datetime
    dated: bool
    event: str

    @property
    def report(self) -> Report:
        return self._published().data.report

    def changed(self, **fields: Any) -> "Draft":
        """Return it with other fields in its report; what it was told by stays."""
        event = self._published()
        report = event.data.report.model_copy(update=fields)
        return self._replace(id=report.id, event=published(report, event.time).model_dump_json())

    def _published(self) -> ReportPublished:
        return ReportPublished.model_validate_json(self.event)


def draft(report: Report, now: datetime) -> Draft:
    """Return the draft of a report that was read now."""
    return Draft(
        id=report.id,
        said=fingerprint(report),
        page=PAGE + digest(same_page(report.url)) if report.url and is_own_page(report.url) else "",
        published_at=report.published_at,
        dated=not any(note.startswith("date:") for note in report.notes),
        event=published(report, now).model_dump_json(),
    )


def fingerprint(report: Report) -> str:
    """Return digests of what title, text and link mean. Dates do not count: some feeds touch them daily."""
    meanings = (meaning_of(report.title), meaning_of(report.text), same_page(report.url or ""))
    return ".".join(map(digest, meanings))
