"""Who polls which feed: a due feed is claimed for a while, and the claim renewed for as long as it is worked on.

A process that dies gives back what it held: its feeds are due again, and its hosts free, when the leases are over.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from redis.exceptions import RedisError

from services.ingest.core.feed import Feed
from shared.names import Names
from shared.together import Together, script

LEASE_SECONDS = 6.0
# Shorter, for others wait at the door; a request that takes longer than this is rare.
HOST_LEASE_SECONDS = 4.0

# KEYS: due   ARGV: now, now + lease, limit
_CLAIM = script(
    """
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do redis.call('ZADD', KEYS[1], ARGV[2], id) end
return ids
"""
)

# GT: a poll that has just ended has put the feed further into the future. At a host only whoever is there is renewed.
# KEYS: due, the host of each feed   ARGV: end of the feeds' leases, of the hosts', feed ids
_KEEP = script(
    """
for i = 3, #ARGV do
  local host = KEYS[i - 1]
  redis.call('ZADD', KEYS[1], 'XX', 'GT', ARGV[1], ARGV[i])
  if redis.call('HGET', host, 'busy_by') == ARGV[i] then redis.call('HSET', host, 'busy_until', ARGV[2]) end
end
return 1
"""
)


class Leases:
    """The feeds that this process has claimed, each for `seconds` at a time; `clock` gives UTC."""

    def __init__(
        self,
        together: Together,
        names: Names,
        clock: Callable[[], datetime],
        seconds: float = LEASE_SECONDS,
    ) -> None:
        self._together = together
        self._names = names
        self._clock = clock
        self._seconds = seconds
        self._held: dict[str, str] = {}

    async def claim(self, limit: int) -> list[str]:
        """Return the ids of up to `limit` due feeds that are now ours."""
        now = self._clock().timestamp()
        ids = await self._together.run(_CLAIM, [self._names.feeds_due], [now, now + self._seconds, limit])
        # What somebody makes due while we poll it is ours already; the poll's end says when it is due again.
        return [feed_id for feed_id in (raw.decode() for raw in ids) if feed_id not in self._held]

    @contextmanager
    def holding(self, feed: Feed) -> Iterator[None]:
        """Keep a claimed feed ours, and its host while we are there, for as long as the block takes."""
        self._held[feed.id] = feed.host
        try:
            yield
        finally:
            del self._held[feed.id]

    async def keep(self) -> None:
        """Renew what is held, again and again. What is no more held when it is its turn is never renewed."""
        while True:
            await asyncio.sleep(min(self._seconds, HOST_LEASE_SECONDS) / 3)
            with suppress(RedisError):
                await self.renew()

    async def renew(self) -> None:
        """Renew what is held."""
        if self._held:
            now = self._clock().timestamp()
            hosts = [self._names.host(host) for host in self._held.values()]
            ends = [now + self._seconds, now + HOST_LEASE_SECONDS]
            await self._together.run(_KEEP, [self._names.feeds_due, *hosts], [*ends, *self._held])
