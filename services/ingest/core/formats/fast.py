"""Read a well-formed RSS 2.0 or Atom document some twenty times faster than feedparser does.

It says the same as `tolerant`, or nothing: whatever is rare, or could be read in two ways, is a doubt, and with any
doubt the document goes there. A differential test holds both together (tests/unit/test_ingest_fast.py); why it is
worth it stands in docs/decisions/0001.

What looks odd here is how feedparser does it: the last of several dates counts, a guid is a link unless there is one.
"""

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from services.ingest.core.dates import read_date
from services.ingest.core.entry import MAX_AUTHORS, Entry, Hints, ParsedFeed, Words
from services.ingest.core.formats.vocabulary import (
    DATES,
    IGNORED,
    NOT_ASKED,
    Doubt,
    Vocabulary,
    check_prefixes,
)
from services.ingest.core.formats.written import absolute_link, days, hours, minutes, period, person
from services.ingest.core.formats.xml_tree import read_tree

_UTF_8 = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']utf-?8[\"'][^>]*\?>", re.IGNORECASE)
_ANY_ENCODING = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_LANGUAGE = ("{http://www.w3.org/XML/1998/namespace}lang", "lang")
_C1 = re.compile("[\x80-\x9f]")
_PLAIN, _HTML = ("text", "plain", "text/plain"), ("html", "text/html")
_PLACE = frozenset(("title", "link", "guid", "atom_title", "atom_link", "atom_id"))
_AUTHOR = frozenset(("atom_name", "atom_uri", "atom_email"))
_TITLED = frozenset(("source", "atom_source", "image", "textinput"))
_SAID = frozenset(("language", "dc_language", "ttl", "sy_updateperiod", "sy_updatefrequency"))


def read_fast(body: bytes, content_type: str | None, url: str) -> ParsedFeed | None:
    """Return what the tolerant reader would say, or None if in doubt."""
    if not _is_utf_8(body, content_type):
        return None
    try:
        check_prefixes(body)
        root = read_tree(body)
        _refuse_what_is_inherited(root)
        return _Reader(url).document(root)
    except (Doubt, ValueError):
        return None


def _is_utf_8(body: bytes, content_type: str | None) -> bool:
    charset = _CHARSET.search(content_type or "")
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        return False
    head = body[:300].removeprefix(b"\xef\xbb\xbf")
    return bool(_UTF_8.match(head)) or not _ANY_ENCODING.match(head)


def _refuse_what_is_inherited(root: Element) -> None:
    """Raise Doubt if links are relative to something, or a part has a language of its own."""
    for element in root.iter():
        # Not `attrib`, which makes a dictionary for each of a million elements that have none.
        for name in element.keys():  # noqa: SIM118
            if name.lower().endswith("base") or (name in _LANGUAGE and element is not root):
                raise Doubt


