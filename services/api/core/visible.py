"""Text without what cannot be seen: control characters, and those that turn the direction of what follows.

ingest takes them out of what it reads; other writers of the stream may not. XML forbids some of them altogether.
"""

import re
from typing import Any

_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    "\u202a-\u202e\u2066-\u2069\u00ad\u200b\u2060\ufeff]|[\U000e0000-\U000e007f]"
)


def visible(value: Any) -> Any:
    """Return text fit to be shown, as it is in all else; what is no text, or marked as safe, is returned as it is."""
    return _UNSEEN.sub("", value) if type(value) is str else value
