"""Read a well-formed RSS, RDF or Atom document some twenty times faster than feedparser does.

It says the same as `tolerant`, or nothing: whatever is rare, or could be read in two ways, is a doubt, and with any
doubt the document goes there. A differential test holds both together (tests/unit/test_ingest_fast.py); why it is
worth it stands in docs/decisions/0001.

What looks odd here is how feedparser does it: the last of several dates counts but the first of several titles, a
guid is a link unless there is one, a second description is content.
"""

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from services.ingest.core.dates import read_date
from services.ingest.core.entry import MAX_AUTHORS, MAX_ENTRIES, Entry, Hints, ParsedFeed, Words
from services.ingest.core.formats.hints import days, hours, minutes, period
from services.ingest.core.formats.link import absolute_link
from services.ingest.core.formats.texts import is_mended, markup, person
from services.ingest.core.formats.vocabulary import (
    DATES,
    IGNORED,
    NOT_ASKED,
    Doubt,
    Vocabulary,
    check_prefixes,
    could_count,
)
from services.ingest.core.formats.xml_tree import read_tree

_UTF_8 = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']utf-?8[\"'][^>]*\?>", re.IGNORECASE)
_ANY_ENCODING = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_KINDS = {"text": "text/plain", "plain": "text/plain", "html": "text/html", "xhtml": "application/xhtml+xml"}


def read_fast(body: bytes, content_type: str | None, url: str) -> ParsedFeed | None:
    """Return what the tolerant reader would say, or None if in doubt."""
    if not _is_utf_8(body, content_type):
        return None
    try:
        check_prefixes(body)
        root = read_tree(body)
        if _has_base(root):
            return None
        return _Reader(url, b"lang" in body).document(root)
    except (Doubt, ValueError):
        return None


def _has_base(root: Element) -> bool:
    """Are links relative to something, perhaps?"""
    # Not `attrib`, which makes a dictionary for each of a million elements that have none.
    return any(name.lower().endswith("base") for element in root.iter() for name in element.keys())  # noqa: SIM118


def _is_utf_8(body: bytes, content_type: str | None) -> bool:
    charset = _CHARSET.search(content_type or "")
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        return False
    head = body[:300].removeprefix(b"\xef\xbb\xbf")
    return bool(_UTF_8.match(head)) or not _ANY_ENCODING.match(head)


@dataclass(slots=True)
class _Item:
    """What was read of an item so far; also of a channel, which has nearly the same elements."""

    guid: str = ""
    link: str | None = None
    title: Words | None = None
    summary: Words | None = None
    contents: list[Words] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)
    dates: dict[str, str] = field(default_factory=dict)
    languages: dict[str, str | None] = field(default_factory=dict)
    has_summary: bool = False
    has_content: bool = False


