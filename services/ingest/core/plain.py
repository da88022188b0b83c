"""Plain text out of what feeds hold: HTML or not, paragraphs kept, nothing that could act on a reader."""

import html
import re
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from services.ingest.core.entry import Words

URL_LIMIT = 2048
# More than any article has, markup included: what is beyond is cut before it costs time and memory.
RAW_LIMIT = 2_000_000

# fmt: off
_DROPPED = frozenset((
    "script", "style", "template", "noscript", "iframe", "object", "embed", "svg", "math", "audio", "video",
    "canvas", "head", "title", "select", "button", "-comment",
))
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
    "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "ul",
))
# fmt: on
# What an element does where it begins and ends: break the line (1), the paragraph (2), or keep words apart.
_BREAK, _CELL = -1, -2
_KINDS = (
    dict.fromkeys(_BLOCKS, 2)
    | dict.fromkeys(("li", "tr", "caption"), 1)
    | {"br": _BREAK, "td": _CELL, "th": _CELL}
)
_TAG = re.compile(r"<(?:/?[a-zA-Z][a-zA-Z0-9:-]*[\s/>]|!--|!\[|!doctype|\?)", re.IGNORECASE)
# Control characters but tab and newlines; surrogates and noncharacters, which no JSON parser must take;
# those that turn the direction of what follows; those that cannot be seen and split words, or say
# something to machines alone (tags).
_HARMFUL = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    "\u202a-\u202e\u2066-\u2069\u00ad\u200b\u2060\ufeff\U000e0000-\U000e007f]"
)
# Looking for a name given twice in it would take minutes.
_HUGE_TAG = re.compile(r"<(/?[a-zA-Z][a-zA-Z0-9:-]{0,30})[^<>]{5000,}>?")
_HUGE = 5000
_PLAIN_ADDRESS = re.compile(r"https?://[a-z0-9.-]+(?:/[!-~]*)?")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")


def plain_text(words: Words | None) -> str:
    """Return text with a blank line between paragraphs, whitespace folded, scripts and styles dropped."""
    if words is None:
        return ""
    raw = words.value[:RAW_LIMIT]
    if not words.html:
        return _fold_paragraphs(raw)
    # Some feeds escape their markup once too often: what is left has no tag, but becomes one.
    value = raw if _has_tag(raw) else html.unescape(raw)
    return _from_markup(value) if _has_tag(value) else _fold_paragraphs(value)


def plain_line(words: Words | None) -> str:
    """Return text on one line."""
    return " ".join(plain_text(words).split())


def cut(text: str, limit: int) -> str:
    """Return text of at most `limit` characters, ended with "…" between words if it had to be cut."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    at_word = head.rsplit(None, 1)[0] if not text[limit - 1].isspace() else head
    return (at_word if len(at_word) > limit // 2 else head).rstrip() + "…"


def web_address(link: str | None) -> str | None:
    """Return an http or https link fit to be shown and followed, else None."""
    link = (link or "").strip().replace(" ", "%20")
    if len(link) <= URL_LIMIT and _PLAIN_ADDRESS.fullmatch(link):
        return link  # Nearly every link; the rest is for what takes ten times as long.
    try:
        parts = urlsplit(link)
        fit = (
            parts.scheme in ("http", "https") and parts.hostname and not parts.username and not parts.password
        )
    except ValueError:
        return None
    return link if fit and len(link) <= URL_LIMIT and link.isprintable() else None


def _has_tag(value: str) -> bool:
    return "<" in value and bool(_TAG.search(value))


def _fold_paragraphs(value: str) -> str:
    clean = _HARMFUL.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))
    if "\n" not in clean:
        return " ".join(clean.split())
    folded = (" ".join(paragraph.split()) for paragraph in _PARAGRAPH.split(clean))
    return "\n\n".join(paragraph for paragraph in folded if paragraph)


def _from_markup(value: str) -> str:
    clean = _HARMFUL.sub("", value)
    if len(clean) > _HUGE:
        clean = _HUGE_TAG.sub(r"<\1>", clean)
    body = LexborHTMLParser(clean).body
    text = _folded_lines("".join(_pieces(body))) if body else ""
    # Entities may have hidden what was removed above.
    return _folded_lines(_HARMFUL.sub("", text)) if "&" in clean else text


def _folded_lines(text: str) -> str:
    while "  " in text:
        text = text.replace("  ", " ")
    # By lines, for looking for one character is several times quicker than for two.
    return "\n".join([line.strip(" ") for line in text.split("\n")]).strip()


def _pieces(body: LexborNode) -> list[str]:
    """The texts in order, with one newline between lines and two between paragraphs."""
    # By hand, for markup may be 100,000 deep; and in one function, for here is where reading a feed spends its time.
    pieces: list[str] = []
    pending = 0
    path: list[tuple[LexborNode, int]] = []
    node = body.child
    while node is not None or path:
        child = None
        if node is None:
            node, kind = path.pop()
        elif (tag := node.tag) == "-text":
            kind = 0
            text = _folded(node.text_content or "")
            if text and not (pending and text == " "):
                pieces.append("\n" * pending + text)
                pending = 0
        elif tag in _DROPPED:
            kind = 0
        else:
            kind = _KINDS.get(tag or "", 0)
            child = node.child
            if child is not None:
                path.append((node, kind))
        if kind == _CELL:
            if not pending:
                pieces.append(" ")
        elif kind == _BREAK:
            pending = min(2, pending + 1)
        elif kind > pending:
            pending = kind
        node = node.next if child is None else child
    return pieces


def _folded(text: str) -> str:
    """The text with each run of whitespace as one space, also at its ends."""
    if "  " not in text and text.isprintable():
        return text  # Spaces are the only whitespace that is printable.
    folded = " ".join(text.split())
    if not folded:
        return " " if text else ""
    return f"{' ' if text[0].isspace() else ''}{folded}{' ' if text[-1].isspace() else ''}"
