"""When to poll a feed next, and what the headers of an answer say about it. Knows no clock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from services.ingest.core.entry import Hints

USUAL_INTERVAL = 3600.0
SLOWEST_INTERVAL = 3600.0
LONGEST_WAIT = 86_400.0
LONGEST_RETRY_AFTER = 7 * 86_400.0
FIRST_HOST_PAUSE = 900.0
FIRST_RETRY = 60.0
JITTER = 0.1
SPREAD_SECONDS = 60.0

# A feed is asked about four times for each entry that is to be expected.
POLLS_AN_ENTRY = 4
# Without validators every poll is a whole document.
WITHOUT_VALIDATORS = 2

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """How often this installation polls, in seconds: never below `minimum`; a quiet feed every `slowest`."""

    minimum: float
    slowest: float = SLOWEST_INTERVAL


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is known of a feed's wishes and ways, in seconds where nothing else is said.

    `interval` is from the feed list and replaces the rhythm; `gap` is the time between two entries; `max_age` and
    `hints` are what the feed asks for; `not_before` is from its host; `pushed` is the pace while a hub pushes what is
    new.
    """

    interval: float | None = None
    gap: float | None = None
    max_age: float | None = None
    hints: Hints = Hints()  # noqa: RUF009
    not_before: datetime | None = None
    conditional: bool = True
    pushed: float | None = None
    gone: bool = False


def pace(limits: Limits, wishes: Wishes) -> float:
    """Return the seconds between two polls while all is well: the feed's rhythm, bounded by what it asks for."""
    asked_for = max(wishes.max_age or 0, wishes.hints.ttl or 0, wishes.hints.period or 0)
    least = max(limits.minimum, min(asked_for, LONGEST_WAIT))
    if wishes.interval:
        return max(least, wishes.interval)
    if wishes.pushed:
        return max(least, wishes.pushed)
    factor = 1 if wishes.conditional else WITHOUT_VALIDATORS
    wanted = USUAL_INTERVAL if wishes.gap is None else wishes.gap / POLLS_AN_ENTRY
    return max(least, factor * max(limits.minimum, min(wanted, limits.slowest)))


def next_poll(
    now: datetime,
    limits: Limits,
    wishes: Wishes,
    *,
    trouble: float = 0,
    jitter: float = 0,
    retry: float | None = None,
) -> datetime:
    """Return when to poll next.

    1. The pace, doubled for each point of `trouble`, to a day at most; a feed that is gone is asked daily.
       If the poll failed, after `retry` seconds (retry_wait), where that is less.
    2. Made longer by up to a tenth (`jitter`, 0 to 1), so that feeds do not come due together.
    3. Not before the host wants to be asked again, nor in hours and days that the feed does not want.
    """
    wait = pace(limits, wishes)
    if trouble > 0 or wishes.gone:
        slower = LONGEST_WAIT if wishes.gone else wait * 2.0 ** min(trouble, 30)
        wait = max(wait, min(slower, LONGEST_WAIT))
    if retry is not None and not wishes.gone:
        wait = min(wait, retry)
    moment = now + timedelta(seconds=wait * (1 + JITTER * jitter))
    if wishes.not_before and wishes.not_before > moment:
        moment = wishes.not_before + timedelta(seconds=SPREAD_SECONDS * jitter)
    return _outside(moment, wishes.hints.skip_hours, wishes.hints.skip_days)


def retry_wait(limits: Limits, failures: int, *, reached: bool, new: bool) -> float | None:
    """Return after how many seconds a failed poll is tried again, if that is before the pace says; None if it waits.

    A server that was not `reached` gets nothing by it, and a machine often starts before its network: after a minute.
    A feed that is `new`, never read, begins at the minimum. Both double with each of the `failures` in a row.
    """
    if reached and not new:
        return None
    first = limits.minimum if reached else min(FIRST_RETRY, limits.minimum)
    return first * 2.0 ** min(failures - 1, 30)


def _outside(moment: datetime, hours: frozenset[int], days: frozenset[int]) -> datetime:
    """The moment, or the first full hour after it that is not to be skipped; all to be skipped means none."""
    for _ in range(8 * 24):
        if moment.hour not in hours and moment.weekday() not in days:
            return moment
        moment = moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return moment - timedelta(hours=8 * 24)


def host_pause(retry_after: float | None, strikes: int) -> float:
    """Return for how many seconds to leave a host alone that has had enough of us.

    What it asks for, to a week at most; if it does not say, a quarter of an hour, doubled for each time
    (`strikes`, from 1) it said so within a day.
    """
    if retry_after is not None:
        return min(retry_after, LONGEST_RETRY_AFTER)
    return min(FIRST_HOST_PAUSE * 2.0 ** (min(strikes, 30) - 1), LONGEST_WAIT)


def freshness(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds an answer stays fresh by Cache-Control, else by Expires (RFC 9111, 4.2.1).

    None if it does not say, or says that it does not.
    """
    control = headers.get("Cache-Control", "")
    if "no-cache" in control.lower() or "no-store" in control.lower():
        return None
    found = _MAX_AGE.search(control)
    if found:
        return float(found[1])
    expires, date = _moment(headers.get("Expires", "")), _moment(headers.get("Date", ""))
    if expires is None or date is None:
        return None
    return max(0.0, (expires - date).total_seconds()) or None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how many seconds Retry-After, a number or a date, asks us to wait; None if it does not."""
    written = headers.get("Retry-After", "").strip()
    if written.isascii() and written.isdigit():
        return float(written[:10])
    moment = _moment(written)
    return max(0.0, (moment - now).total_seconds()) if moment else None


def _moment(written: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(written)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
