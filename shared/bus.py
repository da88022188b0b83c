"""Redis Streams done once, for every service.

    read (FastStream, in batches) -> handle -> settle: acknowledge + forward in one script

What FastStream 0.7 does not give is here and in `shared.consumer`: groups from the beginning of the stream, reclaiming
of what a dead consumer held, delivery counts, dead letters, atomic acknowledge-and-forward, hand-back on SIGTERM,
recovery from a lost group, trimming that never passes what a live group still needs. The scripts run on Redis 6.2, 7, 8
and Valkey 8, on one server or a cluster: all keys of one script are in one slot (`shared.names`).
"""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from shared.counters import Counters
from shared.entries import Entry, Marked, Outcome, xadd
from shared.names import Names
from shared.redis_client import Argument, make_client, time_at

if TYPE_CHECKING:
    from faststream.redis import RedisBroker
    from redis.commands.core import AsyncScript

    from shared.consumer import Consumer

log = structlog.get_logger()

ALIVE_SECONDS = 5.0
DAY = 86400


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
        retention_seconds: int = 30 * DAY,
        patience: float = 5,
        redis_tries: int = 20,
    ) -> None:
        self.redis = make_client(url, tries=redis_tries)
        self.names = names
        self.consumer = consumer
        self.reclaim_after = reclaim_after
        self.alive_seconds = ALIVE_SECONDS
        self.max_deliveries = max_deliveries
        self.retention_seconds = retention_seconds
        self.patience = patience
        self.counters = Counters(names.counters)
        self.consumers: list[Consumer] = []
        self.read_at: dict[str, float] = {}
        self._url = url
        self._scripts: dict[str, AsyncScript] = {}
        self._alive_since = math.inf
        self._note_reads()

    @cached_property
    def kept_seconds(self) -> int:
        """How long what was told is kept: a day more than the entries of streams, whose readers have to find it."""
        return self.retention_seconds + min(self.retention_seconds, DAY)

    @cached_property
    def broker(self) -> "RedisBroker":
        """FastStream. Imported when first needed: it costs ten megabytes, and who only writes does without."""
        from shared.stream_reader import make_broker

        return make_broker(self.redis, self.patience)

    async def connect(self) -> None:
        """Wait for as long as Redis is down or still loading, saying so now and then."""
        started = time.monotonic()
        probe = make_client(self._url, tries=0, timeout=5)
        try:
            while True:
                try:
                    await probe.ping()
                    return
                except (RedisError, OSError) as e:
                    waited = time.monotonic() - started
                    log.warning("waiting for redis", error=str(e), waited=f"{waited:.0f}s")
                await asyncio.sleep(1)
        finally:
            await probe.aclose()

    async def show_life(self) -> None:
        """Let others know for `alive_seconds` that this process lives: what a dead one holds they take over."""
        before = await self.redis.set(
            self.names.alive(self.consumer), b"1", px=int(self.alive_seconds * 1000), get=True
        )
        if before is None:
            self._alive_since = time.monotonic()

    @property
    def judges_others(self) -> bool:
        """Whether we have been seen alive without a break for so long that a living process would have been too.

        After Redis was away nobody has a sign of life, and the first one back would take all others for dead.
        """
        return time.monotonic() - self._alive_since > self.alive_seconds

    def _note_reads(self) -> None:
        """Remember when each stream was last read, whether or not anything came.

        Redis itself knows only since 7.2: before, a consumer's idle time grows while its stream is quiet.
        """
        read = self.redis.xreadgroup

        async def noted(groupname: str, consumername: str, streams: Mapping[str, str], **options: Any) -> Any:
            try:
                return await read(groupname, consumername, streams, **options)
            except ResponseError as e:
                if "NOGROUP" in str(e):
                    raise
                # Unblocked by a fail-over, read-only, a cluster that is down: FastStream waits for a connection only.
                raise RedisConnectionError(str(e)) from e
            finally:
                self.read_at.update(dict.fromkeys(streams, time.monotonic()))

        self.redis.xreadgroup = noted

    async def close(self) -> None:
        """Flush the counters and disconnect."""
        with suppress(RedisError, TimeoutError):
            async with asyncio.timeout(self.patience):
                await self.counters.flush(self.redis)
        if "broker" in self.__dict__:
            await self.broker.stop()
        await self.redis.aclose()

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
        for entry_id, (commands, unless) in outcomes:
            if unless:
                keys.append(unless.key)
                args += (entry_id, *unless, len(commands))
            else:
                args += (entry_id, "", len(commands))
            for command in commands:
                keys.append(str(command[1]))
                args.append(len(command))
                args += command
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
        now = await time_at(self.redis, stream)
        floor = f"{int((now - self.retention_seconds) * 1000)}-0"
        args: list[str | int] = [floor, self.retention_seconds * 1000, *own_groups]
        return int(await self.script("trim")(keys=[stream], args=args))

    def script(self, name: str) -> "AsyncScript":
        """Return the script shared/scripts/NAME.lua; it is sent once and called by its hash."""
        if name not in self._scripts:
            source = resources.files("shared").joinpath("scripts", f"{name}.lua").read_text()
            self._scripts[name] = self.redis.register_script(source)
        return self._scripts[name]
