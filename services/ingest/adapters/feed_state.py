"""Keep what is known of feeds in Redis: state, when they are due, and turns at their hosts."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import TypeAdapter

from services.ingest.adapters.leases import HOST_LEASE_SECONDS
from services.ingest.core.feed import Feed
from services.ingest.core.health import FeedState
from services.ingest.core.pace import LONGEST_WAIT, host_pause
from shared.names import Names
from shared.redis_client import RedisClient, at_once
from shared.together import Together, script

KEPT_AFTER_REMOVAL = 30 * 86400
HOST_PAUSE_SECONDS = 1.0
# A poll whose turn at the host is further away than this gives its place to another feed.
TURN_PATIENCE = 2.0

# Whether a feed may be asked now; if so it is written down before the request is made, for no crash may make us
# ask twice. Turns at a host are handed out by time, a pause apart, to whichever process comes; while it takes long
# over an answer, the others do not wait for it.
# KEYS: feed, host   ARGV: now, minimum, feed id, pause, patience, host ('' for none), lease at the host
# Returns: verdict, seconds to wait or moment to come back, state as a flat list
_BEGIN = script(
    """
local now, asked = tonumber(ARGV[1]), redis.call('HGET', KEYS[1], 'asked')
if asked and tonumber(asked) > now + 60 then
  -- The clock has gone back. When it was asked nobody knows: a whole pause from now is on the safe side.
  asked = ARGV[1]
  redis.call('HSET', KEYS[1], 'asked', asked)
  redis.call('HDEL', KEYS[1], 'next_poll')
  redis.call('HDEL', KEYS[2], 'next', 'turn:' .. ARGV[3], 'busy', 'busy_by', 'busy_until')
end
local state = redis.call('HGETALL', KEYS[1])
local allowed = asked and tonumber(asked) + tonumber(ARGV[2]) or 0
if allowed > now then return {'early', tostring(allowed), state} end
local turn = now
if ARGV[6] ~= '' then
  local own, patience = 'turn:' .. ARGV[3], tonumber(ARGV[5])
  local known = redis.call('HMGET', KEYS[2], 'blocked', 'next', own, 'busy', 'busy_until')
  local blocked, next = tonumber(known[1] or 0), tonumber(known[2] or 0)
  if blocked > now then return {'blocked', tostring(blocked), state} end
  local is_busy = tonumber(known[5] or 0) > now
  if is_busy and now - tonumber(known[4] or 0) > patience then return {'busy', tostring(now + patience), state} end
  turn = tonumber(known[3] or 0)
  local is_new = turn < now - 60
  if is_new then turn = math.max(now, next) end
  if turn - now > patience then
    if is_new then redis.call('HSET', KEYS[2], own, string.format('%.3f', turn)) end
  elseif known[3] then
    redis.call('HDEL', KEYS[2], own)
  end
  if is_new then
    redis.call('HSET', KEYS[2], 'next', string.format('%.3f', turn + tonumber(ARGV[4])))
    local left = math.ceil(turn - now) + 120
    if redis.call('TTL', KEYS[2]) < left then redis.call('EXPIRE', KEYS[2], left) end
  end
  if turn - now > patience then return {'turn', tostring(turn), state} end
  if not is_busy then
    local start = math.max(now, turn)
    redis.call('HSET', KEYS[2], 'busy', string.format('%.3f', start), 'busy_by', ARGV[3],
      'busy_until', string.format('%.3f', start + tonumber(ARGV[7])))
  end
end
redis.call('HSET', KEYS[1], 'asked', string.format('%.3f', math.max(now, turn)))
return {'go', tostring(math.max(0, turn - now)), state}
"""
)

# KEYS: host   ARGV: now, seconds to keep the count of strikes
_STRIKE = script(
    """
local strikes = redis.call('HINCRBY', KEYS[1], 'strikes', 1)
redis.call('EXPIRE', KEYS[1], ARGV[1])
return strikes
"""
)

# One script, for a transaction of several commands costs three times as much to send.
# KEYS: feed, due, host   ARGV: feed id, next poll or '', host or '', how many fields and values, these, fields gone
_SAVE = script(
    """
