"""Redis Streams done once, for every service.

    read (FastStream, in batches) -> handle -> settle: acknowledge + forward in one script

What FastStream 0.7 does not give is here: groups from the beginning of the stream, reclaiming of what a dead
consumer held, delivery counts, dead letters, atomic acknowledge-and-forward, hand-back on SIGTERM, recovery from a
lost group, trimming that never passes what a live group still needs. The scripts run on Redis 6.2, 7, 8 and Valkey 8.

A handler takes one `Entry` and returns what is to be written together with its acknowledgement. It raises
`Rejected` for an entry that no retry will mend; any other exception leaves the entry pending, to be tried
again by whoever reclaims it, until `max_deliveries`; then it is a dead letter with the last error.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import structlog
from pydantic import BaseModel, ValidationError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.counters import Counters
from shared.names import Names
from shared.redis_client import RedisClient, write_quickly

if TYPE_CHECKING:
    from faststream.redis import RedisBroker
    from faststream.redis.message import RedisBatchStreamMessage
    from redis.commands.core import AsyncScript

log = structlog.get_logger()

Model = TypeVar("Model", bound=BaseModel)

Argument = str | bytes | int | float
Command = tuple[Argument, ...]
"""One Redis write, e.g. ("XADD", stream, "*", "type", …). The key is its second element."""

BLOCK_MS = 1000
HAND_BACK_IDLE_MS = 3_600_000
RETURNED = "returned"
SETTLED_AT_ONCE = 500


class Rejected(Exception):
    """An entry that can never be handled. The message is the reason on its dead letter."""


class Entry(NamedTuple):
    """One stream entry as read."""

    stream: str
    id: str
    fields: Mapping[bytes, bytes]
    deliveries: int = 1

    def field(self, name: str) -> bytes:
        """Return a field's value; raise Rejected if the entry has none of that name."""
        try:
            return self.fields[name.encode()]
        except KeyError as e:
            raise Rejected(f"the entry has no field {name!r}: it is not ours") from e

    def event(self, model: type[Model]) -> Model:
        """Return the event in the entry; raise Rejected, saying where, if it is not one of that type."""
        try:
            return model.model_validate_json(self.field("event"))
        except ValidationError as e:
            first = e.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Rejected(f"not a {model.__name__}: {where}: {first['msg']}") from e


class Guard(NamedTuple):
    """Makes commands run once: only if the number at `key`.`field` is below `value`."""

    key: str
    field: str
    value: int


class Outcome(NamedTuple):
    """What is written in the same script as the acknowledgement."""

    commands: Sequence[Command] = ()
    unless: Guard | None = None


Handler = Callable[[Entry], Awaitable[Outcome]]
BatchHandler = Callable[["Consumer", list[Entry]], Awaitable[None]]
"""Takes all entries of a read, and hands each to `Consumer.handle` or `Consumer.finish` in its own time."""


_NO_GUARD = Guard("", "", 0)


@dataclass(frozen=True, slots=True)
class Marked:
    """A change of one hash field and the event that tells of it: both happen, or neither."""

    key: str
    field: str
    expected: bytes | None
    mark: str | None
    stream: str
    fields: Mapping[str, str | bytes]


def xadd(stream: str, fields: Mapping[str, Argument]) -> Command:
    """Return the command that appends an entry."""
    return ("XADD", stream, "*", *(part for pair in fields.items() for part in pair))


