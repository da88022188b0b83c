"""ingest: feeds -> reports.published.v1

due feed (claimed with a lease) -> fetch -> parse (worker process) -> report -> published once, with its mark.
pushed.v1 (what WebSub hubs sent to api) -> parse -> the same way.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from redis.exceptions import RedisError

from services.ingest.adapters.clock_jumps import ClockJumps
from services.ingest.adapters.feed_list import FeedFileError, FeedLists, read_feed_list
from services.ingest.adapters.feed_state import FeedStates
from services.ingest.adapters.leases import LEASE_SECONDS, Leases
from services.ingest.adapters.one_feed import fetcher_of
from services.ingest.adapters.parser import Parser
from services.ingest.adapters.poller import Poller
from services.ingest.adapters.websub import Hubs
from services.ingest.core.entry import UnreadableDocument
from services.ingest.core.feed import Feed
from services.ingest.core.pace import Limits
from services.ingest.settings import IngestSettings
from shared import tracing
from shared.consumer import side_by_side
from shared.entries import Entry, Outcome
from shared.service import App

log = structlog.get_logger()

LOOK_SECONDS = 0.5
GATHER_SECONDS = 0.01
RELOAD_SECONDS = 10.0


def make_app(settings: IngestSettings) -> App:
    """Return the service; raise FeedFileError if the feed list is wrong."""
    app = App("ingest", settings)
    read_feed_list(settings.feeds_file)  # A wrong list is said now, and not when all is running.
    redis, names = app.bus.redis, settings.names
    fetcher = fetcher_of(settings, settings.feeds_file.parent)
    parser = Parser(workers=settings.parse_workers)
    states = FeedStates(redis, names, host_pause=settings.host_pause)
    leases = Leases(states.together, names, clock, min(settings.reclaim_after, LEASE_SECONDS))
    lists = FeedLists(settings.feeds_file, redis, states, names)
    jumps = ClockJumps()
    poller = Poller(
        fetcher=fetcher,
        parser=parser,
        states=states,
        bus=app.bus,
        limits=Limits(settings.poll_interval_min, settings.poll_interval_max),
        clock=clock,
        random=random.random,
        recent_days=settings.recent_days,
        probing=settings.probe_validators,
        hubs=Hubs(fetcher, app.bus, settings.public_url, clock) if settings.takes_pushes else None,
    )

    @asynccontextmanager
    async def ready() -> AsyncIterator[None]:
        await take_in_the_lists()
        if not settings.can_be_reached:
            log.warning("nobody who runs a feed can reach you: set TOCSIN_CONTACT_URL")
        async with fetcher, parser:
            yield

    async def poll_what_is_due() -> None:
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as polls:
            while True:
                room = settings.poll_concurrency - len(running)
                due = await _due(leases, lists.feeds, room)
                for feed in due:
                    task = polls.create_task(_poll(poller, feed, leases))
                    running.add(task)
                    task.add_done_callback(running.discard)
                await _room_or_time(running, settings.poll_concurrency, more=len(due) == room)

    async def take_in_the_lists() -> None:
        await lists.take_in(clock())
        if jumps.went_back() and (moved := await states.after_the_clock_went_back(clock())):
            log.warning("the clock has gone back", feeds_made_due=moved)

    async def follow_the_lists() -> None:
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            try:
                await take_in_the_lists()
            except (FeedFileError, RedisError) as e:
                log.error("feed list not read again; the last good one stays", error=str(e))

    async def on_pushed(entry: Entry) -> Outcome:
        feed = lists.feeds.get(entry.field("feed").decode())
        if feed and feed.enabled:
            content_type = entry.field("content_type").decode(errors="replace") or None
            try:
                with tracing.root("push", feed=feed.id):
                    await poller.take_pushed(feed, entry.field("body"), content_type)
            except UnreadableDocument as e:
                # The next poll says what there is to say of the feed.
                app.bus.counters.add("parse_errors")
                log.warning("pushed document not read", feed=feed.name, reason=e.reason)
        return Outcome([("XDEL", entry.stream, entry.id)])

    app.resource(ready)
    app.background(poll_what_is_due)
    app.background(leases.keep)
    app.background(follow_the_lists)
    app.trim(names.feed_health)  # Nobody of ours reads it, so nobody else does this.
    if settings.takes_pushes:
        app.consume(names.pushed, side_by_side(on_pushed, 4), batch=10)
    return app


def clock() -> datetime:
    """Return now, in UTC."""
    return datetime.now(UTC)


async def _due(leases: Leases, feeds: dict[str, Feed], room: int) -> list[Feed]:
    """The due feeds that are now ours, as many as there is room for."""
    if room < 1:
        return []
    try:
        return [feeds[feed_id] for feed_id in await leases.claim(room) if feed_id in feeds]
    except RedisError as e:
        log.warning("no feeds claimed for now", error=str(e))
        return []


async def _room_or_time(running: set[asyncio.Task[None]], most: int, *, more: bool) -> None:
    """Wait until there is room for more polls if more are due, until it is time to look again if not."""
    if not more:
        await asyncio.sleep(LOOK_SECONDS)
        return
    if len(running) >= most:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    # A moment longer, so that the next claim is of several feeds: each costs a question to Redis.
    await asyncio.sleep(GATHER_SECONDS)


async def _poll(poller: Poller, feed: Feed, leases: Leases) -> None:
    try:
        with leases.holding(feed), tracing.root("fetch", feed=feed.id):
            await poller.poll(feed)
    except RedisError as e:
        # Nothing is remembered, so the lease runs out and the feed is polled again.
        log.warning("poll not kept", feed=feed.name, error=str(e))
