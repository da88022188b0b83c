"""Poll one feed: fetch -> parse -> publish what is new -> remember."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import structlog

from services.ingest.adapters.feed_state import FeedStates
from services.ingest.adapters.fetcher import Fetched, Fetcher, FetchError, Validators
from services.ingest.adapters.parser import ParseError, Parser
from services.ingest.adapters.publisher import Published, Publisher
from services.ingest.core.change import day_of
from services.ingest.core.feed import Feed
from services.ingest.core.health import FeedState, after_failure, after_reading, after_success
from services.ingest.core.pace import Wishes, next_poll
from shared.bus import Bus

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PollOutcome:
    """What a poll came to. `error` is in plain words and set only if it failed."""

    feed_id: str
    result: Literal["read", "unchanged", "failed"]
    next_poll: datetime
    new: int = 0
    changed: int = 0
    error: str | None = None


class Poller:
    """Polls feeds, many at a time if asked to.

    `minimum` is the least time between two polls of a feed, in seconds; `clock` gives UTC; `random` 0 to 1.
    """

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        parser: Parser,
        states: FeedStates,
        bus: Bus,
        minimum: float,
        clock: Callable[[], datetime],
        random: Callable[[], float],
    ) -> None:
        self._fetcher = fetcher
        self._parser = parser
        self._states = states
        self._publisher = Publisher(states, bus)
        self._counters = bus.counters
        self._minimum = minimum
        self._clock = clock
        self._random = random

    async def poll(self, feed: Feed) -> PollOutcome:
        """Return what a poll came to; a feed that cannot be fetched or read is an outcome, not an error.

        Errors of Redis are raised: nothing is remembered then, and the next poll does it all again.
        """
        state = await self._states.load(feed.id)
        try:
            fetched = await self._fetcher.fetch(feed, Validators(state.etag, state.last_modified))
            return await self._take_in(feed, state, fetched)
        except FetchError as e:
            self._counters.add("fetch_errors", kind=e.kind)
            wishes = Wishes(feed.interval, retry_after=e.retry_after)
            return await self._fail(feed, state, e.reason, e.status, wishes)
        except ParseError as e:
            self._counters.add("parse_errors")
            return await self._fail(feed, state, e.reason, None, Wishes(feed.interval))

    async def _take_in(self, feed: Feed, state: FeedState, fetched: Fetched) -> PollOutcome:
        now = self._clock()
        body_hash = state.body_hash if fetched.status == 304 else _body_hash(feed, fetched.body, now)
        is_known = body_hash == state.body_hash
        after, told = (state, Published()) if is_known else await self._read(feed, state, fetched, now)
        # Only here, when all is published: after a crash before this line the next poll reads it all again.
        after = replace(
            after_success(after, now, status=fetched.status, published=told.new + told.changed),
            etag=fetched.validators.etag,
            last_modified=fetched.validators.last_modified,
            body_hash=body_hash,
        )
        due = await self._remember(feed, after, Wishes(feed.interval, max_age=fetched.max_age))
        self._say_how_it_went(feed, state, told)
        return PollOutcome(feed.id, "unchanged" if is_known else "read", due, told.new, told.changed)

    async def _read(
        self, feed: Feed, state: FeedState, fetched: Fetched, now: datetime
    ) -> tuple[FeedState, Published]:
        reading = await self._parser.read(fetched.body, fetched.content_type, fetched.url, feed, now)
        told = await self._publisher.publish(feed.id, reading.reports, now)
        if state.read_day is not None and state.read_day < day_of(now):
            present = {report.id for report in reading.reports}
            await self._publisher.forget_old(feed.id, present, now, state.read_day)
        if reading.notes:
            self._counters.add("documents_mended")
        return after_reading(
            state, now, title=reading.title, entries=len(reading.reports), notes=reading.notes
        ), told

    async def _fail(
        self, feed: Feed, state: FeedState, reason: str, status: int | None, wishes: Wishes
    ) -> PollOutcome:
        after = after_failure(state, self._clock(), reason=reason, status=status)
        due = await self._remember(feed, after, wishes)
        self._counters.add("polls", result="failed")
        # Once, and again only when it is something else: a feed may stay bad for months.
        if reason != state.last_error:
            log.warning("feed failed", feed=feed.name, url=feed.url, reason=reason, next_poll=due.isoformat())
        return PollOutcome(feed.id, "failed", due, error=reason)

    async def _remember(self, feed: Feed, state: FeedState, wishes: Wishes) -> datetime:
        due = next_poll(self._clock(), self._minimum, wishes, failures=state.failures, jitter=self._random())
        await self._states.save(feed.id, replace(state, next_poll=due))
        return due

    def _say_how_it_went(self, feed: Feed, before: FeedState, told: Published) -> None:
        self._counters.add("polls", result="ok")
        if not before.is_well:
            log.info("feed is well again", feed=feed.name, url=feed.url)
        if told.new or told.changed:
            log.info("published", feed=feed.name, new=told.new, changed=told.changed)


def _body_hash(feed: Feed, body: bytes, now: datetime) -> str:
    """sha256(body): an equal document is not read twice. A sample counts as another one each day."""
    day = f"{now:%Y-%m-%d}" if feed.sample else ""
    return hashlib.sha256(body + day.encode()).hexdigest()
