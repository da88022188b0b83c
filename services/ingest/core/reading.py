"""One document of a feed, read to the end: from bytes to reports. This is what a parse worker does."""

from datetime import datetime

from services.ingest.core.draft import Origin, Reading
from services.ingest.core.entry import ParsedFeed
from services.ingest.core.parse import parse_source
from services.ingest.core.report import source_of, to_draft
from services.ingest.core.sample import as_of_today


def read_document(body: bytes, content_type: str | None, url: str, feed: Origin, now: datetime) -> Reading:
    """Return the reports of a document; raise UnreadableDocument. `url` is where it came from in the end."""
    parsed = parse_source(body, content_type, url, feed)
    if feed.sample:
        parsed = as_of_today(parsed, now)
    source = source_of(feed, parsed)
    drafts = [to_draft(entry, feed, parsed, now, source) for entry in parsed.entries]
    told = tuple(draft for draft in drafts if draft)
    notes = tuple(_notes(parsed, len(drafts) - len(told)))
    return Reading(source["title"] or "", told, notes, parsed.hints, parsed.left_out)


def _notes(parsed: ParsedFeed, empty: int) -> list[str]:
    notes = [note for note in (parsed.mended, parsed.left_out) if note]
    if empty:
        notes.append(f"{empty} entries without title, text and link left out")
    return notes
