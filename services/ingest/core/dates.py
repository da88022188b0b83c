"""When an entry was published, made of dates that may be missing, garbage or absurd. Knows no clock."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from services.ingest.core.entry import Date

OLDEST = datetime(1990, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)

_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = {name: number for number, name in enumerate(_NAMES.split(), 1)}
_RFC_822 = re.compile(
    r"(?:[a-z]{3},? )?(\d{1,2}) ([a-z]{3}) (\d{4}) (\d{2}):(\d{2})(?::(\d{2}))? "
    r"(?:([+-])(\d{2}):?(\d{2})|gmt|ut|utc|z)",
    re.IGNORECASE,
)
_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:([+-])(\d{2}):?(\d{2})|Z)",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"\d{9,10}|\d{13}")


class Dated(NamedTuple):
    """When an entry was published and updated; `note` says what was mended, None if nothing was."""

    published: datetime
    updated: datetime | None
    note: str | None


def read_date(written: str) -> Date | None:
    """Return a date in any of the forms that feeds use, with its moment in UTC; None for an empty one."""
    written = written.strip()
    if not written:
        return None
    try:
        return Date(written, _usual(written) or _epoch(written) or _odd(written))
    except (ValueError, OverflowError):
        return Date(written, None)


def _usual(written: str) -> datetime | None:
    """The two forms that nearly all feeds use, much faster than the general way."""
    found = _ISO.fullmatch(written)
    if found:
        year, month, day = int(found[1]), int(found[2]), int(found[3])
    else:
        found = _RFC_822.fullmatch(written)
        if not found or found[2].lower() not in _MONTHS:
            return None
        year, month, day = int(found[3]), _MONTHS[found[2].lower()], int(found[1])
    hour, minute, second, sign, hours, minutes = found.groups()[3:]
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    second = min(int(second or 0), 59)  # a leap second
    return datetime(year, month, day, int(hour), int(minute), second, tzinfo=zone).astimezone(UTC)


def _epoch(written: str) -> datetime | None:
    """Seconds or milliseconds since 1970."""
    if not _EPOCH.fullmatch(written):
        return None
    return datetime.fromtimestamp(int(written) / (1000 if len(written) == 13 else 1), UTC)


def _odd(written: str) -> datetime | None:
    """Any of the many other forms that feedparser knows."""
    from feedparser.datetimes import _parse_date as parse_odd_date  # here, for most workers never need it

    parsed = parse_odd_date(written)
    if not parsed:
        return None
    year, month, day, hour, minute, second = parsed[:6]
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)


def pick_dates(published: Date | None, updated: Date | None, now: datetime) -> Dated:
    """Return `published`, else `updated`, else `now`, whichever is the first that can be true.

    Nothing here is before 1990, and nothing is more than a day ahead of `now`: clocks and time zones are
    wrong by hours, not by years. What is ahead by less than that counts as now.
    """
    usable = updated.moment if updated and _fault(updated, now) is None else None
    if published and published.moment and _fault(published, now) is None:
        return Dated(min(published.moment, now), usable, None)
    note = _note(published, updated, now)
    if usable:
        # "updated" stands in: said if there was another that could not be taken.
        return Dated(min(usable, now), usable, f"{note}; when it was updated is taken" if published else None)
    return Dated(now, None, f"{note}; when it was first seen is taken")


def _note(published: Date | None, updated: Date | None, now: datetime) -> str:
    given = published or updated
    return f"date: {_fault(given, now)}" if given else "date: none given"


def _fault(date: Date, now: datetime) -> str | None:
    if date.moment is None:
        return f"not understood ({date.written[:40]})"
    if date.moment < OLDEST:
        return f"before 1990 ({date.moment:%Y-%m-%d})"
    if date.moment > now + AHEAD:
        return f"in the future ({date.moment:%Y-%m-%d})"
    return None
