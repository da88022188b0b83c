"""Which language a report is in: as the feed says, else as its words look. Knows no store."""

import re
from typing import Any

_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8})*")
_READ = 2000
_ENOUGH = 40
_MOSTLY = 85


def _detector() -> Any:
    """Compact Language Detector 2: half a millisecond, two megabytes; None where there is no build of it."""
    try:
        import pycld2
    except ImportError:
        return None
    return pycld2


_cld2 = _detector()


def language_tag(written: str | None) -> str | None:
    """Return a BCP 47 tag in lower case, or None for what is none."""
    tag = (written or "").strip().lower().replace("_", "-")
    return tag if _TAG.fullmatch(tag) and len(tag) <= 35 else None


def detect_language(title: str, text: str) -> str | None:
    """Return the language of plain text, a BCP 47 tag; None if it is too short or too mixed to tell."""
    words = f"{title}. {text[:_READ]}"
    if _cld2 is None or len(words) < _ENOUGH:
        return None
    try:
        reliable, _, found = _cld2.detect(words, isPlainText=True)
    except _cld2.error:
        return None
    _, tag, percent, _ = found[0]
    return language_tag(tag) if reliable and percent >= _MOSTLY and tag != "un" else None
