"""When the next attempt at a delivery is due. Knows no clock and no randomness.

The waits are those of the Standard Webhooks specification: 75 hours from the first attempt to the last.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

DEFAULT_SCHEDULE: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER = 0.2
LONGEST_WAIT = 7 * 86400
LONGEST_RETRY_AFTER = 86400
MOST_ATTEMPTS = 50


class ScheduleError(ValueError):
    """A retry schedule that cannot be read; the message says what would be right."""


def parse_schedule(text: str) -> tuple[float, ...]:
    """Return the waits in seconds from "5,300,1800"; raise ScheduleError."""
    parts = [part.strip() for part in text.split(",")]
    if parts == [""] or len(parts) > MOST_ATTEMPTS:
        raise ScheduleError(f"a retry schedule has 1 to {MOST_ATTEMPTS} waits in seconds, e.g. 5,300,1800")
    return tuple(_wait(part) for part in parts)


def _wait(part: str) -> float:
    try:
        seconds = float(part)
    except ValueError as e:
        raise ScheduleError(
            f"{part[:40]!r} is not a number of seconds; a retry schedule is e.g. 5,300,1800"
        ) from e
    if not 0 < seconds <= LONGEST_WAIT:
        raise ScheduleError(f"a wait is more than 0 and at most {LONGEST_WAIT} seconds, not {part[:40]}")
    return seconds


def next_attempt(
    attempt: int, schedule: Sequence[float], now: datetime, jitter: float, retry_after: float | None = None
) -> datetime | None:
    """Return when to try again after the attempt of this number has failed, or None if the schedule ran out.

    `attempt` counts from 1. `jitter` from [0, 1) spreads the wait over 20 % to both sides. `retry_after`
    (seconds) is what the receiver asked for: it can make the wait longer, to a day, and never shorter.
    """
    if attempt > len(schedule):
        return None
    base = schedule[attempt - 1]
    spread = JITTER * (2 * jitter - 1)
    if retry_after is None:
        return now + timedelta(seconds=base * (1 + spread))
    asked = max(base, min(retry_after, LONGEST_RETRY_AFTER))
    return now + timedelta(seconds=asked * (1 + abs(spread)))


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3); None if it cannot be read.

    Both forms are known, seconds and a date; a date that has passed is 0.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
