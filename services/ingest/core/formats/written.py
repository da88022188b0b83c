"""Links, names, numbers and days as feeds write them. What makes no sense counts as not said."""

import re
from collections.abc import Iterable
from urllib.parse import urljoin

_MAIL = re.compile(r"(?:mailto:)?[^\s<>()\[\],;:\"]+@[^\s<>()\[\],;:\"]+\.[^\s<>()\[\],;:\"]+")
_LONGEST = 1000
_PERIODS = {"hourly": 3600, "daily": 86_400, "weekly": 604_800, "monthly": 2_592_000, "yearly": 31_536_000}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def absolute_link(link: str, guid: str, url: str) -> str | None:
    """Return the link as an absolute address, of whatever scheme; None if there is none."""
    # An RSS guid counts as a link unless it says otherwise, and most guids that are none do not say so.
    if not link or (link == guid and "://" not in link):
        return None
    if link.startswith(("https://", "http://")):
        return link
    try:
        return urljoin(url, link) if "://" in url else link
    except ValueError:
        return link


def person(written: str) -> str:
    """Return "Me" for `me@agency.example (Me)`, `Me <me@agency.example>` and `Me`; nothing for an address alone."""
    name, mails = _MAIL.subn("", written[:_LONGEST])
    if not mails:
        return written
    name = name.replace("()", "").replace("<>", "").replace("[]", "").strip(" ,;")
    return name[1:-1].strip() if name.startswith("(") and name.endswith(")") else name


def minutes(ttl: str | None) -> float | None:
    """Return the seconds of a ttl in minutes."""
    number = _number(ttl)
    return number * 60.0 if number else None


def period(name: str | None, frequency: str | None) -> float | None:
    """Return the seconds between two updates by sy:updatePeriod and sy:updateFrequency."""
    length = _PERIODS.get((name or "").strip().lower())
    return length / (_number(frequency) or 1) if length else None


def hours(written: Iterable[str]) -> frozenset[int]:
    """Return hours of the day; 24 is said by some for midnight. All of them are as none: it must come some time."""
    found = frozenset(
        number % 24 for text in written if (number := _number(text)) is not None and number <= 24
    )
    return found if len(found) < 24 else frozenset()


def days(written: Iterable[str]) -> frozenset[int]:
    """Return days of the week, Monday 0."""
    found = frozenset(_DAYS.index(name) for text in written if (name := text.strip().lower()) in _DAYS)
    return found if len(found) < 7 else frozenset()


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else None
