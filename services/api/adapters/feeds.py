"""The feeds: read with what ingest keeps of them, of which anything may be missing; added and removed in Redis, for
feeds.toml is the operator's file, and may be on another machine.
"""

import json
from collections.abc import Sequence
from typing import Any

from services.api.core.feed_health import FeedHealth, NewFeed, read_feed
from services.api.core.problem import Conflict, FieldError, Invalid, NotFound
from shared.address_guard import ForbiddenURL, check_url
from shared.bus import Bus
from shared.feeds import feed_id
from shared.setting_shapes import Network


async def read_feeds(bus: Bus) -> list[FeedHealth]:
    """Return every feed, by title: those that ingest has listed, and those added that it has not looked at yet."""
    redis, names = bus.redis, bus.names
    rows: Any = await redis.hgetall(names.feeds_added) | await redis.hgetall(names.feeds)
    pipe = redis.pipeline(transaction=False)
    for raw_id in rows:
        pipe.hgetall(names.feed(raw_id.decode()))
    states: Any = await pipe.execute()
    feeds = [_feed(raw_id, raw, state) for (raw_id, raw), state in zip(rows.items(), states, strict=True)]
    return sorted((feed for feed in feeds if feed), key=lambda feed: feed.title.casefold())


async def read_titles(bus: Bus, feed_ids: tuple[str, ...]) -> dict[str, str]:
    """Return the titles of those feeds that are there, by id."""
    if not feed_ids:
        return {}
    rows: Any = await bus.redis.hmget(bus.names.feeds, list(feed_ids))
    found = [_feed(each.encode(), raw, {}) for each, raw in zip(feed_ids, rows, strict=True) if raw]
    return {feed.id: feed.title for feed in found if feed}


def _feed(raw_id: bytes, raw: bytes, state: dict[bytes, bytes]) -> FeedHealth | None:
    known = {name.decode(): value.decode(errors="replace") for name, value in state.items()}
    try:
        return read_feed({**json.loads(raw), "id": raw_id.decode()}, known)
    except (ValueError, KeyError, TypeError):
        return None


async def add_feed(bus: Bus, wish: NewFeed, allow: Sequence[Network]) -> FeedHealth:
    """Return the feed as it is listed from now on; ingest follows within seconds. Raise Invalid or Conflict.

    `allow` are networks that feeds may be in although they are not public.
    """
    try:
        check_url(wish.url, allow)
    except ForbiddenURL as e:
        raise Invalid([FieldError("url", str(e))]) from e
    new_id = feed_id(wish.url)
    if await bus.redis.hexists(bus.names.feeds, new_id):
        raise Conflict("this feed is watched already")
    row = json.dumps(wish.model_dump(exclude_defaults=True))
    if not await bus.redis.hsetnx(bus.names.feeds_added, new_id, row):
        raise Conflict("this feed was added already")
    return read_feed({**wish.model_dump(), "id": new_id}, {})


async def remove_feed(bus: Bus, gone_id: str) -> None:
    """End the watching of a feed that was added here; raise NotFound or Conflict."""
    if await bus.redis.hdel(bus.names.feeds_added, gone_id):
        return
    if await bus.redis.hexists(bus.names.feeds, gone_id):
        raise Conflict("this feed is in feeds.toml: `tocsin feeds remove` takes it out there")
    raise NotFound("there is no feed of that id")
