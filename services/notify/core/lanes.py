"""Who may be sent something now: each endpoint has a lane of its own. Knows no clock: `now` comes in, in seconds.

A lane begins with one attempt at once and earns more by succeeding. One that says it is overloaded, or answers too
late, has its share halved; after some failures in a row it is closed for a while, then let one attempt through,
and closed for longer if that fails too. What a closed or overfull lane cannot take is held outside: asked for now and
then (`overflow`), so that what comes meanwhile is held together.

Lanes take turns, one attempt each, so that a deep queue does not delay a shallow one. Lanes that did not succeed last
time share a part of the connections; the rest is always there for those that did.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")

CLOSED_AFTER = 3
CLOSED_SECONDS = 10.0
LONGEST_CLOSED = 300.0
LONGEST_ASKED = 3600.0
BURST_SECONDS = 1.0
SMALL_SHARE = 16
FORGOTTEN_SECONDS = 30.0
SOON_SECONDS = 1.0
SLOW_SECONDS = 0.25
UNPROVEN_PART = 0.8


@dataclass(slots=True)
class Lane(Generic[Item]):
    """What one endpoint may be sent: `most` attempts at once, a `rate` of attempts a second."""

    name: str
    most: int
    rate: float
    allowed: float = 1.0
    under_way: int = 0
    unproven_under_way: int = 0
    failures: int = 0
    closed_at: float = 0.0
    open_from: float = 0.0
    proven: bool = False
    failing_since: float = 0.0
    """When the unbroken row of failures began; 0 if this process has seen none."""
    said_well_at: float = -1e9
    said_failing_at: float = -1e9
    held: bool = False
    queue: deque[Item] = field(default_factory=deque)
    waits: bool = False
    started_at: float = 0.0
    _paid_until: float = 0.0

    def opens_at(self, now: float) -> float:
        """Return when the next attempt may start, as far as time decides."""
        return max(now, self.open_from, self._paid_until - BURST_SECONDS)

    def has_room(self) -> bool:
        return self.under_way < int(self.allowed)

    def is_free(self, now: float) -> bool:
        """Whether what comes now may start at once."""
        return not self.queue and self.has_room() and self.opens_at(now) <= now

    def start(self, now: float) -> None:
        self.under_way += 1
        self.started_at = now
        self._paid_until = max(self._paid_until, now) + 1 / self.rate

    def succeeded(self) -> None:
        self.failures, self.proven, self.closed_at, self.open_from = 0, True, 0.0, 0.0
        self.allowed = min(self.allowed + 1, self.most)

    def failed(
        self, started: float, now: float, jitter: float, overloaded: bool, retry_after: float | None
    ) -> None:
        """Count a failure; `overloaded` if it means too much at once, `retry_after` what was asked for.

        Attempts that were under way when the lane was closed say nothing new. `jitter` is from [0, 1).
        """
        self.proven = False
        if overloaded:
            self.allowed = max(1.0, self.allowed / 2)
        if retry_after:
            self.open_from = max(self.open_from, now + min(retry_after, LONGEST_ASKED))
        if started < self.closed_at:
            return
        self.failures += 1
        if self.failures >= CLOSED_AFTER:
            seconds = min(CLOSED_SECONDS * 2 ** min(self.failures - CLOSED_AFTER, 10), LONGEST_CLOSED)
            self.allowed, self.closed_at = 1.0, now
            self.open_from = max(self.open_from, now + seconds * (0.8 + 0.4 * jitter))


class Held(NamedTuple, Generic[Item]):
    """What a lane cannot take for now, and when to look again."""

    lane: Lane[Item]
    items: tuple[Item, ...]
    until: float


@dataclass
class Lanes(Generic[Item]):
    """The lanes of one process. `at_once` attempts in all; `share` items wait in memory before others are held."""

    at_once: int
    share: int = 5000
    under_way: int = 0
    _waiting: int = 0
    _closed: dict[str, Lane[Item]] = field(default_factory=dict)
    _overfull: dict[str, Lane[Item]] = field(default_factory=dict)
    _proven: deque[Lane[Item]] = field(default_factory=deque)
    _unproven: deque[Lane[Item]] = field(default_factory=deque)
    _unproven_under_way: int = 0
    _unproven_next: bool = False

    def put_first(self, lane: Lane[Item], item: Item) -> None:
        """Queue an item before all others; a closed lane is tried by it."""
        self._waiting += not lane.queue
        lane.queue.appendleft(item)
        lane.open_from = 0.0
        if self._closed.pop(lane.name, None):
            lane.waits = False
        self._turn(lane)

    def put(self, lane: Lane[Item], item: Item) -> None:
        """Queue an item."""
        self._waiting += not lane.queue
        lane.queue.append(item)
        if len(lane.queue) > SMALL_SHARE and self.room(lane) < 0:
            self._overfull[lane.name] = lane
        self._turn(lane)

    def turns_away(self, lane: Lane[Item], now: float) -> float:
        """Return when to look again for what comes for a lane that is closed, slow or full, 0 if it may wait here.

        That is to be held outside at once.
        """
        until = lane.opens_at(now)
        is_slow = lane.under_way > 0 and now - lane.started_at > SLOW_SECONDS
        if until <= now + SOON_SECONDS and self.room(lane) > 0 and not is_slow:
            return 0.0
        lane.held = True
        return _look_again(until, now)

    def overflow(self, now: float) -> Iterator[Held[Item]]:
        """What waits for lanes that are closed, or have more than their share of what may wait here; it is let go."""
        for lane in self._closed.values():
            lane.waits = False
        lanes = self._closed | self._overfull
        self._closed, self._overfull = {}, {}
        for lane in lanes.values():
            until = lane.opens_at(now)
            excess = len(lane.queue) if until > now + SOON_SECONDS else -self.room(lane)
            if excess > 0:
                items = [lane.queue.pop() for _ in range(excess)]
                self._waiting -= not lane.queue
                lane.held = True
                yield Held(lane, tuple(reversed(items)), _look_again(until, now))
            self._turn(lane)

    def room(self, lane: Lane[Item]) -> int:
        """Return how many more items may wait here for a lane."""
        waiting = self._waiting + (not lane.queue)
        return max(SMALL_SHARE, self.share // waiting) - len(lane.queue)

    @property
    def is_full(self) -> bool:
        """Whether as many attempts are under way as may be."""
        return self.under_way >= self.at_once

    @property
    def all_well(self) -> bool:
        """Whether nothing waits for, or is on its way to, an endpoint that did not succeed last time."""
        return not (self._unproven or self._closed or self._unproven_under_way)

    def next_turn(self, now: float) -> tuple[Lane[Item], Item] | None:
        """Return what is to be started now; None if nothing may start."""
        while lane := self._next():
            if lane.opens_at(now) > now:
                # It stays out of turn until somebody looks at what overflows.
                self._closed[lane.name] = lane
                continue
            lane.waits = False
            if not lane.has_room():
                continue
            item = lane.queue.popleft()
            self._waiting -= not lane.queue
            lane.start(now)
            self.under_way += 1
            if not lane.proven:
                lane.unproven_under_way += 1
                self._unproven_under_way += 1
            self._turn(lane)
            return lane, item
        return None

    def done(self, lane: Lane[Item]) -> None:
        """Take note that an attempt has ended, after the lane was told how."""
        lane.under_way -= 1
        self.under_way -= 1
        if lane.unproven_under_way:
            lane.unproven_under_way -= 1
            self._unproven_under_way -= 1
        self._turn(lane)

    def _turn(self, lane: Lane[Item]) -> None:
        if lane.queue and not lane.waits and lane.has_room():
            lane.waits = True
            (self._proven if lane.proven else self._unproven).append(lane)

    def _next(self) -> Lane[Item] | None:
        if self.is_full:
            return None
        may_try = self._unproven_under_way < max(1, int(self.at_once * UNPROVEN_PART))
        self._unproven_next = not self._unproven_next
        if self._unproven and may_try and (self._unproven_next or not self._proven):
            return self._unproven.popleft()
        return self._proven.popleft() if self._proven else None


def _look_again(opens_at: float, now: float) -> float:
    # A full lane lets held ones go as it empties; the moment is for those of a process that has died.
    return opens_at if opens_at > now else now + FORGOTTEN_SECONDS
