"""One document of a feed, read to the end: from bytes to reports. This is what a parse worker does."""

from dataclasses import dataclass
from datetime import datetime

from services.ingest.core.draft import Draft, draft
from services.ingest.core.entry import MAX_ENTRIES, Hints, ParsedFeed
from services.ingest.core.feed import Feed
from services.ingest.core.parse import parse_source
from services.ingest.core.report import source_of, to_report
from services.ingest.core.sample import as_of_today
from shared.events import Report


@dataclass(frozen=True, slots=True)
class Reading:
    """The reports of a document, the feed's own title, notes on what was mended or left out, and its hints."""

    title: str
    drafts: tuple[Draft, ...]
    notes: tuple[str, ...] = ()
    hints: Hints = Hints()  # noqa: RUF009

    @property
    def reports(self) -> tuple[Report, ...]:
        """As they would be published."""
        return tuple(draft.report for draft in self.drafts)


def read_document(body: bytes, content_type: str | None, url: str, feed: Feed, now: datetime) -> Reading:
    """Return the reports of a document; raise UnreadableDocument. `url` is where it came from in the end."""
    parsed = parse_source(body, content_type, url, feed)
    if feed.sample:
        parsed = as_of_today(parsed, now)
    source = source_of(feed, parsed)
    reports = [to_report(entry, feed, parsed, now, source) for entry in parsed.entries]
    told = tuple(draft(report, now) for report in reports if report.title or report.url)
    return Reading(source.title, told, tuple(_notes(parsed, len(reports) - len(told))), parsed.hints)


def _notes(parsed: ParsedFeed, empty: int) -> list[str]:
    notes = [parsed.mended] if parsed.mended else []
    if parsed.left_out:
        notes.append(f"{parsed.left_out} entries beyond the first {MAX_ENTRIES} left out")
    if empty:
        notes.append(f"{empty} entries without title, text and link left out")
    return notes