class _Reader:
    """Reads one document."""

    def __init__(self, url: str, has_languages: bool) -> None:
        self._url = url
        self._has_languages = has_languages
        self._name = Vocabulary().name
        self._atom = False
        self._has_other_title = False

    def document(self, root: Element) -> ParsedFeed:
        name = self._name(root)
        if name == "rss":
            return self._rss(root)
        if name == "rdf_rdf":
            return self._rdf(root)
        if name == "atom_feed":
            self._atom = True
            return self._feed(root, root, "atom_entry", root)
        raise Doubt

    def _rss(self, root: Element) -> ParsedFeed:
        [channel] = root if len(root) == 1 else [None]
        if channel is None or self._name(channel) != "channel" or "}" in channel.tag:
            raise Doubt
        return self._feed(root, channel, "item", channel)

    def _rdf(self, root: Element) -> ParsedFeed:
        channels = [child for child in root if self._name(child) == "channel"]
        others = {self._name(child) for child in root} - {"channel", "item", "image", "textinput"}
        if len(channels) != 1 or others or root[0] is not channels[0] or channels[0].tag == "channel":
            raise Doubt
        return self._feed(root, channels[0], "item", root)

    def _feed(self, root: Element, head: Element, kind: str, parent: Element) -> ParsedFeed:
        language = self._language(head, self._language(root, None))
        items = [child for child in parent if self._name(child) == kind]
        about = _About(self)
        for child in head:
            if self._name(child) != kind:
                about.take(child)
        title = about.item.title
        return ParsedFeed(
            title=title.value if title else "",
            home_url=absolute_link(about.item.link or "", about.item.guid, self._url),
            language=about.language or (self._language(root, None) or "").replace("_", "-") or None,
            hints=about.hints(),
            entries=tuple(self._entry(item, language) for item in items[:MAX_ENTRIES]),
            left_out=max(0, len(items) - MAX_ENTRIES),
        )

    def _entry(self, element: Element, language: str | None) -> Entry:
        self._has_other_title = False
        item = _Item(guid=element.get("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about", ""))
        language = self._language(element, language)
        for child in element:
            self.take(item, child, language)
        if self._has_other_title and not item.title:
            raise Doubt
        if self._atom and not (item.guid or item.link):
            raise Doubt
        languages = item.languages
        return Entry(
            id=item.guid or None,
            link=absolute_link(item.link or "", item.guid, self._url),
            title=item.title or Words(""),
            summary=item.summary,
            content=max(item.contents, key=lambda words: len(words.value), default=None),
            authors=tuple(author for author in item.authors if author)[:MAX_AUTHORS],
            published=read_date(item.dates.get("published", "")),
            updated=read_date(item.dates.get("updated", "")),
            language=languages.get("content") or languages.get("summary") or languages.get("title"),
        )

    def take(self, item: _Item, child: Element, language: str | None) -> None:
        """Take in a child of an item; raise Doubt."""
        name = self._name(child)
        if name in DATES:
            item.dates[DATES[name]] = self._text(child)
        elif name in ("title", "atom_title"):
            self._take_title(item, child, language)
        elif name in ("link", "atom_link"):
            self._take_link(item, child)
        elif name in ("guid", "atom_id"):
            self._take_guid(item, child)
        elif name == "description":
            self._take_description(item, child, language)
        elif name == "content_encoded":
            self._take_content(item, child, "text/html", language)
        elif name == "atom_content" and self._atom:
            self._take_content(item, child, "text/plain", language)
        elif name == "atom_summary" and self._atom:
            self._take_summary(item, child, "text/plain", language)
        elif name in ("author", "dc_creator"):
            item.authors.append(person(self._text(child)))
        elif name == "atom_author" and self._atom:
            item.authors.append(self._atom_author(child))
        else:
            self.skip(child, name)

    def skip(self, element: Element, name: str) -> None:
        """Pass over an element; raise Doubt if something in it could count."""
        if name == "media_title":
            self._has_other_title = True
            self._text(element)
            return
        if name in IGNORED:
            if name.endswith(("source", "contributor")):
                return
        elif could_count(name):
            raise Doubt
        for child in element:
            self.skip(child, self._name(child))

    def _take_title(self, item: _Item, child: Element, language: str | None) -> None:
        if len(child):
            raise Doubt  # markup written in another way would make it another entry
        words = self._words(child, "text/plain")
        if words.value and not item.title:
            item.title = words
            item.languages["title"] = self._language(child, language)

    def _take_link(self, item: _Item, child: Element) -> None:
        attributes = {key.lower(): value for key, value in child.attrib.items()}
        if "url" in attributes or "uri" in attributes:
            raise Doubt
        href = attributes.get("href")
        text = self._text(child)
        if not href:
            if self._name(child) == "atom_link" or "href" in attributes:
                raise Doubt
            if ("&" in text and ";" in text) or ":///" in text:
                raise Doubt
            item.link = text
        elif attributes.get("rel", "alternate").lower() == "alternate":
            kind = attributes.get("type", "text/html").lower()
            if ":///" in href or is_mended(href):
                raise Doubt
            if _KINDS.get(kind, kind) in ("text/html", "application/xhtml+xml"):
                item.link = href

    def _take_guid(self, item: _Item, child: Element) -> None:
        text = self._text(child)
        attributes = {key.lower(): value for key, value in child.attrib.items()}
        if (item.guid and item.guid != text) or ":///" in text:
            raise Doubt
        item.guid = text
        if attributes.get("ispermalink", "true") == "true" and item.link is None:
            item.link = text

    def _take_description(self, item: _Item, child: Element, language: str | None) -> None:
        if item.has_summary and not item.has_content:
            raise Doubt
        self._take_summary(item, child, "text/html", language)

    def _take_summary(self, item: _Item, child: Element, kind: str, language: str | None) -> None:
        if item.summary or (item.has_summary and not item.has_content):
            raise Doubt
        words = self._words(child, kind)
        item.has_summary = True
        if words.value:
            item.summary = words
        item.languages["summary"] = self._language(child, language)

    def _take_content(self, item: _Item, child: Element, kind: str, language: str | None) -> None:
        item.has_content = True
        if child.get("src") or child.get("mode"):
            raise Doubt
        words = self._words(child, kind)
        if words.value:
            item.contents.append(words)
        item.languages.setdefault("content", self._language(child, language))

    def _atom_author(self, child: Element) -> str:
        if (child.text or "").strip():
            raise Doubt
        name = ""
        for part in child:
            text = self._text(part)
            if self._name(part) == "atom_name":
                name = text
            elif self._name(part) not in ("atom_uri", "atom_email"):
                raise Doubt
        return name

    def _words(self, element: Element, kind: str) -> Words:
        """The text of an element, with the markup in it as it is declared."""
        kind = element.get("type", kind).lower()
        kind = _KINDS.get(kind, kind)
        if kind == "application/xhtml+xml" and self._atom:
            return Words(markup(element).strip())
        if kind not in ("text/plain", "text/html") or element.get("mode"):
            raise Doubt
        return Words(self._text(element), html=not (self._atom and kind == "text/plain"))

    def _text(self, element: Element) -> str:
        """The text of an element that holds no other; what feedparser would mend in it is a doubt."""
        if len(element):
            raise Doubt
        text = (element.text or "").strip()
        if not text.isascii() and is_mended(text):
            raise Doubt
        return text

    def _language(self, element: Element, inherited: str | None) -> str | None:
        if not self._has_languages:
            return None
        given = element.get("{http://www.w3.org/XML/1998/namespace}lang", element.get("lang"))
        return inherited if given is None else given or None