class Bus:
    """The connection of one process to the streams of one installation.

    `consumer` is unique to the process, so that two processes never share a pending list. `patience` is how many
    seconds a stopping consumer waits for what it has in hand.
    """

    def __init__(
        self,
        url: str,
        names: Names,
        consumer: str,
        *,
        reclaim_after: float = 30,
        max_deliveries: int = 5,
        retention_seconds: int = 30 * 86400,
        patience: float = 5,
        redis_tries: int = 20,
    ) -> None:
        self._url = url
        self.names = names
        self.consumer = consumer
        self.reclaim_after = reclaim_after
        self.max_deliveries = max_deliveries
        self.retention_seconds = retention_seconds
        self.patience = patience
        self.counters = Counters(names.counters)
        self.consumers: list[Consumer] = []
        self.read_at: dict[str, float] = {}
        self._client: RedisClient | None = None
        self._options: dict[str, Any] = {
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "max_connections": 200,
            # Every script here may safely run twice, so a lost answer is simply asked for again.
            "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), redis_tries),
            "retry_on_error": [RedisConnectionError, RedisTimeoutError, ConnectionResetError],
        }
        self._scripts: dict[str, AsyncScript] = {}

    @cached_property
    def broker(self) -> "RedisBroker":
        """FastStream. Imported when first needed: it costs ten megabytes, and who only writes does without."""
        from faststream.redis import RedisBroker

        return RedisBroker(
            self._url,
            logger=None,  # type: ignore[arg-type]
            apply_types=False,
            graceful_timeout=self.patience,
            **self._options,
        )

    @property
    def redis(self) -> RedisClient:
        """The redis-py client; answers are bytes. Only after `connect`."""
        return self._client or self.broker.config.connection.client

    async def connect(self, *, reads: bool = True) -> None:
        """Connect, and wait for as long as Redis is down or still loading, saying so now and then.

        `reads` says whether streams are to be read; else there is no broker.
        """
        if reads:
            await self.broker.connect()
            self._note_reads()
        else:
            self._client = Redis.from_url(self._url, **self._options)
        write_quickly(self.redis)
        started = time.monotonic()
        async with Redis.from_url(self._url, retry=Retry(NoBackoff(), 0), socket_timeout=5) as probe:
            while True:
                try:
                    await probe.ping()
                    return
                except (RedisError, OSError) as e:
                    waited = time.monotonic() - started
                    log.warning("waiting for redis", error=str(e), waited=f"{waited:.0f}s")
                await asyncio.sleep(1)

    def _note_reads(self) -> None:
        """Remember when each stream was last read, whether or not anything came.

        Redis itself knows only since 7.2: before, a consumer's idle time grows while its stream is quiet.
        """
        read = self.redis.xreadgroup

        async def noted(groupname: str, consumername: str, streams: Mapping[str, str], **options: Any) -> Any:
            try:
                return await read(groupname, consumername, streams, **options)
            finally:
                self.read_at.update(dict.fromkeys(streams, time.monotonic()))

        self.redis.xreadgroup = noted

    async def close(self) -> None:
        """Flush the counters and disconnect."""
        with suppress(RedisError, TimeoutError):
            async with asyncio.timeout(self.patience):
                await self.counters.flush(self.redis)
        await (self._client.aclose() if self._client else self.broker.stop())

    def subscribe(
        self, stream: str, group: str, handler: Handler, *, batch: int = 100, concurrency: int = 1
    ) -> "Consumer":
        """Register a handler for a stream. With `concurrency` > 1 entries are handled side by side."""
        consumer = Consumer(self, stream, group, handler, batch=batch, concurrency=concurrency)
        self.consumers.append(consumer)
        return consumer

    def subscribe_batches(
        self, stream: str, group: str, handler: BatchHandler, *, batch: int = 200
    ) -> "Consumer":
        """Register a handler that decides itself which entries it handles when."""
        consumer = Consumer(self, stream, group, _never, batch=batch, batch_handler=handler)
        self.consumers.append(consumer)
        return consumer

    async def publish_once(self, items: Sequence[Marked]) -> list[bool]:
        """Set each mark and add its event if the mark is still as expected; return which were."""
        if not items:
            return []
        done: list[bool] = []
        # One script for all that share a hash and a stream: a document's entries, nearly always.
        for (key, stream), group in groupby(items, key=lambda item: (item.key, item.stream)):
            args: list[str | bytes] = []
            for item in group:
                args += [item.field, item.expected or "", item.mark or "", str(2 * len(item.fields))]
                for name, value in item.fields.items():
                    args += [name, value]
            done += map(bool, await self.script("publish_once")(keys=[key, stream], args=args))
        return done

    async def settle(self, stream: str, group: str, outcomes: Sequence[tuple[str, Outcome]]) -> int:
        """Acknowledge entries and write what follows, atomically; return how many were still ours to settle."""
        if not outcomes:
            return 0
        keys = [stream]
        args: list[Argument] = [group]
        for entry_id, outcome in outcomes:
            guard = outcome.unless or _NO_GUARD
            args += [entry_id, guard.key, guard.field, guard.value, len(outcome.commands)]
            if guard.key:
                keys.append(guard.key)
            for command in outcome.commands:
                keys.append(str(command[1]))
                args += [len(command), *command]
        return int(await self.script("settle")(keys=list(dict.fromkeys(keys)), args=args))

    async def dead_letter(self, group: str, entry: Entry, reason: str) -> None:
        """Acknowledge an entry and keep it, raw, with the reason."""
        letter: dict[str, Argument] = {
            "stream": entry.stream,
            "group": group,
            "id": entry.id,
            "deliveries": entry.deliveries,
            "reason": reason[:2000],
        }
        letter |= {f"raw:{name.decode(errors='replace')}": value for name, value in entry.fields.items()}
        command = xadd(self.names.dead(entry.stream), letter)
        if await self.settle(entry.stream, group, [(entry.id, Outcome([command]))]):
            self.counters.add("dead_letters", stream=entry.stream, group=group)
            log.error("dead letter", stream=entry.stream, group=group, id=entry.id, reason=reason)

    async def trim(self, stream: str, own_groups: Sequence[str]) -> int:
        """Drop entries older than the retention that no live group still needs; return how many.

        A group of ours is always live; a foreign one while any consumer of it was seen within the retention.
        """
        floor = f"{int((time.time() - self.retention_seconds) * 1000)}-0"
        args: list[str | int] = [floor, self.retention_seconds * 1000, *own_groups]
        return int(await self.script("trim")(keys=[stream], args=args))

    def script(self, name: str) -> "AsyncScript":
        """Return the script shared/scripts/NAME.lua; it is sent once and called by its hash."""
        if name not in self._scripts:
            source = resources.files("shared").joinpath("scripts", f"{name}.lua").read_text()
            self._scripts[name] = self.redis.register_script(source)
        return self._scripts[name]


