"""When an entry was published, made of dates that may be missing, garbage or absurd. Knows no clock."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from services.ingest.core.entry import Date

OLDEST = datetime(1990, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)


class Dated(NamedTuple):
    """When an entry was published and updated; `note` says what was mended, None if nothing was."""

    published: datetime
    updated: datetime | None
    note: str | None


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
        return Dated(min(usable, now), usable, note if published else None)
    return Dated(now, None, note)


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
