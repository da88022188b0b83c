"""Texts as feedparser takes them, for the fast reader."""

import html
import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element

from services.ingest.core.formats.vocabulary import Doubt

_C1 = re.compile("[\x80-\x9f]")
_MAIL = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+[a-zA-Z]{2,4}\b", re.ASCII)


def is_mended(text: str) -> bool:
    """Return whether feedparser takes this for text that was encoded twice, or for Windows characters."""
    if _C1.search(text):
        return True
    try:
        text.encode("iso-8859-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return False
    return not text.isascii()


def person(text: str) -> str:
    """Return the name in "Name", "mail@host (Name)", "Name <mail@host>"; raise Doubt."""
    if "@" not in text:
        return text
    found = _MAIL.search(text)
    if not found or text.count("@") > 1:
        raise Doubt
    name = text.replace(found[0], "")
    for empty in ("()", "<>", "&lt;&gt;"):
        name = name.replace(empty, "")
    name = name.strip()
    return name.removeprefix("(").removesuffix(")").strip()


def markup(element: Element) -> str:
    """Return the inside of an element as HTML, as far as it matters for its text; raise Doubt."""
    pieces: list[str] = [html.escape(element.text or "", quote=False)]
    _write(element, pieces, 0)
    return "".join(pieces)


def _write(element: Iterable[Element], pieces: list[str], depth: int) -> None:
    if depth > 100:
        raise Doubt
    for child in element:
        tag = child.tag.rpartition("}")[2]
        pieces.append(f"<{tag}>{html.escape(child.text or '', quote=False)}")
        _write(child, pieces, depth + 1)
        pieces.append(f"</{tag}>{html.escape(child.tail or '', quote=False)}")
