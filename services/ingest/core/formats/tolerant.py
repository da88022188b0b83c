"""Read any RSS, RDF or Atom document, also a broken one, by feedparser. Slow: see docs/decisions/0001."""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from io import BytesIO
from typing import Any
from xml.sax import SAXException, SAXParseException

import feedparser

from services.ingest.core.dates import read_date
from services.ingest.core.entry import (
    MAX_AUTHORS,
    Entry,
    Hints,
    ParsedFeed,
    UnreadableDocument,
    Words,
)
from services.ingest.core.formats.written import absolute_link, days, hours, minutes, period, person

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_REFERENCE = re.compile(rb"&#(?:[xX]([0-9a-fA-F]{1,20})|([0-9]{1,20}));?")
_REST_OF_MAIL = re.compile(r"[a-z.-]+ \([^)]*$|.*[<(][a-z.-]+>?$")
_HOURS = re.compile(rb"<hour>\s*(\d{1,2})\s*</hour>", re.IGNORECASE)
_DAYS = re.compile(rb"<day>\s*([a-z]{6,9})\s*</day>", re.IGNORECASE)


def read_tolerantly(body: bytes, content_type: str | None, url: str) -> ParsedFeed:
    """Return what can be read, with `mended` saying what was wrong; raise UnreadableDocument."""
    try:
        document = _read(body, content_type)
        mended = _mended(document)
    except (ValueError, OverflowError):
        document = _read(_without_impossible_characters(body), content_type)
        mended = _mended(document) or "references to characters that there are not"
    if not document.version and not document.entries:
        raise UnreadableDocument("this is not a feed: neither RSS nor Atom nor JSON Feed")
    if mended and not document.entries:
        raise UnreadableDocument(f"the feed is broken before its first entry: {mended}")
    return ParsedFeed(
        title=_string(document.feed, "title"),
        home_url=_link(document.feed, url),
        language=_string(document.feed, "language") or None,
        hints=_hints(document.feed, body),
        entries=tuple(_entry(item, document, url) for item in document.entries),
        mended=mended,
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


def _without_impossible_characters(body: bytes) -> bytes:
    def possible(found: re.Match[bytes]) -> bytes:
        number = int(found[1], 16) if found[1] else int(found[2])
        is_one = number < 0x110000 and not 0xD800 <= number < 0xE000
        return found[0] if is_one else "\N{REPLACEMENT CHARACTER}".encode()

    return _REFERENCE.sub(possible, body)


def _mended(document: Any) -> str | None:
    """What was wrong with the document, in words; None if nothing was."""
    problem = document.get("bozo_exception") if document.get("bozo") else None
    if isinstance(problem, SAXParseException):
        return f"not well-formed XML (line {problem.getLineNumber()}: {problem.getMessage()})"
    if isinstance(problem, SAXException):
        return f"not well-formed XML ({problem.getMessage()})"
    if isinstance(problem, feedparser.CharacterEncodingOverride | feedparser.CharacterEncodingUnknown):
        return f"wrong charset ({str(problem)[:200]})"
    return None


def _hints(feed: Any, body: bytes) -> Hints:
    head = body[:100_000].partition(b"<item")[0]
    links = [link for link in feed.get("links", []) if _string(link, "href")]
    return Hints(
        ttl=minutes(_string(feed, "ttl")),
        period=period(_string(feed, "sy_updateperiod"), _string(feed, "sy_updatefrequency")),
        skip_hours=hours(found.decode() for found in _HOURS.findall(head)),
        skip_days=days(found.decode() for found in _DAYS.findall(head)),
        hubs=tuple(link["href"] for link in links if link.get("rel") == "hub")[:5],
        self_url=next((link["href"] for link in links if link.get("rel") == "self"), None),
    )


def _entry(item: Any, document: Any, url: str) -> Entry:
    atom = document.version.startswith("atom")
    return Entry(
        id=_string(item, "id") or None,
        link=_link(item, url),
        title=_words(item.get("title_detail"), atom) or Words(_string(item, "title")),
        summary=_words(item.get("summary_detail"), atom),
        content=_longest(item.get("content", []), atom),
        authors=tuple(_authors(item, atom))[:MAX_AUTHORS],
        published=read_date(_string(item, "published")),
        updated=read_date(_string(item, "updated")),
        language=_language(item),
    )


def _string(item: dict[str, Any], name: str) -> str:
    # Not item.get: feedparser's own answers for `updated` with `published`, and warns.
    value = dict.get(item, name)
    return value.strip() if isinstance(value, str) else ""


def _link(item: dict[str, Any], url: str) -> str | None:
    return absolute_link(_string(item, "link"), _string(item, "id"), url)


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


def _authors(item: Any, atom: bool) -> Iterator[str]:
    """The names. feedparser ends a mail address after four letters of its last part, and the rest is in the name.

    What was written it keeps of the last author only; of the others a name with a rest in it is left out.
    """
    authors = [author for author in item.get("authors", []) if author]
    for place, author in enumerate(authors, 1):
        name, mail, written = _string(author, "name"), _string(author, "email"), _string(item, "author")
        if atom or "@" not in mail + name:
            pass
        elif place == len(authors) and written != f"{name} ({mail})":
            name = person(unescape(written))
        elif mail and _REST_OF_MAIL.match(name):
            continue
        if name:
            yield name


def _language(item: Any) -> str | None:
    """What xml:lang says about the entry; feedparser repeats it on each text."""
    details = [*item.get("content", []), item.get("summary_detail"), item.get("title_detail")]
    return next((found for detail in details if detail and (found := _string(detail, "language"))), None)
