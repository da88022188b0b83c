"""Read a JSON Feed (jsonfeed.org), version 1 and 1.1."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.ingest.core.dates import read_date
from services.ingest.core.entry import (
    MAX_AUTHORS,
    Entry,
    Hints,
    ParsedFeed,
    UnreadableDocument,
    Words,
)
from services.ingest.core.formats.json_object import objects, read_json, text
from services.ingest.core.formats.written import absolute_link

_VERSION = "jsonfeed.org/version/"


def read_json_feed(body: bytes, url: str) -> ParsedFeed:
    """Return what a JSON Feed says; raise UnreadableDocument."""
    document = read_json(body, "this looks like a JSON Feed, but is")
    if not isinstance(document, dict) or _VERSION not in text(document, "version"):
        raise UnreadableDocument("this is not a feed: it is JSON, but no JSON Feed")
    given = document.get("items")
    items = [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
    odd = len(given) - len(items) if isinstance(given, list) else 0
    return ParsedFeed(
        title=text(document, "title"),
        home_url=absolute_link(text(document, "home_page_url"), "", url),
        language=text(document, "language") or None,
        hints=Hints(
            hubs=tuple(text(hub, "url") for hub in objects(document, "hubs") if text(hub, "url"))[:5],
            self_url=text(document, "feed_url") or None,
        ),
        entries=tuple(_entry(item, url) for item in items),
        mended=f"{odd} items are no objects" if odd else None,
    )


def _entry(item: Mapping[str, Any], url: str) -> Entry:
    guid = text(item, "id")
    html, plain, summary = (text(item, name) for name in ("content_html", "content_text", "summary"))
    link = text(item, "url") or text(item, "external_url") or guid
    return Entry(
        id=guid or None,
        link=absolute_link(link, guid, url),
        title=Words(text(item, "title"), html=False),
        summary=Words(summary, html=False) if summary else None,
        content=Words(html) if html else Words(plain, html=False) if plain else None,
        authors=tuple(_authors(item))[:MAX_AUTHORS],
        published=read_date(text(item, "date_published")),
        updated=read_date(text(item, "date_modified")),
        language=text(item, "language") or None,
    )


def _authors(item: Mapping[str, Any]) -> Iterator[str]:
    author = item.get("author")  # version 1
    for person in [*objects(item, "authors"), *([author] if isinstance(author, dict) else [])]:
        name = text(person, "name")
        if name:
            yield name
