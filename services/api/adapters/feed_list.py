"""Read the feeds and what ingest keeps of them. Anything may be missing."""

import json
from typing import Any

from services.api.core.feed_health import FeedHealth, read_feed
from shared.bus import Bus


async def read_feeds(bus: Bus) -> list[FeedHealth]:
    """Return every feed, by title: those that ingest has listed, and those added that it has not looked at yet."""
    redis, names = bus.redis, bus.names
    rows: Any = await redis.hgetall(names.feeds_added) | await redis.hgetall(names.feeds)
    pipe = redis.pipeline(transaction=False)
    for feed_id in rows:
        pipe.hgetall(names.feed(feed_id.decode()))
    states: Any = await pipe.execute()
    feeds = [_feed(raw_id, raw, state) for (raw_id, raw), state in zip(rows.items(), states, strict=True)]
    return sorted((feed for feed in feeds if feed), key=lambda feed: feed.title.casefold())


async def read_titles(bus: Bus, feed_ids: tuple[str, ...]) -> dict[str, str]:
    """Return the titles of those feeds that are there, by id."""
    if not feed_ids:
        return {}
    rows: Any = await bus.redis.hmget(bus.names.feeds, list(feed_ids))
    found = [_feed(feed_id.encode(), raw, {}) for feed_id, raw in zip(feed_ids, rows, strict=True) if raw]
    return {feed.id: feed.title for feed in found if feed}


def _feed(feed_id: bytes, raw: bytes, state: dict[bytes, bytes]) -> FeedHealth | None:
    known = {name.decode(): value.decode(errors="replace") for name, value in state.items()}
    try:
        return read_feed({**json.loads(raw), "id": feed_id.decode()}, known)
    except (ValueError, KeyError, TypeError):
        return None
