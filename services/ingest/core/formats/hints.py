"""Numbers and names in which feeds say how often to come. What makes no sense counts as not said."""

from collections.abc import Iterable

_PERIODS = {"hourly": 3600, "daily": 86_400, "weekly": 604_800, "monthly": 2_592_000, "yearly": 31_536_000}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


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
