"""Read a feed's document, whatever its form: from bytes to reports. This is what a parse worker does.

JSON Feed by its own reader; RSS, RDF and Atom by the fast reader, and by the tolerant one wherever there is any
doubt that both would say the same (docs/decisions/0001).
"""

import re
from dataclasses import replace
from datetime import datetime
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

from services.ingest.core.dates import OLDEST
from services.ingest.core.draft import Origin, Reading
from services.ingest.core.entry import MAX_ENTRIES, Entry, ParsedFeed, UnreadableDocument
from services.ingest.core.formats.fast import read_fast
from services.ingest.core.formats.json_feed import read_json_feed
from services.ingest.core.identity import with_keys
from services.ingest.core.report import source_of, to_draft
from services.ingest.core.sample import as_of_today
from services.ingest.core.sources.page import read_page
from services.ingest.core.sources.reliefweb import read_reliefweb
from services.ingest.core.sources.sitemap import read_sitemap

_PAGE = re.compile(rb"<(!doctype\s+html|html)[\s>]", re.IGNORECASE)
_FEED = re.compile(rb"<(\w+:)?(rss|rdf|feed)[\s>]", re.IGNORECASE)
_FEED_TYPES = (
    "application/rss+xml",
    "application/atom+xml",
    "application/feed+json",
    "application/rdf+xml",
)
_PAGE_LIMIT = 1_000_000


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


def parse_source(body: bytes, content_type: str | None, url: str, feed: Origin) -> ParsedFeed:
    """Return what a source of any kind says, each entry with its key; raise UnreadableDocument.

    `content_type` is the header as received; `url` is where the document came from in the end, and what
    relative links are relative to.
    """
    parsed = _only_newest(_read_source(body, content_type, url, feed))
    return replace(parsed, entries=with_keys(parsed.entries))


def _only_newest(parsed: ParsedFeed) -> ParsedFeed:
    """Return the document with at most MAX_ENTRIES entries, in its order; `left_out` says that some are not here.

    An entry without a date counts as old as the one before it. Without any dates the first ones are kept.
    """
    more = len(parsed.entries) - MAX_ENTRIES
    if more <= 0:
        return parsed
    moments = [_moment(entry) for entry in parsed.entries]
    known = [moment for moment in moments if moment]
    kept = sorted(_ranked(moments, known)[:MAX_ENTRIES])
    said = f"{more} entries left out: only the {'newest' if known else 'first'} {MAX_ENTRIES} are read"
    return replace(parsed, entries=tuple(parsed.entries[place] for place in kept), left_out=said)


def _ranked(moments: list[datetime | None], known: list[datetime]) -> list[int]:
    """The places of the entries, newest first."""
    later = 1 if known and known[0] < known[-1] else -1
    last, ages = known[0] if known else OLDEST, []
    for place, moment in enumerate(moments):
        last = moment or last
        ages.append((last, later * place, place))
    return [place for *_, place in sorted(ages, reverse=True)]


def _moment(entry: Entry) -> datetime | None:
    return next((date.moment for date in (entry.published, entry.updated) if date and date.moment), None)


def _read_source(body: bytes, content_type: str | None, url: str, feed: Origin) -> ParsedFeed:
    if feed.kind == "page" and feed.select:
        return read_page(body, url, feed.select)
    if feed.kind == "sitemap":
        return read_sitemap(body)
    if feed.kind == "reliefweb":
        return read_reliefweb(body)
    return _read_feed(body, content_type, url)


def _read_feed(body: bytes, content_type: str | None, url: str) -> ParsedFeed:
    start = body[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not body.strip():
        raise UnreadableDocument("the document is empty")
    if start[:1] in (b"{", b"["):
        return read_json_feed(body, url)
    if _PAGE.search(start) and not _FEED.search(start):
        raise UnreadableDocument(*_about_page(body, url), is_page=True)
    return read_fast(body, content_type, url) or _read_tolerantly(body, content_type, url)


def _read_tolerantly(body: bytes, content_type: str | None, url: str) -> ParsedFeed:
    # Here, for most documents never need it.
    from services.ingest.core.formats.tolerant import read_tolerantly

    return read_tolerantly(body, content_type, url)


def _about_page(body: bytes, url: str) -> tuple[str, tuple[str, ...]]:
    found = find_announced(body, url)
    return "this is a web page, not a feed" + (f"; it names {found[0]} as its feed" if found else ""), found


def find_announced(body: bytes, url: str) -> tuple[str, ...]:
    """Return the addresses of the feeds that a web page announces by <link rel=alternate>, at most ten."""
    page = LexborHTMLParser(body[:_PAGE_LIMIT])
    base = next((node.attributes.get("href") for node in page.css("base[href]")), None) or ""
    found: dict[str, None] = {}
    for link in page.css("link[rel~='alternate' i][href]"):
        kind = (link.attributes.get("type") or "").split(";")[0].strip().lower()
        href = (link.attributes.get("href") or "").strip()
        if kind in _FEED_TYPES and href:
            try:
                found[urljoin(urljoin(url, base), href)] = None
            except ValueError:
                continue
    return tuple(found)[:10]
