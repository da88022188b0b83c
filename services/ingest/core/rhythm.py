"""How often a feed has something new, told by the dates of its entries or by what polls have found."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

NEWEST = 20
ENOUGH_FOR_A_GAP = 3
ENOUGH_FOR_SILENCE = 5
SHORTEST_SILENCE = 86_400.0
USUAL_SILENCE = 3 * 86_400.0
# What was once learned of a feed's pauses fades by this with each new document.
FADING = 0.995


@dataclass(frozen=True, slots=True)
class Rhythm:
    """All in seconds: `gap` between two entries; after `silent_after` without one something may be wrong.

    `last_entry` is the date of the newest entry. None for what cannot be told.
    """

    gap: float | None = None
    silent_after: float | None = None
    last_entry: datetime | None = None


def rhythm_of(dates: Iterable[datetime], now: datetime) -> Rhythm:
    """Return the rhythm that the dates of a document's entries show; those of entries without a date are left out."""
    newest = sorted({date for date in dates if date <= now}, reverse=True)[:NEWEST]
    if not newest:
        return Rhythm()
    gap = _seconds(now - newest[-1]) / len(newest) if len(newest) >= ENOUGH_FOR_A_GAP else None
    return Rhythm(gap, _silent_after(newest), newest[0])


def learned(before: Rhythm, fresh: Rhythm, now: datetime, *, last_new: datetime | None, new: int) -> Rhythm:
    """Return what is known of a rhythm after a document with `new` entries was read.

    A feed without dates is known by when polls found something. A pause that ended well was no alarm: the next
    one may be half as long again.
    """
    gap = fresh.gap
    if gap is None and new and last_new:
        observed = _seconds(now - last_new) / new
        gap = observed if before.gap is None else 0.7 * before.gap + 0.3 * observed
    pause = 0.0
    if fresh.last_entry and before.last_entry and fresh.last_entry > before.last_entry:
        pause = _seconds(fresh.last_entry - before.last_entry)
    silent_after = fresh.silent_after or before.silent_after
    if silent_after is not None:
        silent_after = max(silent_after, 1.5 * pause, FADING * (before.silent_after or 0))
    return Rhythm(gap or before.gap, silent_after, fresh.last_entry or before.last_entry)


def gap_now(rhythm: Rhythm, now: datetime) -> float | None:
    """Return the gap as it is by now: a feed that has gone quiet is expected to stay so."""
    if rhythm.gap is None or rhythm.last_entry is None:
        return rhythm.gap
    return max(rhythm.gap, _seconds(now - rhythm.last_entry) / ENOUGH_FOR_A_GAP)


def is_silent(rhythm: Rhythm, now: datetime) -> bool:
    """Return whether the feed has been quiet for longer than its own rhythm allows."""
    if rhythm.silent_after is None or rhythm.last_entry is None:
        return False
    return _seconds(now - rhythm.last_entry) > rhythm.silent_after


def _silent_after(newest: list[datetime]) -> float | None:
    if len(newest) < ENOUGH_FOR_SILENCE:
        return None
    longest = max(_seconds(later - earlier) for later, earlier in pairwise(newest))
    mean = _seconds(newest[0] - newest[-1]) / (len(newest) - 1)
    # Three days let a weekend pass for all but the busiest.
    return max(SHORTEST_SILENCE, 3 * longest, min(24 * mean, USUAL_SILENCE))


def _seconds(span: timedelta) -> float:
    return span.total_seconds()
