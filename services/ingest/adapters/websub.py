"""Ask hubs to push what is new."""

import secrets
from collections.abc import Callable
from datetime import datetime

import structlog

from services.ingest.adapters.fetcher import Fetcher, FetchError
from services.ingest.core.entry import Hints
from services.ingest.core.feed import Feed
from services.ingest.core.websub import LEASE, pick_hub, should_ask, was_missed
from shared.bus import Bus
from shared.push import Push, callback, change_push, load_push

log = structlog.get_logger()


class Hubs:
    """Keeps the subscriptions of feeds at their hubs. `public_url` is where hubs can reach api."""

    def __init__(self, fetcher: Fetcher, bus: Bus, public_url: str, clock: Callable[[], datetime]) -> None:
        self._fetcher = fetcher
        self._bus = bus
        self._public_url = public_url
        self._clock = clock

    async def load(self, feed: Feed) -> Push | None:
        """Return the feed's subscription, None if it has none."""
        return await load_push(self._bus.redis, self._bus.names, feed.id)

    async def keep(self, feed: Feed, hints: Hints, push: Push | None) -> None:
        """Subscribe at the hub that the feed announces, or renew, if it is time to. A hub that fails costs nothing."""
        hub, now = pick_hub(hints.hubs), self._clock()
        topic = hints.self_url or feed.url
        if hub is None or not should_ask(push, hub, topic, now):
            return
        if push and push.is_active(now) and (push.hub, push.topic) == (hub, topic):
            await self._write(feed, asked=now)
        else:
            push = Push(hub, topic, secrets.token_urlsafe(32), secrets.token_urlsafe(16), "asked", now)
            await self._write(
                feed, hub=hub, topic=topic, secret=push.secret, key=push.key, state="asked", asked=now
            )
        try:
            # Written before it is sent: the hub may ask back before it answers.
            await self._fetcher.post(hub, self._wish(feed, push))
            self._bus.counters.add("websub_asked")
        except FetchError as e:
            log.warning("hub not subscribed", feed=feed.name, hub=hub, reason=e.reason)
            if push.state == "asked":
                await self._write(feed, state="failed")

    async def drop_if_it_missed(self, feed: Feed, push: Push | None, published: tuple[datetime, ...]) -> bool:
        """Return whether push was given up, because a poll found what the hub had not sent."""
        if push is None or not was_missed(push, published, self._clock()):
            return False
        log.warning("push given up: a poll found what the hub had left out", feed=feed.name, hub=push.hub)
        self._bus.counters.add("websub_dropped")
        await self._write(feed, state="dropped", asked=self._clock())
        return True

    def _wish(self, feed: Feed, push: Push) -> dict[str, str]:
        return {
            "hub.mode": "subscribe",
            "hub.topic": push.topic,
            "hub.callback": callback(self._public_url, feed.id, push.key),
            "hub.lease_seconds": str(int(LEASE.total_seconds())),
            "hub.secret": push.secret,
        }

    async def _write(self, feed: Feed, **changes: str | datetime) -> None:
        await change_push(self._bus.redis, self._bus.names, feed.id, **changes)
