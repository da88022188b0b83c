"""What a text says, without what changes although nothing new is said. Knows no store."""

import hashlib
import re
import unicodedata
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_COUNTED = (
    "views?|reads?|hits|visits|comments?|likes?|shares?|votes?|retweets?|followers|"
    "просмотр(?:ов|а|ы)?|комментари(?:ев|я|и|й)|перегляд(?:ів|и)?|коментар(?:ів|і)?|vues?|commentaires?|partages?|"
    "vistas|visitas|comentarios|lecturas|aufrufe|kommentare?|visualizzazioni|مشاهدة|مشاهدات|تعليق(?:ات)?"
)
_NUMBER = r"\d[\d.,]*+(?: \d{3})*+(?:k|m| ?тыс\.?| ?млн)?"
_AGO = (
    r"\d+ ?(?:seconds?|minutes?|mins?|hours?|hrs?|days?) ago|"
    r"\d+ ?(?:минут\w*|час\w*|хвилин\w*|годин\w*) (?:назад|тому)"
)
_COUNTED_AFTER = re.compile(rf"\b{_NUMBER} ?(?:{_COUNTED})\b|\b(?:{_AGO})\b")
_COUNTED_BEFORE = re.compile(rf"\b(?:{_COUNTED}) ?[:(] ?{_NUMBER}\)?")
# Cheap to look for, and seldom there.
_MAY_BE_COUNTED_BEFORE = re.compile(r"[:(] ?\d")
_HAS_DIGIT = re.compile(r"\d")
_PLAIN = str.maketrans("“”„«»‘’–—", '"""""\'\'--')

_TRACKING = re.compile(
    r"utm_.*|at_(?:medium|campaign|link\w*|custom\d)|mtm_.*|pk_.*|mc_[ce]id|fbclid|gclid|dclid|yclid|msclkid|igshid|_ga|_gl|"
    r"ito|cmpid?|cmp|ocid|ns_.*|xtor|traffic_source|maca|wt_.*|smid|source|src|ref|referrer|rss|from|feature|spm",
    re.IGNORECASE,
)
_TRACKING_FRAGMENT = re.compile(r"(?:xtor|ref|utm_\w+|intcid|cid|rss)\b.*|.*=rss.*", re.IGNORECASE)
# Values of these few names may be part of what is shown, unless they speak of feeds.
_AMBIGUOUS = frozenset(("source", "src", "ref", "from", "feature", "rss", "cmp"))
_FEED_WORDS = re.compile(r"rss|feed|atom|twitter|facebook|newsletter|share|social|telegram", re.IGNORECASE)


def meaning_of(text: str) -> str:
    """Return the text with spacing, case, kinds of quotes and dashes, counters ("1,204 views") and ages evened out.

    Other numbers stay: that 12 became 40 may be all that a correction says.
    """
    if text.isascii() and "\t" not in text and "\r" not in text:
        # Nearly every text, and several times quicker: our own plain text has no other spaces.
        folded = text.lower().replace("\n", " ").strip()
        while "  " in folded:
            folded = folded.replace("  ", " ")
        has_digit = any(digit in folded for digit in "0123456789")
    else:
        folded = " ".join(unicodedata.normalize("NFKC", text).translate(_PLAIN).casefold().split())
        has_digit = bool(_HAS_DIGIT.search(folded))
    if has_digit:
        folded = _COUNTED_AFTER.sub(" ", folded)
        if _MAY_BE_COUNTED_BEFORE.search(folded):
            folded = _COUNTED_BEFORE.sub(" ", folded)
        return " ".join(folded.split())
    return folded


@lru_cache(maxsize=1024)
def same_page(url: str) -> str:
    """Return what is equal for all spellings of a page's address: no scheme, `www.`, port, tracking, final slash."""
    if "://" not in url:
        return url.strip()
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return url.strip()
    if not host or parts.scheme not in ("http", "https"):
        return url.strip()
    place = host.removeprefix("www.") + (f":{port}" if port and port not in (80, 443) else "")
    query = parts.query
    if query and any(_TRACKING.match(pair) for pair in query.split("&")):
        pairs = parse_qsl(query, keep_blank_values=True)
        kept = [(name, value) for name, value in pairs if not _is_tracking(name, value)]
        # Left as written if there is nothing to take out: decoding and encoding is no identity.
        query = query if len(kept) == len(pairs) else urlencode(kept)
    fragment = "" if _TRACKING_FRAGMENT.fullmatch(parts.fragment) else parts.fragment
    return urlunsplit(("", place, parts.path.rstrip("/"), query, fragment)).removeprefix("//")


def digest(text: str) -> str:
    """Return 10 hex digits of sha256: enough to tell the revisions of one entry apart."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:10]


def _is_tracking(name: str, value: str) -> bool:
    if not _TRACKING.fullmatch(name):
        return False
    return name.lower() not in _AMBIGUOUS or not value or bool(_FEED_WORDS.search(value))