@dataclass(slots=True)
class Consumer:
    """One handler on one stream, in one group, in this process."""

    bus: Bus
    stream: str
    group: str
    handler: Handler
    batch: int = 100
    concurrency: int = 1
    batch_handler: BatchHandler | None = None
    in_hand: set[str] = field(default_factory=set)
    stopping: bool = False
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _finished: list[tuple[str, Outcome]] = field(default_factory=list)
    _settler: asyncio.Task[None] | None = None
    _slots: asyncio.Semaphore = field(init=False)
    _subscriber: Any = field(init=False)

    def __post_init__(self) -> None:
        from faststream import AckPolicy
        from faststream.redis import StreamSub

        self._slots = asyncio.Semaphore(self.concurrency)
        self._subscriber = self.bus.broker.subscriber(
            stream=StreamSub(
                self.stream,
                group=self.group,
                consumer=self.bus.consumer,
                batch=True,
                max_records=self.batch,
                polling_interval=BLOCK_MS,
            ),
            parser=_parse,
            decoder=_decode,
            ack_policy=AckPolicy.MANUAL,
        )
        self._subscriber(self._on_entries)

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
        """Take over entries that a dead consumer held for `reclaim_after` seconds; return how many."""
        await self._keep_in_hand()
        idle_ms = int(self.bus.reclaim_after * 1000)
        rows = await self.bus.script("reclaim")(
            keys=[self.stream],
            args=[self.group, self.bus.consumer, idle_ms, self.batch, self.bus.max_deliveries],
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
        self.run(self.perform(entry, work))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in a task that whoever stops the consumer waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def perform(self, entry: Entry, work: Awaitable[Outcome]) -> None:
        """Handle an entry here; what it comes to is settled together with others."""
        try:
            self.finish(entry, await self._outcome(entry, work))
        except BaseException:
            self.in_hand.discard(entry.id)
            raise

    def finish(self, entry: Entry, outcome: Outcome | None) -> None:
        """Settle an entry together with all that is finished by then; None leaves it pending."""
        if outcome is None:
            self.in_hand.discard(entry.id)
            return
        self._finished.append((entry.id, outcome))
        if self._settler is None or self._settler.done():
            self._settler = asyncio.create_task(self._settle_finished())

    async def _on_entries(self, entries: list[Entry]) -> None:
        self.in_hand.update(entry.id for entry in entries)
        if self.batch_handler:
            await self._hand_over(entries)
        elif self.concurrency == 1:
            await self._handle_together(entries)
        else:
            await self._handle_side_by_side(entries)

    async def _hand_over(self, entries: list[Entry]) -> None:
        assert self.batch_handler
        try:
            await self.batch_handler(self, entries)
        except Exception as e:
            log.warning("the entries stay pending", stream=self.stream, error=f"{type(e).__name__}: {e}")
            self.bus.counters.add("handler_errors", stream=self.stream, group=self.group)
            self.in_hand.difference_update(entry.id for entry in entries)

    async def _handle_together(self, entries: list[Entry]) -> None:
        try:
            outcomes = []
            for entry in entries:
                outcome = await self._outcome(entry, self.handler(entry))
                if outcome is not None:
                    outcomes.append((entry.id, outcome))
            await self._settle(outcomes)
        finally:
            self.in_hand.difference_update(entry.id for entry in entries)

    async def _handle_side_by_side(self, entries: list[Entry]) -> None:
        for entry in entries:
            await self._slots.acquire()
            if self.stopping:
                self._slots.release()
                return
            self.handle(entry, self._in_a_slot(entry))

    async def _in_a_slot(self, entry: Entry) -> Outcome:
        try:
            return await self.handler(entry)
        finally:
            self._slots.release()

    async def _settle_finished(self) -> None:
        while self._finished:
            batch, self._finished = self._finished[:SETTLED_AT_ONCE], self._finished[SETTLED_AT_ONCE:]
            try:
                await self._settle(batch)
            except RedisError as e:
                log.warning("not settled; the entries stay pending", stream=self.stream, error=str(e))
            finally:
                self.in_hand.difference_update(entry_id for entry_id, _ in batch)

    async def _settle(self, outcomes: list[tuple[str, Outcome]]) -> None:
        settled = await self.bus.settle(self.stream, self.group, outcomes)
        self.bus.counters.add("handled", settled, stream=self.stream, group=self.group)
        now = time.time()
        ages = (now - int(entry_id.partition("-")[0]) / 1000 for entry_id, _ in outcomes)
        self.bus.counters.observe("stage_seconds", ages, stream=self.stream, group=self.group)

    async def _outcome(self, entry: Entry, work: Awaitable[Outcome]) -> Outcome | None:
        """Return what the handler says, or None when the entry is a dead letter or stays pending."""
        try:
            return await work
        except Rejected as e:
            await self.bus.dead_letter(self.group, entry, str(e))
        except RedisError as e:
            log.warning(
                "redis failed; the entry stays pending", stream=self.stream, id=entry.id, error=str(e)
            )
        except Exception as e:
            self.bus.counters.add("handler_errors", stream=self.stream, group=self.group)
            log.exception("handler failed", stream=self.stream, id=entry.id, deliveries=entry.deliveries)
            if entry.deliveries >= self.bus.max_deliveries:
                await self.bus.dead_letter(self.group, entry, f"{type(e).__name__}: {e}")
        return None

    async def _keep_in_hand(self) -> None:
        """Tell Redis that what we hold is alive, without counting it as delivered again."""
        ids = list(self.in_hand)
        if ids:
            await self.bus.redis.xclaim(
                self.stream, self.group, self.bus.consumer, min_idle_time=0, message_ids=ids, justid=True
            )


async def _never(entry: Entry) -> Outcome:
    raise AssertionError(f"{entry.id} is for the batch handler")


async def _parse(message: Any) -> "RedisBatchStreamMessage":
    from faststream.redis.message import RedisBatchStreamMessage

    # FastStream's own parser expects its binary envelope, and mistakes some plain JSON for it.
    return RedisBatchStreamMessage(raw_message=message, body=b"", consumer=None, group=None)  # type: ignore[arg-type]


async def _decode(message: Any) -> list[Entry]:
    raw = message.raw_message
    return [
        Entry(raw["channel"], entry_id.decode(), fields)
        for entry_id, fields in zip(raw["message_ids"], raw["data"], strict=True)
    ]


def _claimed(stream: str, row: Sequence[Any]) -> Entry:
    entry_id, deliveries, flat = row
    return Entry(stream, entry_id.decode(), dict(zip(flat[::2], flat[1::2], strict=True)), int(deliveries))