local last = 4 + tonumber(ARGV[4])
if last > 4 then redis.call('HSET', KEYS[1], unpack(ARGV, 5, last)) end
if last < #ARGV then redis.call('HDEL', KEYS[1], unpack(ARGV, last + 1)) end
if ARGV[2] ~= '' then redis.call('ZADD', KEYS[2], 'XX', ARGV[2], ARGV[1]) end
if ARGV[3] ~= '' then redis.call('HDEL', KEYS[3], 'busy', 'busy_by', 'busy_until') end
return 1
"""
)

T = TypeVar("T")
_STATES = TypeAdapter(FeedState)
_NAMES = tuple(one.name for one in fields(FeedState))
_NESTED = frozenset(one.name for one in fields(FeedState) if is_dataclass(one.default_factory)) | {"notes"}
_CHUNK = 1000
# Everybody who lists feeds may read what is in Redis; the id is computed from the url.
_LEFT_OUT = {"id", "headers", "username", "password"}


class Begun(NamedTuple):
    """What is known of a feed, and whether it may be asked now.

    `go`: after `wait` seconds; else not before `later`, for it was asked just now (early), its host has had enough
    of us (blocked) or takes long over another feed (busy), or other feeds are before it there (turn).
    """

    state: FeedState
    verdict: Literal["go", "early", "blocked", "busy", "turn"]
    wait: float = 0.0
    later: datetime | None = None


class FeedStates:
    """The feeds of one installation, in Redis. `redis` gives bytes."""

    def __init__(self, redis: RedisClient, names: Names, *, host_pause: float = HOST_PAUSE_SECONDS) -> None:
        self._redis = redis
        self._names = names
        self._host_pause = host_pause
        self.together = Together(redis)

    async def sync(self, feeds: Iterable[Feed], now: datetime) -> None:
        """Make the installation's feeds these: new ones become due, those gone are polled no more.

        What is known of a feed that is gone is kept for 30 days: coming back, it is not told anew.
        """
        wanted = {feed.id: feed for feed in feeds}
        known = {feed_id.decode() for feed_id in await self._redis.hkeys(self._names.feeds)}
        for gone in _chunks(sorted(known - wanted.keys())):
            await self._remove(gone)
        for listed in _chunks(list(wanted.values())):
            await self._add(listed, now)

    async def are_listed(self) -> bool:
        """Return whether Redis knows of any feed."""
        return bool(await self._redis.exists(self._names.feeds))

    async def _add(self, feeds: Sequence[Feed], now: datetime) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for feed in feeds:
            pipe.hget(self._names.feed(feed.id), "next_poll")
        due = await pipe.execute()
        pipe = self._redis.pipeline(transaction=False)
        for feed, moment in zip(feeds, due, strict=True):
            pipe.hset(self._names.feeds, feed.id, feed.model_dump_json(exclude=_LEFT_OUT))
            if not feed.enabled:
                pipe.zrem(self._names.feeds_due, feed.id)
                continue
            for key in (self._names.feed(feed.id), self._names.seen(feed.id)):
                pipe.persist(key)
            when = datetime.fromisoformat(moment.decode()) if moment else now
            pipe.zadd(self._names.feeds_due, {feed.id: when.timestamp()}, nx=True)
        await pipe.execute()

    async def _remove(self, feed_ids: Sequence[str]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        pipe.zrem(self._names.feeds_due, *feed_ids)
        pipe.hdel(self._names.feeds, *feed_ids)
        for feed_id in feed_ids:
            # Its hub is answered that there is nobody.
            pipe.delete(self._names.push(feed_id))
            for key in (self._names.feed(feed_id), self._names.seen(feed_id)):
                pipe.expire(key, KEPT_AFTER_REMOVAL)
        await pipe.execute()

    async def after_the_clock_went_back(self, now: datetime) -> int:
        """Make due what was asked in the future, for its next poll is as far ahead; return how many feeds."""
        later = await self._redis.zrangebyscore(self._names.feeds_due, f"({now.timestamp()}", "+inf")
        ahead: list[bytes] = []
        for ids in _chunks(later):
            pipe = self._redis.pipeline(transaction=False)
            for feed_id in ids:
                pipe.hget(self._names.feed(feed_id.decode()), "asked")
            asked = zip(ids, await pipe.execute(), strict=True)
            ahead += [feed_id for feed_id, moment in asked if float(moment or 0) > now.timestamp() + 60]
        if ahead:
            await self._redis.zadd(self._names.feeds_due, dict.fromkeys(ahead, now.timestamp()), xx=True)
        return len(ahead)

    async def known(self) -> list[Feed]:
        """Return the feeds of the installation, as ingest last read its list, in the order of their names."""
        rows = await self._redis.hvals(self._names.feeds)
        return sorted(map(Feed.model_validate_json, rows), key=lambda feed: feed.name.casefold())

    async def poll_soon(self, feed_id: str, now: datetime) -> None:
        """Make a feed due now; whichever ingest process is free polls it."""
        await self._redis.zadd(self._names.feeds_due, {feed_id: now.timestamp()}, xx=True)

    async def due_at(self, feed_id: str) -> datetime | None:
        """Return when a feed is due, or when whoever polls it now has to be done; None if it is not polled."""
        moment = await self._redis.zscore(self._names.feeds_due, feed_id)
        return None if moment is None else datetime.fromtimestamp(float(moment), UTC)

    async def begin(self, feed_id: str, host: str, now: datetime, minimum: float) -> Begun:
        """Return what is known of a feed, and whether it may be asked now; `go` is a promise to ask it.

        `minimum` is the least time between two requests, in seconds. `host` is empty for a file.
        """
        verdict, number, flat = await self.together.run(
            _BEGIN,
            keys=[self._names.feed(feed_id), self._names.host(host)],
            args=[
                now.timestamp(),
                minimum,
                feed_id,
                self._host_pause,
                TURN_PATIENCE,
                host,
                HOST_LEASE_SECONDS,
            ],
        )
        state = _from_hash(dict(zip(flat[::2], flat[1::2], strict=True)))
        word: Any = verdict.decode()
        if word == "go":
            return Begun(state, word, wait=float(number))
        return Begun(state, word, later=datetime.fromtimestamp(float(number), UTC))

    async def allow(self, feed_id: str, when: datetime, minimum: float) -> None:
        """Let a feed be asked from `when` on, also if that is less than `minimum` seconds after the last time."""
        await self._redis.hset(self._names.feed(feed_id), "asked", int(when.timestamp() - minimum))

    async def leave_host_alone(self, host: str, now: datetime, retry_after: float | None) -> datetime:
        """Return until when no feed of a host is asked; `retry_after` is in seconds, if the host said so."""
        key = self._names.host(host)
        strikes = await self.together.run(_STRIKE, keys=[key], args=[int(LONGEST_WAIT)])
        pause = host_pause(retry_after, int(strikes))
        until = now.timestamp() + pause
        life = int(max(pause, LONGEST_WAIT)) + 1
        await at_once(self._redis, ("HSET", key, "blocked", until), ("EXPIRE", key, life))
        return datetime.fromtimestamp(until, UTC)

    async def load(self, feed_id: str) -> FeedState:
        """Return what is known of a feed; an empty state if nothing is."""
        return _from_hash(await self._redis.hgetall(self._names.feed(feed_id)))

    async def save(
        self,
        feed_id: str,
        state: FeedState,
        before: FeedState = FeedState(),
        *,
        host: str = "",
        polled: bool = True,
    ) -> None:
        """Keep what differs from `before`; a feed that was polled is due at its `next_poll`, unless it was removed.

        Two who change different things of a feed at the same time do not undo each other's. `host` has answered.
        """
        written, gone = _differences(state, before)
        due = state.next_poll.timestamp() if polled and state.next_poll else ""
        flat = [part for pair in written.items() for part in pair]
        await self.together.run(
            _SAVE,
            keys=[self._names.feed(feed_id), self._names.feeds_due, self._names.host(host)],
            args=[feed_id, due, host, len(flat), *flat, *gone],
        )


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """No command or pipeline is longer: others wait for Redis too."""
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))


def _differences(state: FeedState, before: FeedState) -> tuple[dict[Any, Any], list[str]]:
    """The fields to write and those to remove; `health` is the event's, and written with it."""
    changed = [name for name in _NAMES if name != "health" and getattr(state, name) != getattr(before, name)]
    plain: dict[str, Any] = _STATES.dump_python(state, mode="json", include=set(changed))
    written = {
        name: json.dumps(value) if name in _NESTED else value
        for name, value in plain.items()
        if value is not None
    }
    return written, [name for name in changed if plain[name] is None]


def _from_hash(found: Mapping[Any, Any]) -> FeedState:
    values: dict[str, Any] = {name.decode(): value.decode() for name, value in found.items()}
    known = {name: values[name] for name in _NAMES if name in values}
    for name in known.keys() & _NESTED:
        known[name] = json.loads(known[name])
    return _STATES.validate_python(known)
