"""Add and remove feeds: in Redis, for feeds.toml is the operator's file, and may be on another machine."""

import json

from services.api.core.feed_health import FeedHealth, read_feed
from services.api.core.new_feed import NewFeed
from services.api.core.problem import Conflict, FieldError, Invalid, NotFound
from shared.address_guard import AddressGuard, ForbiddenURL
from shared.bus import Bus
from shared.feeds import feed_id
from shared.setting_shapes import Network


class FeedDesk:
    """Takes in wishes for feeds. ingest follows within seconds."""

    def __init__(self, bus: Bus, *, allow: tuple[Network, ...]) -> None:
        self._redis = bus.redis
        self._names = bus.names
        self._guard = AddressGuard(allow)

    async def add(self, wish: NewFeed) -> FeedHealth:
        """Return the feed as it is listed from now on; raise Invalid or Conflict."""
        try:
            self._guard.check_url(wish.url)
        except ForbiddenURL as e:
            raise Invalid([FieldError("url", str(e))]) from e
        new_id = feed_id(wish.url)
        row = json.dumps(wish.model_dump(exclude_defaults=True))
        if await self._redis.hexists(self._names.feeds, new_id):
            raise Conflict("this feed is watched already")
        if not await self._redis.hsetnx(self._names.feeds_added, new_id, row):
            raise Conflict("this feed was added already")
        return read_feed({**wish.model_dump(), "id": new_id}, {})

    async def remove(self, gone_id: str) -> None:
        """End the watching of a feed that was added here; raise NotFound or Conflict."""
        if await self._redis.hdel(self._names.feeds_added, gone_id):
            return
        if await self._redis.hexists(self._names.feeds, gone_id):
            raise Conflict("this feed is in feeds.toml: `tocsin feeds remove` takes it out there")
        raise NotFound("there is no feed of that id")
