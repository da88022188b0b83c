"""Keep what is known of feeds in Redis: state, pace, and which entries were seen."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError

from services.ingest.core.feed import Feed
from services.ingest.core.health import FeedState
from shared.names import Names
from shared.redis_client import RedisClient

LEASE_SECONDS = 30.0
KEPT_AFTER_REMOVAL = 30 * 86400

# A claimed feed is due again when the lease is over: a process that dies gives back what it held.
# KEYS: due   ARGV: now, now + lease, limit
_CLAIM = """
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do redis.call('ZADD', KEYS[1], ARGV[2], id) end
return ids
"""

# Only if nobody published meanwhile: an old mark put back would make a known revision look new.
# KEYS: seen   ARGV: field, expected, mark, field, expected, mark...
_RENEW = """
for i = 1, #ARGV, 3 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  end
end
return 1
"""

_MOMENTS = ("last_poll", "last_success", "last_new", "next_poll")
_NUMBERS = ("entries", "read_day", "failures", "last_status")
_CHUNK = 1000


class FeedStates:
    """The feeds of one installation, in Redis. `redis` gives bytes."""

    def __init__(self, redis: RedisClient, names: Names) -> None:
        self._redis = redis
        self._names = names
        self._claim = redis.register_script(_CLAIM)
        self._renew = redis.register_script(_RENEW)

    async def sync(self, feeds: Iterable[Feed], now: datetime) -> None:
        """Make the installation's feeds these: new ones become due, those gone are polled no more.

        What is known of a feed that is gone is kept for 30 days: coming back, it is not told anew.
        """
        wanted = {feed.id: feed for feed in feeds}
        known = {_text(feed_id) for feed_id in await self._redis.hkeys(self._names.feeds)}
        for feed_id in known - wanted.keys():
            await self._remove(feed_id)
        for feed in wanted.values():
            await self._add(feed, now)

    async def _add(self, feed: Feed, now: datetime) -> None:
        await self._redis.hset(self._names.feeds, feed.id, feed.model_dump_json())
        if not feed.enabled:
            await self._redis.zrem(self._names.feeds_due, feed.id)
            return
        await self._redis.persist(self._names.feed(feed.id))
        await self._redis.persist(self._names.seen(feed.id))
        known = await self.load(feed.id)
        due = known.next_poll.timestamp() if known.next_poll else now.timestamp()
        await self._redis.zadd(self._names.feeds_due, {feed.id: due}, nx=True)

    async def _remove(self, feed_id: str) -> None:
        pipe = self._redis.pipeline()
        pipe.zrem(self._names.feeds_due, feed_id)
        pipe.hdel(self._names.feeds, feed_id)
        pipe.expire(self._names.feed(feed_id), KEPT_AFTER_REMOVAL)
        pipe.expire(self._names.seen(feed_id), KEPT_AFTER_REMOVAL)
        await pipe.execute()

    async def known(self) -> list[Feed]:
        """Return the feeds of the installation, as ingest last read its list, in the order of their names."""
        rows = await self._redis.hvals(self._names.feeds)
        return sorted(map(_feed, rows), key=lambda feed: feed.name.casefold())

    async def poll_soon(self, feed_id: str, now: datetime) -> None:
        """Make a feed due now; whichever ingest process is free polls it."""
        await self._redis.zadd(self._names.feeds_due, {feed_id: now.timestamp()}, xx=True)

    async def claim(self, now: datetime, limit: int, lease: float = LEASE_SECONDS) -> list[str]:
        """Return the ids of up to `limit` due feeds that are now ours for `lease` seconds."""
        moment = now.timestamp()
        ids = await self._claim(keys=[self._names.feeds_due], args=[moment, moment + lease, limit])
        return [_text(feed_id) for feed_id in ids]

    @asynccontextmanager
    async def holding(self, feed_id: str, clock: Callable[[], datetime], lease: float) -> AsyncIterator[None]:
        """Keep a claimed feed ours for as long as the block takes: a lease that is renewed in time."""
        renewing = asyncio.create_task(self._renew_lease(feed_id, clock, lease))
        try:
            yield
        finally:
            renewing.cancel()

    async def _renew_lease(self, feed_id: str, clock: Callable[[], datetime], lease: float) -> None:
        while True:
            await asyncio.sleep(lease / 3)
            with suppress(RedisError):
                # GT: a poll that has just ended has put the feed further into the future.
                await self._redis.zadd(
                    self._names.feeds_due, {feed_id: clock().timestamp() + lease}, xx=True, gt=True
                )

    async def load(self, feed_id: str) -> FeedState:
        """Return what is known of a feed; an empty state if nothing is."""
        return _from_hash(await self._redis.hgetall(self._names.feed(feed_id)))

    async def save(self, feed_id: str, state: FeedState) -> None:
        """Keep the state, and make the feed due at its `next_poll` unless it was removed meanwhile."""
        key = self._names.feed(feed_id)
        pipe = self._redis.pipeline()
        pipe.delete(key)
        pipe.hset(key, mapping=_to_hash(state))
        if state.next_poll:
            pipe.zadd(self._names.feeds_due, {feed_id: state.next_poll.timestamp()}, xx=True)
        await pipe.execute()

    async def marks(self, feed_id: str, report_ids: list[str]) -> dict[str, bytes]:
        """Return the marks of those reports that were seen before."""
        if not report_ids:
            return {}
        found = await self._redis.hmget(self._names.seen(feed_id), report_ids)
        return {
            report: _raw(mark) for report, mark in zip(report_ids, found, strict=True) if mark is not None
        }

    async def all_marks(self, feed_id: str) -> dict[str, bytes]:
        """Return every mark of a feed."""
        found = await self._redis.hgetall(self._names.seen(feed_id))
        return {_text(report): _raw(mark) for report, mark in found.items()}

    async def renew(self, feed_id: str, changes: Mapping[str, tuple[bytes, str]]) -> None:
        """Replace marks, given as id -> (expected, new), where they still are as expected."""
        args = [part for report, (expected, mark) in changes.items() for part in (report, expected, mark)]
        for start in range(0, len(args), 3 * _CHUNK):
            await self._renew(keys=[self._names.seen(feed_id)], args=args[start : start + 3 * _CHUNK])

    async def forget(self, feed_id: str, report_ids: Collection[str]) -> None:
        """Drop marks."""
        if report_ids:
            await self._redis.hdel(self._names.seen(feed_id), *report_ids)


def _feed(row: bytes) -> Feed:
    fields = json.loads(row)
    fields.pop("id", None)  # computed from the url
    return Feed(**fields)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _raw(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _to_hash(state: FeedState) -> dict[Any, Any]:
    values = {name: value for name, value in asdict(state).items() if value is not None}
    values["notes"] = json.dumps(values["notes"])
    return {name: _written(value) for name, value in values.items()}


def _written(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _from_hash(found: Mapping[Any, Any]) -> FeedState:
    values: dict[str, Any] = {_text(name): _text(value) for name, value in found.items()}
    known = {name: values[name] for name in FeedState.__dataclass_fields__ if name in values}
    for name in known.keys() & set(_NUMBERS):
        known[name] = int(known[name])
    for name in known.keys() & set(_MOMENTS):
        known[name] = datetime.fromisoformat(known[name]).astimezone(UTC)
    if "notes" in known:
        known["notes"] = tuple(json.loads(known["notes"]))
    return FeedState(**known)
