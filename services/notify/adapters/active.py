"""The active subscriptions, in memory: a snapshot at start, then kept current from `subscriptions.v1`."""

import asyncio
import gc
from collections.abc import Callable

import structlog
from redis.exceptions import RedisError

from services.notify.core.wanted import Wanted
from shared.bus import Bus
from shared.entries import BLOCK_MS
from shared.subscription_store import SubscriptionStore

log = structlog.get_logger()


class ActiveSubscriptions:
    """Follows every change within a second. Each notify process has all of them."""

    def __init__(
        self, bus: Bus, store: SubscriptionStore, on_change: Callable[[str], None] = lambda _: None
    ) -> None:
        self._bus = bus
        self._store = store
        self._on_change = on_change
        self._cursor = b"0-0"
        self.wanted = Wanted()
        self._compacting: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Read all of them. The cursor is taken first: a change in between is simply seen twice."""
        stream = self._bus.names.subscription_changes
        newest = await self._bus.redis.xrevrange(stream, count=1)
        self._cursor = newest[0][0] if newest else b"0-0"
        async for subscription in self._store.each():
            self.wanted.put(subscription)
        await asyncio.to_thread(self.wanted.make_ready)
        log.info("subscriptions loaded", active=len(self.wanted))

    async def follow(self) -> None:
        """Apply changes as they come, for ever."""
        stream = self._bus.names.subscription_changes
        while True:
            try:
                answer = await self._bus.redis.xread({stream: self._cursor}, block=BLOCK_MS, count=1000)
                for _, rows in answer or ():
                    await self._apply(rows)
                self.wanted.make_ready()
                if self.wanted.is_scattered:
                    self._compacting = asyncio.create_task(self.compact())
            except RedisError as e:
                log.warning("subscriptions not followed for now", error=str(e))

    async def compact(self) -> None:
        """Make one of the many parts that changes have left, in a thread: reports are matched meanwhile."""
        compacted = None
        # The collector would stop everything again and again to look at what is being made, and will live for ever.
        gc.disable()
        try:
            compacted = await asyncio.to_thread(self.wanted.begin_compaction().compacted)
        finally:
            self.wanted.end_compaction(compacted)
            gc.freeze()
            gc.enable()

    async def _apply(self, rows: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        ids = [fields.get(b"id", b"") for _, fields in rows]
        ours = {each.decode() for each in ids if each and each.isascii()}
        if not all(each and each.isascii() for each in ids):
            log.warning("entries that are not ours, left out", stream=self._bus.names.subscription_changes)
        for subscription_id in ours:
            self._on_change(subscription_id)
        if ours:
            # It may have another endpoint by now.
            await self._bus.redis.hdel(self._bus.names.waits, *ours)
        for subscription_id in ours:
            subscription = await self._store.get(subscription_id)
            if subscription is None:
                self.wanted.drop(subscription_id)
            else:
                self.wanted.put(subscription)
        self._cursor = rows[-1][0]
