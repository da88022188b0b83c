"""Read a feed document: RSS and Atom, also somewhat broken ones. Knows no network and no file."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import urljoin
from xml.sax import SAXException, SAXParseException

import feedparser

from services.ingest.core.entry import Date, Entry, ParsedFeed, UnreadableDocument, Words
from services.ingest.core.identity import with_keys

MAX_ENTRIES = 500
MAX_AUTHORS = 20

_PAGE = re.compile(rb"<(!doctype\s+html|html)[\s>]", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


def parse_document(body: bytes, content_type: str | None, url: str) -> ParsedFeed:
    """Return what a feed document says; raise UnreadableDocument.

    `content_type` is the header as received; `url` is where the document came from in the end, and what
    relative links are relative to.
    """
    if not body.strip():
        raise UnreadableDocument("the document is empty")
    document = _read(body, content_type)
    mended = _mended(document)
    _refuse_what_is_no_feed(document, body, mended)
    entries = with_keys([_entry(item, document, url) for item in document.entries[:MAX_ENTRIES]])
    return ParsedFeed(
        title=_string(document.feed, "title"),
        home_url=_link(document.feed, url),
        language=_string(document.feed, "language") or None,
        ttl=_minutes(_string(document.feed, "ttl")),
        entries=entries,
        mended=mended,
        left_out=max(0, len(document.entries) - MAX_ENTRIES),
    )


def _read(body: bytes, content_type: str | None) -> Any:
    """Only the charset of the content type counts: a feed served as text/html is still a feed."""
    charset = _CHARSET.search(content_type or "")
    media_type = "application/xml" + (f"; charset={charset[1]}" if charset else "")
    # Wrapped, because feedparser takes bare bytes for the name of a file. Cleaning and resolving are left
    # out, because we make plain text of everything; they are half of the work.
    return feedparser.parse(
        BytesIO(body),
        response_headers={"content-type": media_type},
        sanitize_html=False,
        resolve_relative_uris=False,
    )


def _mended(document: Any) -> str | None:
    """What was wrong with the document, in words; None if nothing was."""
    problem = document.get("bozo_exception") if document.get("bozo") else None
    if isinstance(problem, SAXParseException):
        return f"not well-formed XML (line {problem.getLineNumber()}: {problem.getMessage()})"
    if isinstance(problem, SAXException):
        return f"not well-formed XML ({problem.getMessage()})"
    if isinstance(problem, feedparser.CharacterEncodingOverride | feedparser.CharacterEncodingUnknown):
        return f"wrong charset ({problem})"
    return None


def _refuse_what_is_no_feed(document: Any, body: bytes, mended: str | None) -> None:
    if not document.version and _PAGE.search(body[:4096]):
        raise UnreadableDocument("this is a web page, not a feed")
    if not document.version and not document.entries:
        raise UnreadableDocument("this is not a feed: neither RSS nor Atom")
    if mended and not document.entries:
        raise UnreadableDocument(f"the feed is broken before its first entry: {mended}")


def _entry(item: Any, document: Any, url: str) -> Entry:
    atom = document.version.startswith("atom")
    return Entry(
        id=_string(item, "id") or None,
        link=_link(item, url),
        title=_words(item.get("title_detail"), atom) or Words(_string(item, "title")),
        summary=_words(item.get("summary_detail"), atom),
        content=_longest(item.get("content", []), atom),
        authors=tuple(_authors(item))[:MAX_AUTHORS],
        published=_date(item, "published"),
        updated=_date(item, "updated"),
        language=_language(item),
    )


def _string(item: Mapping[str, Any], name: str) -> str:
    value = _given(item, name)
    return value.strip() if isinstance(value, str) else ""


def _given(item: Any, name: str) -> Any:
    # Not item.get: feedparser's own answers for `updated` with `published`, and warns.
    return dict.get(item, name)


def _link(item: Mapping[str, Any], url: str) -> str | None:
    """The link as an absolute address, of whatever scheme."""
    link = _string(item, "link")
    # An RSS guid counts as a link unless it says otherwise, and most guids that are none do not say so.
    if not link or (link == _string(item, "id") and "://" not in link):
        return None
    try:
        return urljoin(url, link) if "://" in url else link
    except ValueError:
        return link


def _words(detail: Mapping[str, Any] | None, atom: bool) -> Words | None:
    if not detail or not isinstance(detail.get("value"), str) or not detail["value"].strip():
        return None
    # RSS has no way to say "plain", so its texts are read as HTML throughout.
    return Words(detail["value"], html=not (atom and detail.get("type") == "text/plain"))


def _longest(contents: list[Mapping[str, Any]], atom: bool) -> Words | None:
    texts = [
        content for content in contents if "text" in (kind := content.get("type", "text")) or "xml" in kind
    ]
    found = [words for words in (_words(content, atom) for content in texts) if words]
    return max(found, key=lambda words: len(words.value), default=None)


def _authors(item: Any) -> Iterator[str]:
    for author in item.get("authors", []):
        name = _string(author, "name")
        if name:
            yield name


def _date(item: Mapping[str, Any], name: str) -> Date | None:
    written = _string(item, name)
    if not written:
        return None
    parsed = _given(item, f"{name}_parsed")
    if not parsed:
        return Date(written, None)
    year, month, day, hour, minute, second = parsed[:6]
    try:
        return Date(written, datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC))
    except ValueError:
        return Date(written, None)


def _language(item: Any) -> str | None:
    """What xml:lang says about the entry; feedparser repeats it on each text."""
    details = [*item.get("content", []), item.get("summary_detail"), item.get("title_detail")]
    return next((found for detail in details if detail and (found := _string(detail, "language"))), None)


def _minutes(ttl: str) -> float | None:
    return float(ttl) * 60 if ttl.isascii() and ttl.isdigit() and len(ttl) < 8 else None