class _About:
    """What a channel says of itself."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self.item = _Item()
        self.language = ""
        self._asked: dict[str, str] = {}
        self._hours: frozenset[int] = frozenset()
        self._days: frozenset[int] = frozenset()
        self._hubs: list[str] = []
        self._self: str | None = None

    def take(self, child: Element) -> None:
        """Take in a child of the channel; raise Doubt."""
        reader, name = self._reader, self._reader._name(child)
        if name in ("language", "dc_language"):
            self.language = reader._text(child)
        elif name in ("ttl", "sy_updateperiod", "sy_updatefrequency"):
            self._asked[name] = reader._text(child)
        elif name == "skiphours":
            self._hours = hours(part.text or "" for part in child)
        elif name == "skipdays":
            self._days = days(part.text or "" for part in child)
        elif name in ("title", "link", "guid", "atom_id", "atom_link", "atom_title"):
            self._note_place(child)
            if self.item.title and name in ("title", "atom_title"):
                raise Doubt
            reader.take(self.item, child, None)
        elif name not in NOT_ASKED and name not in DATES:
            reader.skip(child, name)

    def _note_place(self, child: Element) -> None:
        rel, href = child.get("rel", "").lower(), child.get("href")
        if href and rel == "self" and not self._self:
            self._self = href
        elif href and rel == "hub":
            self._hubs.append(href)

    def hints(self) -> Hints:
        """Return what it asks of those who poll it."""
        return Hints(
            ttl=minutes(self._asked.get("ttl")),
            period=period(self._asked.get("sy_updateperiod"), self._asked.get("sy_updatefrequency")),
            skip_hours=self._hours,
            skip_days=self._days,
            hubs=tuple(self._hubs)[:5],
            self_url=self._self,
        )
