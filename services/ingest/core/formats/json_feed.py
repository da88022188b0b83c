"""Read a JSON Feed (jsonfeed.org), version 1 and 1.1."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from services.ingest.core.dates import read_date
from services.ingest.core.entry import (
    MAX_AUTHORS,
    MAX_ENTRIES,
    Entry,
    Hints,
    ParsedFeed,
    UnreadableDocument,
    Words,
)
from services.ingest.core.formats.link import absolute_link

_VERSION = "jsonfeed.org/version/"


def read_json_feed(body: bytes, url: str) -> ParsedFeed:
    """Return what a JSON Feed says; raise UnreadableDocument."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise UnreadableDocument(f"this looks like a JSON Feed, but is not JSON ({str(e)[:100]})") from e
    if not isinstance(document, dict) or _VERSION not in _text(document, "version"):
        raise UnreadableDocument("this is not a feed: it is JSON, but no JSON Feed")
    given = document.get("items")
    items = [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
    odd = len(given) - len(items) if isinstance(given, list) else 0
    return ParsedFeed(
        title=_text(document, "title"),
        home_url=absolute_link(_text(document, "home_page_url"), "", url),
        language=_text(document, "language") or None,
        hints=Hints(
            hubs=tuple(_text(hub, "url") for hub in _objects(document, "hubs") if _text(hub, "url"))[:5],
            self_url=_text(document, "feed_url") or None,
        ),
        entries=tuple(_entry(item, url) for item in items[:MAX_ENTRIES]),
        mended=f"{odd} items are no objects" if odd else None,
        left_out=max(0, len(items) - MAX_ENTRIES),
    )


def _entry(item: Mapping[str, Any], url: str) -> Entry:
    guid = _text(item, "id")
    html, plain, summary = (_text(item, name) for name in ("content_html", "content_text", "summary"))
    link = _text(item, "url") or _text(item, "external_url") or guid
    return Entry(
        id=guid or None,
        link=absolute_link(link, guid, url),
        title=Words(_text(item, "title"), html=False),
        summary=Words(summary, html=False) if summary else None,
        content=Words(html) if html else Words(plain, html=False) if plain else None,
        authors=tuple(_authors(item))[:MAX_AUTHORS],
        published=read_date(_text(item, "date_published")),
        updated=read_date(_text(item, "date_modified")),
        language=_text(item, "language") or None,
    )


def _authors(item: Mapping[str, Any]) -> Iterator[str]:
    author = item.get("author")  # version 1
    for person in [*_objects(item, "authors"), *([author] if isinstance(author, dict) else [])]:
        name = _text(person, "name")
        if name:
            yield name


def _objects(item: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = item.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(item: Mapping[str, Any], name: str) -> str:
    """A string; a number as one, for ids are often numbers against the rules."""
    value = item.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**30 else ""
    return _without_surrogates(value).strip() if isinstance(value, str) else ""


def _without_surrogates(text: str) -> str:
    """JSON can hold halves of characters, which nothing after it can write."""
    return text if text.isascii() else text.encode(errors="replace").decode()
