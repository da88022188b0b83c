"""Performs deliveries: look up -> wait for the endpoint's turn -> carry -> write down how it went.

What follows an attempt (delivered, later, given up) is written in the script that acknowledges the queue entry.
"""

import asyncio
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import structlog
from redis.exceptions import RedisError

from services.notify.adapters.cases import Cases
from services.notify.adapters.courier import Courier, NotNow
from services.notify.adapters.endpoints import Endpoints
from services.notify.adapters.ledger import Ledger
from services.notify.adapters.renderer import Unsendable
from services.notify.core.case import Cancelled, Case, Wanting, addressed, is_early, rests_until
from services.notify.core.channel import DeliveryError, Sent
from services.notify.core.lanes import FORGOTTEN_SECONDS, Held, Lane, Lanes
from shared.consumer import Consumer, Finished
from shared.deliveries import DeliveryLog, Waiting, hold, queue_again
from shared.entries import Entry, Outcome, Rejected

log = structlog.get_logger()

LOOK_SECONDS = 0.25
HOLD_SECONDS = 0.5
RELEASED_EACH = 10
RELEASED_AT_ONCE = 500
ALL_OF_ONE = 10_000
FAILING_AT_ONCE = 10
HELD_AT_ONCE = 250
ASKED_FOR = ("confirm", "test")
"""Whoever asks for them waits for the answer: they are the attempt that an endpoint is tried by."""


Ready = tuple[Case, Wanting]
"""A delivery that may be sent, with its subscription as it is addressed."""


class Job(NamedTuple):
    """A delivery in this process's hands; not looked up before its turn if that may be far."""

    entry: Entry
    ready: Ready | None = None


