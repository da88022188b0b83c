"""ingest: feeds -> reports.published.v1

due feed (claimed with a lease) -> fetch -> parse (worker process) -> report -> published once, with its mark.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import structlog
from redis.exceptions import RedisError

from services.ingest.adapters.feed_list import FeedFileError, read_feed_list
from services.ingest.adapters.feed_state import FeedStates
from services.ingest.adapters.fetcher import Fetcher
from services.ingest.adapters.host_slots import HostSlots
from services.ingest.adapters.parser import Parser
from services.ingest.adapters.poller import Poller
from services.ingest.core.feed import Feed
from services.ingest.settings import IngestSettings
from shared.address_guard import AddressGuard
from shared.service import App

log = structlog.get_logger()

LOOK_SECONDS = 0.5
RELOAD_SECONDS = 10.0


def make_app(settings: IngestSettings) -> App:
    """Return the service; raise FeedFileError if the feed list is wrong."""
    app = App("ingest", settings)
    feeds = {feed.id: feed for feed in read_feed_list(settings.feeds_file)}
    fetcher = Fetcher(
        AddressGuard(settings.allow_hosts),
        HostSlots(),
        settings.contact,
        files_root=settings.feeds_file.parent,
        timeout=settings.fetch_timeout,
        max_bytes=settings.max_feed_bytes,
    )
    parser = Parser(workers=settings.parse_workers)
    states: FeedStates
    poller: Poller

    @asynccontextmanager
    async def ready() -> AsyncIterator[None]:
        nonlocal states, poller
        states = FeedStates(app.bus.redis, settings.names)
        await states.sync(feeds.values(), clock())
        log.info("feeds", known=len(feeds), enabled=sum(feed.enabled for feed in feeds.values()))
        async with fetcher, parser:
            poller = Poller(
                fetcher=fetcher,
                parser=parser,
                states=states,
                bus=app.bus,
                minimum=settings.poll_interval_min,
                clock=clock,
                random=random.random,
            )
            yield

    async def poll_what_is_due() -> None:
        async with asyncio.TaskGroup() as polls:
            free = asyncio.Semaphore(settings.poll_concurrency)
            while True:
                await free.acquire()
                feed = await _next_due(states, feeds, settings.reclaim_after)
                if feed is None:
                    free.release()
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                holding = states.holding(feed.id, clock, settings.reclaim_after)
                polls.create_task(_poll(poller, feed, holding)).add_done_callback(lambda _: free.release())

    async def follow_the_list() -> None:
        nonlocal feeds
        last = None
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            try:
                stamp = settings.feeds_file.stat().st_mtime_ns
                if last is not None and stamp != last:
                    feeds = {feed.id: feed for feed in read_feed_list(settings.feeds_file)}
                    await states.sync(feeds.values(), clock())
                    log.info("feed list read again", known=len(feeds))
                last = stamp
            except (OSError, FeedFileError, RedisError) as e:
                log.error("feed list not read again; the last good one stays", error=str(e))

    app.resource(ready)
    app.background(poll_what_is_due)
    app.background(follow_the_list)
    return app


def clock() -> datetime:
    """Return now, in UTC."""
    return datetime.now(UTC)


async def _next_due(states: FeedStates, feeds: dict[str, Feed], lease: float) -> Feed | None:
    try:
        for feed_id in await states.claim(clock(), 1, lease):
            if feed_id in feeds:
                return feeds[feed_id]
    except RedisError as e:
        log.warning("no feeds claimed for now", error=str(e))
    return None


async def _poll(poller: Poller, feed: Feed, holding: AbstractAsyncContextManager[None]) -> None:
    try:
        async with holding:
            await poller.poll(feed)
    except RedisError as e:
        # Nothing is remembered, so the lease runs out and the feed is polled again.
        log.warning("poll not kept", feed=feed.name, error=str(e))
