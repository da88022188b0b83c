"""Entries from a news sitemap, as sites make them for Google News: titles, dates and links, no texts."""

from datetime import datetime
from xml.etree.ElementTree import Element

from services.ingest.core.dates import OLDEST, read_date
from services.ingest.core.entry import Entry, ParsedFeed, UnreadableDocument, Words
from services.ingest.core.formats.xml_tree import read_tree


def read_sitemap(body: bytes) -> ParsedFeed:
    """Return the articles of a news sitemap, newest first; raise UnreadableDocument."""
    try:
        root = read_tree(body)
    except ValueError as e:
        raise UnreadableDocument(f"this is no sitemap: {e}") from e
    if _name(root) == "sitemapindex":
        raise UnreadableDocument("this is an index of sitemaps; name the one with the news")
    if _name(root) != "urlset":
        raise UnreadableDocument("this is no sitemap")
    found = [entry for child in root if (entry := _entry(child))]
    found.sort(key=_moment, reverse=True)
    publications = root.iter("{http://www.google.com/schemas/sitemap-news/0.9}name")
    return ParsedFeed(
        title=next((_text(name) for name in publications), ""),
        entries=tuple(found),
    )


def _moment(entry: Entry) -> datetime:
    return (entry.published and entry.published.moment) or OLDEST


def _entry(element: Element) -> Entry | None:
    """An article; None for an address without news, of which any site has many."""
    told = {_name(part): _text(part) for part in element.iter()}
    link = told.get("loc", "")
    if not link or not told.get("title"):
        return None
    return Entry(
        id=link,
        link=link,
        title=Words(told["title"]),
        published=read_date(told.get("publication_date") or told.get("lastmod") or ""),
        language=told.get("language") or None,
    )


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: Element) -> str:
    return (element.text or "").strip()