def is_mended(text: str) -> bool:
    """Return whether feedparser takes this for text that was encoded twice, or for Windows characters."""
    if _C1.search(text):
        return True
    try:
        text.encode("iso-8859-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return False
    return not text.isascii()


@dataclass(slots=True)
class _Item:
    """What was read of an item so far; also of a channel, which has nearly the same elements."""

    guid: str = ""
    link: str | None = None
    title: Words | None = None
    summary: Words | None = None
    content: Words | None = None
    authors: list[str] = field(default_factory=list)
    dates: dict[str, str] = field(default_factory=dict)


class _Reader:
    """Reads one document."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._vocabulary = Vocabulary()
        self._name = self._vocabulary.name
        self._atom = False

    def document(self, root: Element) -> ParsedFeed:
        self._atom = self._name(root) == "atom_feed"
        head = root if self._atom or len(root) != 1 else root[0]
        if not self._atom and (self._name(root), head.tag) != ("rss", "channel"):
            raise Doubt
        feed = self._feed(root, head, "atom_entry" if self._atom else "item")
        seen = self._vocabulary.seen()
        if "media_title" in seen and seen & _TITLED:
            raise Doubt  # behind one of these it counts as a title
        return feed

    def _feed(self, root: Element, head: Element, kind: str) -> ParsedFeed:
        language = root.get(_LANGUAGE[0], root.get(_LANGUAGE[1]))
        about, said, hints = self._about(head, kind)
        items = [child for child in head if self._name(child) == kind]
        return ParsedFeed(
            title=about.title.value if about.title else "",
            home_url=absolute_link(about.link or "", about.guid, self._url),
            language=said or (language or "").replace("_", "-") or None,
            hints=hints,
            entries=tuple(self._entry(item, language or None) for item in items),
        )

    def _about(self, head: Element, kind: str) -> tuple[_Item, str, Hints]:
        """What a channel says of itself: where it is, its language, and when to come."""
        about, said, places = _Item(), dict.fromkeys(_SAID, ""), []
        skip_hours: frozenset[int] = frozenset()
        skip_days: frozenset[int] = frozenset()
        language = ""
        for child in head:
            name = self._name(child)
            if name in _PLACE:
                places.append((child.get("rel", "").lower(), child.get("href")))
                self._take(about, child, name)
            elif name in _SAID:
                said[name] = self._text(child)
                language = said[name] if name.endswith("language") else language
            elif name == "skiphours":
                skip_hours = hours(part.text or "" for part in child)
            elif name == "skipdays":
                skip_days = days(part.text or "" for part in child)
            elif name != kind and name not in NOT_ASKED and name not in DATES:
                self._skip(child, name)
        hints = Hints(
            ttl=minutes(said["ttl"]),
            period=period(said["sy_updateperiod"], said["sy_updatefrequency"]),
            skip_hours=skip_hours,
            skip_days=skip_days,
            hubs=tuple(href for rel, href in places if rel == "hub" and href)[:5],
            self_url=next((href for rel, href in places if rel == "self" and href), None),
        )
        return about, language, hints

    def _entry(self, element: Element, language: str | None) -> Entry:
        item = _Item()
        for child in element:
            self._take(item, child, self._name(child))
        # Without a title another element may be one, and Atom without an id is no Atom.
        if not (item.title and item.title.value) or (self._atom and not (item.guid or item.link)):
            raise Doubt
        return Entry(
            id=item.guid or None,
            link=absolute_link(item.link or "", item.guid, self._url),
            title=item.title,
            summary=item.summary if item.summary and item.summary.value else None,
            content=item.content if item.content and item.content.value else None,
            authors=tuple(author for author in item.authors if author)[:MAX_AUTHORS],
            published=read_date(item.dates.get("published", "")),
            updated=read_date(item.dates.get("updated", "")),
            language=language,
        )

    def _take(self, item: _Item, child: Element, name: str) -> None:
        if name in DATES:
            item.dates[DATES[name]] = self._text(child)
        elif name in ("title", "atom_title"):
            item.title = self._words(child, "text", item.title)
        elif name in ("link", "atom_link"):
            link = self._link(child, name)
            item.link = item.link if link is None else link
        elif name in ("guid", "atom_id"):
            self._take_guid(item, child)
        elif name == "description":
            item.summary = self._words(child, "html", item.summary)
        elif name == "atom_summary" and self._atom:
            item.summary = self._words(child, "text", item.summary)
        elif name == "content_encoded":
            item.content = self._words(child, "html", item.content)
        elif name == "atom_content" and self._atom:
            item.content = self._words(child, "text", item.content)
        elif name in ("author", "dc_creator"):
            item.authors.append(person(self._text(child)))
        elif name == "atom_author" and self._atom:
            item.authors.append(self._atom_author(child, is_first=not item.authors))
        else:
            self._skip(child, name)

    def _skip(self, element: Element, name: str) -> None:
        """Pass over an element; raise Doubt if feedparser might make something of it, or of what is in it."""
        if name and name not in IGNORED:
            raise Doubt
        if not name.endswith(("source", "contributor")):
            for child in element:
                self._skip(child, self._name(child))

    def _link(self, child: Element, name: str) -> str | None:
        attributes = {key.lower(): value for key, value in child.attrib.items()}
        href, text = attributes.get("href"), self._text(child)
        if "url" in attributes or "uri" in attributes or ":///" in (href or text):
            raise Doubt
        if not href:
            if name == "atom_link" or "href" in attributes or ("&" in text and ";" in text):
                raise Doubt
            return text
        if attributes.get("rel", "alternate").lower() != "alternate":
            return None
        if is_mended(href):
            raise Doubt
        return href if attributes.get("type", "text/html").lower() in _HTML else None

    def _take_guid(self, item: _Item, child: Element) -> None:
        text = self._text(child)
        attributes = {key.lower(): value for key, value in child.attrib.items()}
        if (item.guid and item.guid != text) or ":///" in text:
            raise Doubt
        item.guid = text
        if attributes.get("ispermalink", "true") == "true" and item.link is None:
            item.link = text

    def _atom_author(self, child: Element, *, is_first: bool) -> str:
        parts = {self._name(part): self._text(part) for part in child}
        if (child.text or "").strip() or len(parts) != len(child) or parts.keys() - _AUTHOR:
            raise Doubt
        if "atom_email" in parts and not is_first:
            raise Doubt  # the name goes to the author before as well
        return parts.get("atom_name", "")

    def _words(self, element: Element, kind: str, before: Words | None) -> Words:
        """The text of an element that is there once, with the markup in it as it is declared."""
        kind = element.get("type", kind).lower()
        if before or kind not in (*_PLAIN, *_HTML) or element.get("mode") or element.get("src"):
            raise Doubt
        return Words(self._text(element), html=not (self._atom and kind in _PLAIN))

    def _text(self, element: Element) -> str:
        """The text of an element that holds no other; what feedparser would mend in it is a doubt."""
        if len(element):
            raise Doubt
        text = (element.text or "").strip()
        if not text.isascii() and is_mended(text):
            raise Doubt
        return text
