"""Entries of a web page that lists them, by CSS selectors from feeds.toml; the text of an article on its own page."""

from typing import TYPE_CHECKING
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from services.ingest.core.dates import read_date
from services.ingest.core.entry import Date, Entry, ParsedFeed, UnreadableDocument, Words

if TYPE_CHECKING:
    from services.ingest.core.feed import Selectors
from services.ingest.core.report import TEXT_LIMIT

PAGE_LIMIT = 3_000_000


def read_page(body: bytes, url: str, select: "Selectors") -> ParsedFeed:
    """Return a page's entries; raise UnreadableDocument if there are none, for then the page has changed.

    An entry's identity is its link. Its title is that of `title`, else the link's own text.
    """
    page = LexborHTMLParser(body)
    base = _attribute(page.css_first("base[href]"), "href")
    place = urljoin(url, base) if base else url
    nodes = page.css(select.entry)
    entries = [entry for node in nodes if (entry := _entry(node, place, select))]
    if not entries:
        found = f"{len(nodes)} elements, none with a link {select.link!r}" if nodes else "nothing"
        raise UnreadableDocument(f"the page has changed, it seems: {select.entry!r} finds {found}")
    return ParsedFeed(
        title=_text(page.css_first("title")),
        home_url=url,
        language=_attribute(page.css_first("html"), "lang"),
        entries=tuple(entries),
    )


def _entry(node: LexborNode, place: str, select: "Selectors") -> Entry | None:
    anchor = node if node.tag == "a" and _attribute(node, "href") else node.css_first(select.link)
    href = _attribute(anchor, "href")
    if not href or anchor is None:
        return None
    try:
        link = urljoin(place, href)
    except ValueError:
        return None
    title = node.css_first(select.title) if select.title else None
    summary = node.css_first(select.summary) if select.summary else None
    return Entry(
        id=link,
        link=link,
        title=Words(_text(title) or _text(anchor), html=False),
        summary=Words(summary.html or "") if summary else None,
        published=_date(node.css_first(select.date) if select.date else None),
    )


def _date(node: LexborNode | None) -> Date | None:
    return read_date(_attribute(node, "datetime") or _attribute(node, "content") or _text(node))


def _text(node: LexborNode | None) -> str:
    return " ".join(node.text(separator=" ").split()) if node else ""


def _attribute(node: LexborNode | None, name: str) -> str | None:
    return (node.attributes.get(name) or "").strip() or None if node else None


def read_article(body: bytes, url: str) -> str:
    """Return the article's plain text, paragraphs separated by a blank line; raise UnreadableDocument."""
    # Here, because it is large, and few installations need it.
    import trafilatura

    text = trafilatura.extract(
        body[:PAGE_LIMIT],
        url=url,
        include_comments=False,
        include_tables=False,
        with_metadata=False,
        favor_precision=True,
    )
    paragraphs = [" ".join(line.split()) for line in (text or "").splitlines()]
    article = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)[:TEXT_LIMIT]
    if not article:
        raise UnreadableDocument("no article is found on the page")
    return article