@dataclass
class Deliverer:
    """The handler of `deliveries.v1`. `asking` bounds how many ask Redis at a time for themselves."""

    cases: Cases
    deliveries: DeliveryLog
    endpoints: Endpoints
    lanes: Lanes[Job]
    courier: Courier
    ledger: Ledger
    asking: asyncio.Semaphore
    _failing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FAILING_AT_ONCE))
    _refilling: set[str] = field(default_factory=set)
    _to_hold: list[tuple[Lane[Job], Waiting]] = field(default_factory=list)
    _consumer: Consumer = field(init=False, repr=False)

    async def on_deliveries(self, consumer: Consumer, entries: list[Entry]) -> None:
        """Look up what was read, and start what may be started; the rest waits for its endpoint's turn."""
        self._consumer, now, next_ones = consumer, time.monotonic(), list[Entry]()
        for entry in entries:
            if not _is_ours(entry):
                consumer.handle(entry, _not_ours())
            elif lane := self._lane_without_room(entry, now):
                if until := self.lanes.turns_away(lane, now):
                    subscription = entry.fields[b"subscription"].decode(errors="replace")
                    self._to_hold.append((lane, _waiting(entry, lane, until, subscription)))
                else:
                    self.lanes.put(lane, Job(entry))
            else:
                next_ones.append(entry)
        if len(self._to_hold) >= HELD_AT_ONCE:
            self._write_held()
        cases = await self.cases.find([_id_of(entry) for entry in next_ones], now)
        at = datetime.now(UTC)
        for entry, case in zip(next_ones, cases, strict=True):
            ready = self._ready(case, at)
            if isinstance(ready, Outcome):
                consumer.finish(entry, ready)
            else:
                found, wanting = ready
                lane = self._lane_of(wanting)
                if b"held" in entry.fields:
                    # There may be more where this was.
                    lane.held = True
                put = self.lanes.put_first if found.delivery.kind in ASKED_FOR else self.lanes.put
                put(lane, Job(entry, ready))
        self._start_what_may()

    async def hold_what_cannot_go(self) -> None:
        """Hold outside what endpoints cannot take for now, for ever."""
        while True:
            await asyncio.sleep(HOLD_SECONDS)
            self._hold(self.lanes.overflow(time.monotonic()))
            self._start_what_may()

    def changed(self, subscription_id: str) -> None:
        """A subscription is not any more what it was: what waits for its endpoint may go elsewhere, or nowhere."""
        wanting = self.cases.last_known(subscription_id)
        self.cases.changed(subscription_id)
        self._to_hold = [
            (lane, (*row[:4], "")) if row[4] == subscription_id else (lane, row)
            for lane, row in self._to_hold
        ]
        if wanting and wanting.lane and wanting.lane.held:
            self._ask_for(wanting.lane, ALL_OF_ONE)

    async def look_after_those_who_wait(self) -> None:
        """Queue what is due, and let held deliveries go, for ever."""
        while True:
            now, moved = datetime.now(UTC), 0
            try:
                moved = await self.deliveries.queue_due(now)
                moved += await self.deliveries.release_due(
                    now, RELEASED_EACH, FORGOTTEN_SECONDS, RELEASED_AT_ONCE
                )
            except RedisError as e:
                log.warning("those who wait are not looked after for now", error=str(e))
            await asyncio.sleep(0 if moved else LOOK_SECONDS)

    def _lane_without_room(self, entry: Entry, now: float) -> Lane[Job] | None:
        """Return the lane of a report for an endpoint that is not known to be well, and has something to do.

        What waits there is looked up at its turn: of an endpoint that hangs or refuses, most will not come to that.
        Where there is a second channel, that may have to be told of it.
        """
        if self.lanes.all_well:
            return None
        subscription = entry.fields.get(b"subscription")
        wanting = self.cases.last_known(subscription.decode(errors="replace")) if subscription else None
        if wanting is None:
            return None
        lane = self._lane_of(wanting)
        if lane.proven or lane.is_free(now) or wanting.subscription.fallback_confirmed:
            return None
        return lane

    async def _look_up(self, lane: Lane[Job], delivery_id: str) -> Ready | Outcome:
        """Return what waited for a lane as it is now; it is queued again if it goes elsewhere by now."""
        ready = self._ready(await self.cases.find_soon(delivery_id), datetime.now(UTC))
        if not isinstance(ready, Outcome) and self._lane_of(ready[1]) is not lane:
            return Outcome(queue_again(self.ledger.bus.names, delivery_id))
        return ready

    def _ready(self, case: Case | None, now: datetime) -> Ready | Outcome:
        """Return it with the subscription as it is addressed, or what is written of a delivery that is not sent now."""
        if case is None or is_early(case.delivery, now):
            return Outcome()
        try:
            wanting = addressed(case.delivery, case.wanting)
        except Cancelled as e:
            return self.ledger.cancelled(case.delivery, e)
        if until := rests_until(case.delivery, wanting.subscription, now):
            return self.ledger.put_off(case.delivery, until)
        return case, wanting

    def _lane_of(self, wanting: Wanting) -> Lane[Job]:
        lane = wanting.lane = wanting.lane or self.endpoints.lane(wanting.subscription.channel)
        return lane

    def _start_what_may(self) -> None:
        while turn := self.lanes.next_turn(time.monotonic()):
            self._consumer.run(self._work(turn))

    async def _work(self, turn: tuple[Lane[Job], Job] | None) -> None:
        """Perform a delivery, and the next that may start when it has ended: most need no task of their own."""
        while turn:
            lane, job = turn
            await self._consumer.perform(job.entry, self._perform(lane, job))
            if self._consumer.stopping:
                return
            turn = self.lanes.next_turn(time.monotonic())
            if turn and not self.lanes.is_full:
                self._start_what_may()

    def _hold(self, overflow: Iterable[Held[Job]]) -> None:
        for lane, jobs, until in overflow:
            for entry, ready in jobs:
                waiting = _waiting(entry, lane, until)
                if ready and (told := self.ledger.told_while_waiting(lane, *ready)):
                    self._consumer.finish(entry, Outcome([*hold(self.ledger.bus.names, waiting), *told]))
                else:
                    self._to_hold.append((lane, waiting))
        self._write_held()

    def _write_held(self) -> None:
        rows, self._to_hold = self._to_hold, []
        for at in range(0, len(rows), HELD_AT_ONCE):
            self._consumer.run(self._write_some(rows[at : at + HELD_AT_ONCE]))

    async def _write_some(self, rows: list[tuple[Lane[Job], Waiting]]) -> None:
        waiting = [row for _, row in rows]
        script = self.deliveries.hold(self._consumer.group, waiting)
        await self._consumer.settle_by([row[0] for row in waiting], script)
        for lane in {lane.name: lane for lane, _ in rows}.values():
            # It may have become well meanwhile, and nothing else would ask for what was just written.
            lane.held = True
            if not lane.under_way and not lane.queue:
                self._refill(lane)

    async def _perform(self, lane: Lane[Job], job: Job) -> Finished:
        started = time.monotonic()
        came: Sent | DeliveryError
        try:
            ready = job.ready or await self._look_up(lane, _id_of(job.entry))
            if isinstance(ready, Outcome):
                return ready
            case, wanting = ready
            if not self.cases.is_current(case, started):
                wanting = await self.courier.current(case, started)
            came = await self.courier.carry(case, wanting)
            lane.succeeded()
        except DeliveryError as e:
            came = e
            if e.only_this:
                lane.succeeded()
            else:
                lane.failed(started, time.monotonic(), random.random(), e.overloaded, e.retry_after)
        except NotNow as e:
            return self.ledger.not_now(case.delivery, e.until)
        except (Cancelled, Unsendable) as e:
            return self.ledger.cancelled(case.delivery, e)
        finally:
            self.lanes.done(lane)
            if lane.held and not self._consumer.stopping:
                self._refill(lane)
        duration_ms = round((time.monotonic() - started) * 1000)
        if isinstance(came, DeliveryError):
            # Hundreds that hang end at the same moment, and those who are well must not wait for all of them.
            async with self._failing:
                await asyncio.sleep(0)
                outcome = await self.ledger.failed(
                    lane, case.delivery, wanting.subscription, came, duration_ms
                )
            if lane.held and wanting.subscription.fallback_confirmed:
                # It may be time to tell the second channel of what waits.
                self._ask_for(lane, ALL_OF_ONE)
            return outcome
        if came.enough or case.delivery.kind == "confirm":
            await self.ledger.answered(case.delivery, wanting.subscription, came)
        return partial(self.ledger.succeeded, lane, case, wanting.subscription, came, duration_ms)

    def _refill(self, lane: Lane[Job]) -> None:
        """Let held deliveries of an endpoint go as soon as it has taken what waited here."""
        # One that failed is asked by one.
        room = self.lanes.room(lane) if lane.proven else 1
        if room > len(lane.queue) and lane.open_from <= time.monotonic():
            self._ask_for(lane, room)

    def _ask_for(self, lane: Lane[Job], at_most: int) -> None:
        if lane.name not in self._refilling:
            self._refilling.add(lane.name)
            asyncio.create_task(self._let_go(lane, at_most))  # noqa: RUF006

    async def _let_go(self, lane: Lane[Job], room: int) -> None:
        with suppress(RedisError):
            async with self.asking:
                lane.held = await self.deliveries.release(lane.name, room) == room
        self._refilling.discard(lane.name)


def _id_of(entry: Entry) -> str:
    return entry.fields[b"id"].decode()


def _waiting(entry: Entry, lane: Lane[Job], until: float, subscription: str = "") -> Waiting:
    # Another process may know the endpoint as well: it gets to try some now and then.
    seconds = min(max(0.0, until - time.monotonic()), FORGOTTEN_SECONDS) + LOOK_SECONDS
    return entry.id, _id_of(entry), lane.name, time.time() + seconds, subscription


def _is_ours(entry: Entry) -> bool:
    return entry.fields.get(b"id", b"\xff").isascii()


async def _not_ours() -> Outcome:
    raise Rejected("the entry has no field 'id': it is not ours")
