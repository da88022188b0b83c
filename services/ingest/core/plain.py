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
# The same for ASCII, in which nearly all of a page is: several times faster than the pattern.
_HARMFUL_ASCII = dict.fromkeys([*range(0x09), *range(0x0E, 0x1C), 0x7F])
_PLAIN_ADDRESS = re.compile(r"https?://[a-z0-9.-]+(?:/[!-~]*)?")
# What most entries are made of: no element here moves text about, or hides it.
# fmt: off
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_NESTED = (
    *_HEADINGS, "article", "blockquote", "div", "figcaption", "figure", "footer", "header", "ol", "section", "ul",
)
_INLINE = (
    "a", "abbr", "b", "cite", "code", "del", "em", "font", "i", "img", "ins", "mark", "q", "s", "small", "span",
    "strong", "sub", "sup", "time", "u",
)
# fmt: on
_PLAIN_TAGS = (
    {f"{end}{tag}": 0 for tag in _INLINE for end in ("", "/")}
    | {f"{end}{tag}": 2 for tag in (*_NESTED, "p") for end in ("", "/")}
    | {"li": 1, "/li": 1, "br": _BREAK, "hr": 2}
)
_NESTING = {f"{end}{tag}" for tag in (*_NESTED, "li") for end in ("", "/")}
_PLAIN_TAG = re.compile(r'<(/?[a-z][a-z0-9]*)(?:\s+[a-z][a-z-]*="[^"<>]*")*\s*/?>')
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


def _without_harmful(value: str) -> str:
    return value.translate(_HARMFUL_ASCII) if value.isascii() else _HARMFUL.sub("", value)


def _fold_paragraphs(value: str) -> str:
    clean = _without_harmful(value.replace("\r\n", "\n").replace("\r", "\n"))
    if "\n" not in clean:
        return " ".join(clean.split())
    folded = (" ".join(paragraph.split()) for paragraph in _PARAGRAPH.split(clean))
    return "\n\n".join(paragraph for paragraph in folded if paragraph)


def _from_markup(value: str) -> str:
    clean = _without_harmful(value)
    pieces = _plain_pieces(clean)
    text = _joined(_parsed_pieces(clean) if pieces is None else pieces)
    # Entities may have hidden what was removed above.
    return _joined([_without_harmful(text)]) if "&" in clean else text


def _joined(pieces: list[str]) -> str:
    text = "".join(pieces)
    while "  " in text:
        text = text.replace("  ", " ")
    # By lines, for looking for one character is several times quicker than for two.
    return "\n".join([line.strip(" ") for line in text.split("\n")]).strip()


def _plain_pieces(value: str) -> list[str] | None:
    """What _parsed_pieces returns, in half the time; None unless the markup is of the plainest kind."""
    parts = _PLAIN_TAG.split(value)
    kinds = [_PLAIN_TAGS.get(tag) for tag in parts[1::2]]
    if None in kinds or not _is_well_nested(parts[1::2]):
        return None
    pieces: list[str] = []
    pending = 0
    for text, kind in zip(parts[::2], (*kinds, 0), strict=True):
        if text and not (pending and text.isspace()):
            if "<" in text or "&#" in text:
                return None
            words = _folded(html.unescape(text) if "&" in text else text)
            if words and not (pending and words == " "):
                pieces.append("\n" * pending + words)
                pending = 0
        if kind == _BREAK:
            pending = min(2, pending + 1)
        elif kind and kind > pending:
            pending = kind
    return pieces


def _is_well_nested(tags: list[str]) -> bool:
    """Whether no tag ends what is not open: that would be passed over, or end something else as well."""
    opened: list[str] = []
    in_paragraph = False
    for tag in tags:
        if tag in ("p", "/p"):
            in_paragraph = tag == "p"
        if tag not in _NESTING:
            continue
        if in_paragraph and tag in ("li", "/li"):
            return False  # It ends the paragraph too, which breaks more than a line.
        in_paragraph = False
        last = opened[-1] if opened else ""
        if tag[0] != "/":
            if tag in _HEADINGS and last in _HEADINGS:
                return False
            if tag == "li" and last not in ("", "li", "ul", "ol"):
                return False  # It may end an item further out, with all that is open in it.
            if tag != "li" or last != "li":
                opened.append(tag)
            continue
        if last == "li" and tag in ("/ul", "/ol"):
            opened.pop()
        if not opened or opened.pop() != tag[1:]:
            return False
    return True


def _parsed_pieces(value: str) -> list[str]:
    if len(value) > _HUGE:
        value = _HUGE_TAG.sub(r"<\1>", value)
    body = LexborHTMLParser(value).body
    return _pieces(body) if body else []


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
