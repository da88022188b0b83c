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

    async def keep(self, feed: Feed, hints: Hints, published: tuple[datetime, ...]) -> Push | None:
        """Return the subscription as it was before this poll, None if there was none or it has been given up.

        Given up is one whose hub has not sent what the poll found to be published. Else the hub that the feed announces
        is asked, or asked again, if it is time to; one that fails costs nothing.
        """
        hub, now = pick_hub(hints.hubs), self._clock()
        if hub is None:
            return None
        push = await load_push(self._bus.redis, self._bus.names, feed.id)
        if push and was_missed(push, published, now):
            log.warning("push given up: a poll found what the hub had left out", feed=feed.name, hub=push.hub)
            self._bus.counters.add("websub_dropped")
            await self._write(feed, state="dropped", asked=now)
            return None
        if should_ask(push, hub, hints.self_url or feed.url, now):
            await self._ask(feed, hub, hints.self_url or feed.url, push, now)
        return push

    async def _ask(self, feed: Feed, hub: str, topic: str, push: Push | None, now: datetime) -> None:
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
