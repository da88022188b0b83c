"""OPML: the form in which feed readers exchange their lists. Knows no file."""

from collections.abc import Iterable
from datetime import datetime
from email.utils import format_datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from services.ingest.core.formats.xml_tree import read_tree

LIMIT_BYTES = 10_000_000
LIMIT_FEEDS = 20_000


class OpmlError(ValueError):
    """This is no OPML. The message says why."""


class Outline(NamedTuple):
    """A feed in an OPML document."""

    url: str
    title: str | None


def read_opml(body: bytes) -> list[Outline]:
    """Return the feeds of a document, each address once; raise OpmlError."""
    if len(body) > LIMIT_BYTES:
        raise OpmlError(f"it is larger than {LIMIT_BYTES / 1e6:g} MB")
    try:
        root = read_tree(body)
    except ValueError as e:
        raise OpmlError(str(e)) from e
    if root.tag.lower() != "opml":
        raise OpmlError(f"it is <{root.tag[:40]}>, not <opml>")
    outlines: dict[str, Outline] = {}
    for element in root.iter():
        attributes = {name.lower(): value.strip() for name, value in element.attrib.items()}
        url = attributes.get("xmlurl", "")
        if element.tag.lower() == "outline" and url and len(outlines) < LIMIT_FEEDS:
            title = " ".join((attributes.get("title") or attributes.get("text") or "").split())
            outlines.setdefault(url, Outline(url, title if title and title != url else None))
    return list(outlines.values())


def write_opml(outlines: Iterable[Outline], now: datetime) -> bytes:
    """Return an OPML 2.0 document."""
    root = Element("opml", version="2.0")
    head = SubElement(root, "head")
    SubElement(head, "title").text = "Feeds of Tocsin"
    SubElement(head, "dateCreated").text = format_datetime(now)
    body = SubElement(root, "body")
    for url, title in outlines:
        SubElement(body, "outline", type="rss", text=title or url, title=title or url, xmlUrl=url)
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"
