"""Performs deliveries: look up -> wait for the endpoint's turn -> carry -> write down how it went.

What follows an attempt (delivered, later, given up) is written in the script that acknowledges the queue entry.
"""

import asyncio
import random
import time
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
from services.notify.core.lanes import Held, Lane, Lanes
from shared.consumer import Consumer, Finished
from shared.deliveries import DeliveryLog
from shared.entries import Entry, Outcome, Rejected

log = structlog.get_logger()

LOOK_SECONDS = 0.25
RELEASED_EACH = 50
FAILING_AT_ONCE = 10


class Job(NamedTuple):
    """A delivery in this process's hands."""

    entry: Entry
    case: Case
    wanting: Wanting
    """The subscription as it is addressed."""
    consumer: Consumer


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

    async def on_deliveries(self, consumer: Consumer, entries: list[Entry]) -> None:
        """Look up what was read, and start what may be started; the rest waits for its endpoint's turn."""
        readable = [entry for entry in entries if _is_ours(entry)]
        if len(readable) < len(entries):
            for entry in entries:
                if not _is_ours(entry):
                    consumer.handle(entry, _not_ours())
        ids = [entry.fields[b"id"].decode() for entry in readable]
        cases = await self.cases.find(ids, time.monotonic())
        now = datetime.now(UTC)
        for entry, case in zip(readable, cases, strict=True):
            if case is None or is_early(case.delivery, now):
                consumer.finish(entry, Outcome())
            else:
                self._receive(consumer, entry, case, now)
        self._start_what_may()

    async def look_after_those_who_wait(self) -> None:
        """Queue what is due, and let held deliveries go, for ever."""
        while True:
            now, moved = datetime.now(UTC), 0
            try:
                moved = await self.deliveries.queue_due(now)
                moved += await self.deliveries.release_due(now, RELEASED_EACH, LOOK_SECONDS)
            except RedisError as e:
                log.warning("those who wait are not looked after for now", error=str(e))
            await asyncio.sleep(0 if moved else LOOK_SECONDS)

    def _receive(self, consumer: Consumer, entry: Entry, case: Case, now: datetime) -> None:
        try:
            wanting = addressed(case.delivery, case.wanting)
        except Cancelled as e:
            consumer.finish(entry, self.ledger.cancelled(case.delivery, str(e)))
            return
        if until := rests_until(case.delivery, wanting.subscription, now):
            consumer.finish(entry, self.ledger.put_off(case.delivery, until))
            return
        job = Job(entry, case, wanting, consumer)
        held = self.lanes.put(self.endpoints.lane(wanting.subscription.channel), job, time.monotonic())
        if held:
            self._hold(held)

    def _start_what_may(self) -> None:
        while not self.lanes.is_full and (turn := self._next_turn()):
            turn[1].consumer.run(self._work(turn))

    def _next_turn(self) -> tuple[Lane[Job], Job] | None:
        while isinstance(turn := self.lanes.next_turn(time.monotonic()), Held):
            self._hold(turn)
        return turn

    async def _work(self, turn: tuple[Lane[Job], Job] | None) -> None:
        """Perform a delivery, and the next that may start when it has ended: most need no task of their own."""
        while turn:
            lane, job = turn
            await job.consumer.perform(job.entry, self._perform(lane, job))
            if job.consumer.stopping:
                return
            turn = self._next_turn()
            self._start_what_may()

    def _hold(self, held: Held[Job]) -> None:
        until = time.time() + max(0.0, held.until - time.monotonic()) + LOOK_SECONDS
        for job in held.items:
            job.consumer.finish(
                job.entry, self.ledger.hold(held.lane, job.case, job.wanting.subscription, until)
            )

    async def _perform(self, lane: Lane[Job], job: Job) -> Finished:
        started, case, wanting = time.monotonic(), job.case, job.wanting
        came: Sent | DeliveryError
        try:
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
            return self.ledger.put_off(case.delivery, e.until)
        except (Cancelled, Unsendable) as e:
            return self.ledger.cancelled(case.delivery, str(e))
        finally:
            self.lanes.done(lane)
            if lane.held and not job.consumer.stopping:
                self._refill(lane)
        duration_ms = round((time.monotonic() - started) * 1000)
        if isinstance(came, DeliveryError):
            # Hundreds that hang end at the same moment, and those who are well must not wait for all of them.
            async with self._failing:
                await asyncio.sleep(0)
                return await self.ledger.failed(lane, case.delivery, wanting.subscription, came, duration_ms)
        if came.enough or case.delivery.kind == "confirm":
            await self.ledger.answered(case.delivery, wanting.subscription, came)
        return partial(self.ledger.succeeded, lane, case, wanting.subscription, came, duration_ms)

    def _refill(self, lane: Lane[Job]) -> None:
        """Let held deliveries of an endpoint go as soon as it has taken what waited here."""
        room = self.lanes.room(lane)
        if (
            room > len(lane.queue)
            and lane.opens_at(0) <= time.monotonic()
            and lane.name not in self._refilling
        ):
            self._refilling.add(lane.name)
            asyncio.create_task(self._let_go(lane, room))  # noqa: RUF006

    async def _let_go(self, lane: Lane[Job], room: int) -> None:
        with suppress(RedisError):
            async with self.asking:
                lane.held = await self.deliveries.release(lane.name, room) == room
        self._refilling.discard(lane.name)


def _is_ours(entry: Entry) -> bool:
    return entry.fields.get(b"id", b"\xff").isascii()


async def _not_ours() -> Outcome:
    raise Rejected("the entry has no field 'id': it is not ours")
