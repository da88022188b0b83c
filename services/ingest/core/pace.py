"""When to poll a feed next. Knows no clock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

USUAL_INTERVAL = 1800.0
LONGEST_INTERVAL = 86_400.0
LONGEST_RETRY_AFTER = 7 * 86_400.0
JITTER = 0.1

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked of us, in seconds: by the feed list, by the cache headers, by Retry-After."""

    interval: float | None = None
    max_age: float | None = None
    retry_after: float | None = None


def next_poll(
    now: datetime, minimum: float, wishes: Wishes, *, failures: int = 0, jitter: float = 0
) -> datetime:
    """Return when to poll next: never before `minimum` seconds, nor before the feed wants it.

    Each failure in a row doubles the wait, to a day at most; nothing ever stops. `jitter` (0 to 1) makes the
    wait longer by up to a tenth, so that feeds do not come due together.
    """
    wait = max(minimum, wishes.interval or USUAL_INTERVAL, min(wishes.max_age or 0, LONGEST_INTERVAL))
    if failures > 1:
        wait = max(wait, min(wait * 2.0 ** min(failures - 1, 30), LONGEST_INTERVAL))
    wait = max(wait, min(wishes.retry_after or 0, LONGEST_RETRY_AFTER))
    return now + timedelta(seconds=wait * (1 + JITTER * jitter))


def max_age(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds the answer stays fresh by Cache-Control; None if it does not say."""
    control = headers.get("Cache-Control", "")
    found = _MAX_AGE.search(control)
    return float(found[1]) if found and "no-cache" not in control.lower() else None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how many seconds Retry-After, a number or a date, asks us to wait; None if it does not."""
    written = headers.get("Retry-After", "").strip()
    if written.isascii() and written.isdigit():
        return float(written[:10])
    try:
        moment = parsedate_to_datetime(written)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
