"""One handler on one stream: read in batches, handle, settle; what is not settled is tried again, here or elsewhere.

A handler takes one `Entry` and returns what is to be written together with its acknowledgement. It raises
`Rejected` for an entry that no retry will mend; any other exception leaves the entry pending, to be tried
again by whoever reclaims it, until `max_deliveries`; then it is a dead letter with the last error.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import RedisError, ResponseError

from shared import tracing
from shared.entries import Entry, Outcome, Rejected

if TYPE_CHECKING:
    from shared.bus import Bus

log = structlog.get_logger()

TRACEPARENT = tracing.FIELD.encode()
HAND_BACK_IDLE_MS = 3_600_000
RETURNED = "returned"
SETTLED_AT_ONCE = 500

Handler = Callable[[Entry], Awaitable[Outcome]]
Finished = Outcome | Callable[[], Outcome]
"""An outcome, or what works it out: those that are settled together are worked out together, which is quicker."""
BatchHandler = Callable[["Consumer", list[Entry]], Awaitable[None]]
"""Takes all entries of a read, and hands each to `Consumer.handle` or `Consumer.finish` in its own time."""


@dataclass(slots=True)
class Consumer:
    """One handler on one stream, in one group, in this process; `side_by_side` makes it of one for single entries."""

    bus: "Bus"
    stream: str
    group: str
    handler: BatchHandler
    batch: int = 100
    in_hand: set[str] = field(default_factory=set)
    stopping: bool = False
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _finished: list[tuple[str, Finished]] = field(default_factory=list)
    _settler: asyncio.Task[None] | None = None
    _kept_at: float = 0
    _subscriber: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        from shared.stream_reader import read_stream

        self._subscriber = read_stream(
            self.bus.broker,
            self.stream,
            self.group,
            self.bus.consumer,
            batch=self.batch,
            handler=self._on_entries,
        )
        self.bus.consumers.append(self)

    @property
    def running(self) -> bool:
        """Whether FastStream is still reading for us."""
        return bool(self._subscriber.running)

    @property
    def silent_for(self) -> float:
        """Seconds since the stream was last read; 0 while entries are in hand."""
        if self.in_hand or self.stopping:
            return 0
        return time.monotonic() - self.bus.read_at.get(self.stream, time.monotonic())

    async def ensure_group(self) -> None:
        """Create the group from the beginning of the stream, unless it exists."""
        try:
            await self.bus.redis.xgroup_create(self.stream, self.group, id="0", mkstream=True)
        except ResponseError as e:
            if "BUSYGROUP" not in str(e):
                raise

    async def revive(self) -> None:
        """Start reading again after FastStream gave up, as it does when the group is gone.

        The group is made anew from the beginning: what was done already is done once all the same, because
        each stage guards its writes (`Guard`, or a key that exists).
        """
        if self.running or self.stopping:
            return
        log.warning("group lost: made anew", stream=self.stream, group=self.group)
        self.bus.counters.add("groups_recreated", stream=self.stream, group=self.group)
        await self.ensure_group()
        await self._subscriber.start()

    async def reclaim(self) -> int:
        """Take over what a dead consumer held, or whoever for `reclaim_after` seconds; return how many entries."""
        await self._keep_in_hand()
        idle_ms, judges = int(self.bus.reclaim_after * 1000), int(self.bus.judges_others)
        rows = await self.bus.script("reclaim")(
            keys=[self.stream],
            args=[self.group, self.bus.consumer, idle_ms, self.batch, judges, self.bus.names.alive("")],
        )
        entries = [_claimed(self.stream, row) for row in rows]
        spent = [entry for entry in entries if entry.deliveries > self.bus.max_deliveries]
        for entry in spent:
            reason = f"delivered {entry.deliveries - 1} times without an outcome: its consumer died or failed each time"
            await self.bus.dead_letter(self.group, entry, reason)
        alive = [entry for entry in entries if entry.deliveries <= self.bus.max_deliveries]
        if alive:
            log.info("reclaimed", stream=self.stream, group=self.group, entries=len(alive))
            self.bus.counters.add("reclaimed", len(alive), stream=self.stream, group=self.group)
            await self._on_entries(alive)
        return len(entries)

    async def stop(self) -> None:
        """Stop reading, and wait for what is in hand for a while (`Bus.patience`)."""
        self.stopping = True
        await self._subscriber.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self.bus.patience)
        for task in self._tasks:
            task.cancel()
        if self._settler:
            await asyncio.wait([self._settler], timeout=self.bus.patience)

    async def hand_back(self) -> None:
        """Leave what is unfinished to the next consumer at once, and take our name off the group."""
        await self.bus.script("hand_back")(
            keys=[self.stream], args=[self.group, self.bus.consumer, RETURNED, HAND_BACK_IDLE_MS]
        )

    async def forget_the_dead(self) -> None:
        """Take the names of long dead consumers that hold nothing off the group."""
        await self.bus.script("forget_the_dead")(
            keys=[self.stream], args=[self.group, HAND_BACK_IDLE_MS, RETURNED]
        )

    def handle(self, entry: Entry, work: Awaitable[Outcome]) -> None:
        """Handle an entry in a task of its own; what it comes to is settled together with others."""
        self.run(self.perform(entry, self._traced(entry, work)))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in a task that whoever stops the consumer waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def perform(self, entry: Entry, work: Awaitable[Finished]) -> None:
        """Handle an entry here; what it comes to is settled together with others."""
        outcome: Finished | None = None
        try:
            try:
                outcome = await work
            except Exception as e:
                await self._after_error(entry, e)
        except BaseException:
            self.in_hand.discard(entry.id)
            raise
        self.finish(entry, outcome)

    def finish(self, entry: Entry, outcome: Finished | None) -> None:
        """Settle an entry together with all that is finished by then; None leaves it pending."""
        if outcome is None:
            self.in_hand.discard(entry.id)
            return
        self._finished.append((entry.id, outcome))
        if self._settler is None or self._settler.done():
            self._settler = asyncio.create_task(self._settle_finished())

    async def settle_by(self, entry_ids: Sequence[str], script: Awaitable[int]) -> None:
        """Settle entries by a script of the caller's, which acknowledges them and returns how many were ours."""
        try:
            settled = await script
            self.bus.counters.add("handled", settled, stream=self.stream, group=self.group)
            now = time.time()
            ages = (now - int(entry_id.partition("-")[0]) / 1000 for entry_id in entry_ids)
            self.bus.counters.observe("stage_seconds", ages, stream=self.stream, group=self.group)
        except RedisError as e:
            log.warning("not settled; the entries stay pending", stream=self.stream, error=str(e))
        finally:
            self.in_hand.difference_update(entry_ids)

    async def _on_entries(self, entries: list[Entry]) -> None:
        self.in_hand.update(entry.id for entry in entries)
        try:
            await self.handler(self, entries)
        except Exception as e:
            log.warning("the entries stay pending", stream=self.stream, error=f"{type(e).__name__}: {e}")
            self.bus.counters.add("handler_errors", stream=self.stream, group=self.group)
            self.in_hand.difference_update(entry.id for entry in entries)

    async def _settle_finished(self) -> None:
        while self._finished:
            batch, self._finished = self._finished[:SETTLED_AT_ONCE], self._finished[SETTLED_AT_ONCE:]
            outcomes = list(self._worked_out(batch))
            await self.settle_by(
                [entry_id for entry_id, _ in batch], self.bus.settle(self.stream, self.group, outcomes)
            )

    def _worked_out(self, finished: Sequence[tuple[str, Finished]]) -> Iterator[tuple[str, Outcome]]:
        for entry_id, outcome in finished:
            try:
                yield entry_id, outcome() if callable(outcome) else outcome
            except Exception:
                self.bus.counters.add("handler_errors", stream=self.stream, group=self.group)
                log.exception("not worked out; the entry stays pending", stream=self.stream, id=entry_id)

    async def _traced(self, entry: Entry, work: Awaitable[Outcome]) -> Outcome:
        parent = entry.fields.get(TRACEPARENT)
        if parent is None:
            return await work
        with tracing.follow(f"{self.group} {self.stream}", parent.decode(errors="replace"), entry=entry.id):
            return await work

    async def _after_error(self, entry: Entry, error: Exception) -> None:
        """Make it a dead letter, or leave it pending."""
        reason = ""
        if isinstance(error, Rejected):
            reason = str(error)
        elif isinstance(error, RedisError):
            log.warning(
                "redis failed; the entry stays pending", stream=self.stream, id=entry.id, error=str(error)
            )
        else:
            self.bus.counters.add("handler_errors", stream=self.stream, group=self.group)
            log.error(
                "handler failed", stream=self.stream, id=entry.id, deliveries=entry.deliveries, exc_info=error
            )
            if entry.deliveries >= self.bus.max_deliveries:
                reason = f"{type(error).__name__}: {error}"
        if reason:
            await self.bus.dead_letter(self.group, entry, reason)

    async def _keep_in_hand(self) -> None:
        """Tell Redis now and then that what we hold is alive, without counting it as delivered again."""
        ids, now = list(self.in_hand), time.monotonic()
        if ids and now - self._kept_at > self.bus.reclaim_after / 4:
            self._kept_at = now
            await self.bus.redis.xclaim(
                self.stream, self.group, self.bus.consumer, min_idle_time=0, message_ids=ids, justid=True
            )


def side_by_side(handler: Handler, concurrency: int = 1) -> BatchHandler:
    """Return a handler of whole reads that has so many of their entries handled at a time."""
    slots = asyncio.Semaphore(concurrency)

    async def in_a_slot(entry: Entry) -> Outcome:
        try:
            return await handler(entry)
        finally:
            slots.release()

    async def handle(consumer: Consumer, entries: list[Entry]) -> None:
        for entry in entries:
            await slots.acquire()
            if consumer.stopping:
                slots.release()
                return
            consumer.handle(entry, in_a_slot(entry))

    return handle


def _claimed(stream: str, row: Sequence[Any]) -> Entry:
    entry_id, deliveries, flat = row
    return Entry(stream, entry_id.decode(), dict(zip(flat[::2], flat[1::2], strict=True)), int(deliveries))
