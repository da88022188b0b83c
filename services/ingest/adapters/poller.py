"""Poll one feed: ask whether it may be -> fetch -> parse -> publish what is new -> remember."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import structlog

from services.ingest.adapters.articles import Articles
from services.ingest.adapters.feed_state import Begun, FeedStates
from services.ingest.adapters.fetcher import Fetched, Fetcher, FetchError, Validators
from services.ingest.adapters.handover import take_over
from services.ingest.adapters.health_news import tell_health
from services.ingest.adapters.leases import HOST_LEASE_SECONDS
from services.ingest.adapters.marks import Marks
from services.ingest.adapters.parser import Parser
from services.ingest.adapters.publisher import Published, Publisher
from services.ingest.adapters.websub import Hubs
from services.ingest.core import moving, trust
from services.ingest.core.change import KEPT_DAYS, Horizon, day_of
from services.ingest.core.entry import UnreadableDocument
from services.ingest.core.feed import Feed
from services.ingest.core.health import FeedState, after_failure, after_success, diagnose
from services.ingest.core.pace import SPREAD_SECONDS, Limits, Wishes, next_poll, pace, retry_wait
from services.ingest.core.rhythm import gap_now, learned, rhythm_of
from services.ingest.core.websub import pushed_pace
from shared.bus import Bus
from shared.push import Push

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PollOutcome:
    """What a poll came to. `error` is in plain words and set only if it failed.

    waiting: it was not asked, because it was asked just now, or its host wants to be left alone for a while.
    """

    result: Literal["read", "unchanged", "failed", "waiting"]
    next_poll: datetime
    new: int = 0
    changed: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Poll:
    """One poll as it goes on: what was known before, and how the feed is asked."""

    feed: Feed
    before: FeedState
    validators: Validators
    probe: bool


@dataclass(kw_only=True)
class Poller:
    """Polls feeds, many at a time if asked to.

    `clock` gives UTC; `random` 0 to 1. `recent_days` is how old a report may be that is told of a feed read for the
    first time. `probing` says whether servers that never proved honest are asked without conditions now and then.
    """

    fetcher: Fetcher
    parser: Parser
    states: FeedStates
    bus: Bus
    limits: Limits
    clock: Callable[[], datetime]
    random: Callable[[], float]
    recent_days: float = 7
    probing: bool = True
    hubs: Hubs | None = None

    def __post_init__(self) -> None:
        marks = Marks(self.states.together, self.bus.names)
        self._publisher = Publisher(marks, self.bus, Articles(self.fetcher, self.parser))
        self._recent = timedelta(days=self.recent_days)

    async def poll(self, feed: Feed) -> PollOutcome:
        """Return what a poll came to; a feed that cannot be fetched or read is an outcome, not an error.

        Errors of Redis are raised: nothing is remembered then, and the next poll does it all again.
        """
        begun = await self.states.begin(feed.id, feed.host, self.clock(), self.limits.minimum)
        if begun.later:
            return await self._put_off(feed, begun, begun.later)
        await asyncio.sleep(begun.wait)
        poll = self._prepare(feed, begun.state)
        try:
            return await self._take_in(poll, await self._fetch(poll))
        except FetchError as e:
            self.bus.counters.add("fetch_errors", kind=e.kind)
            not_before = await self._heed(feed, e)
            return await self._fail(poll, e, not_before)
        except UnreadableDocument as e:
            self.bus.counters.add("parse_errors")
            return await self._fail(poll, FetchError(e.reason, fault="document"), announced=e.announced)

    async def _fetch(self, poll: _Poll) -> Fetched:
        if poll.before.last_poll is None:
            handed = await take_over(self.states.together, self.bus.names, poll.feed.id)
            if handed:
                return handed
        return await self.fetcher.fetch(poll.feed, poll.validators, poll.before.where.address)

    async def take_pushed(self, feed: Feed, body: bytes, content_type: str | None) -> Published:
        """Return what was published of a document that a hub has sent; raise UnreadableDocument.

        It may hold the new entries only, so what it says of the feed as a whole is not kept.
        """
        now = self.clock()
        state = await self.states.load(feed.id)
        reading = await self.parser.read(body, content_type, feed.url, feed, now)
        told = await self._publisher.publish(feed, reading.drafts, now, self._horizon(feed, state, now))
        after = replace(state, last_push=now, last_new=now if told.new else state.last_new)
        await self.states.save(feed.id, after, state, polled=False)
        self.bus.counters.add("websub_pushed")
        if told.new or told.changed:
            log.info("published", feed=feed.name, new=told.new, changed=told.changed, pushed=True)
        return told

    def _prepare(self, feed: Feed, state: FeedState) -> _Poll:
        now = self.clock()
        validators = Validators(state.etag, state.last_modified)
        probe = self.probing and bool(validators.headers()) and trust.is_probe_due(state.trust, now)
        if probe or state.trust.is_lost:
            validators = Validators()
        return _Poll(feed, state, validators, probe)

    async def _put_off(self, feed: Feed, begun: Begun, later: datetime) -> PollOutcome:
        spread = {"blocked": SPREAD_SECONDS, "busy": HOST_LEASE_SECONDS}.get(begun.verdict, 0)
        later += timedelta(seconds=spread * self.random())
        if begun.verdict == "early":
            later = max(later, begun.state.next_poll or later)
        await self.states.save(feed.id, replace(begun.state, next_poll=later), begun.state)
        self.bus.counters.add("polls_put_off", reason=begun.verdict)
        return PollOutcome("waiting", later)

    async def _heed(self, feed: Feed, error: FetchError) -> datetime | None:
        """Until when the host is left alone, for all feeds that it has."""
        if error.status != 429 and error.retry_after is None:
            return None
        now = self.clock()
        for host in {feed.host, error.host or feed.host}:
            until = await self.states.leave_host_alone(host, now, error.retry_after)
        return until

    async def _take_in(self, poll: _Poll, fetched: Fetched) -> PollOutcome:
        feed, now = poll.feed, self.clock()
        body_hash = poll.before.body_hash if fetched.status == 304 else _body_hash(feed, fetched.body, now)
        is_known = body_hash is not None and body_hash == poll.before.body_hash
        state, told = (poll.before, Published()) if is_known else await self._read(poll, fetched, now)
        # Only here, when all is published: after a crash before this line the next poll reads it all again.
        after = replace(
            after_success(state, now, status=fetched.status, published=told.new + told.changed),
            etag=fetched.validators.etag,
            last_modified=fetched.validators.last_modified,
            body_hash=body_hash,
            trust=trust.after_answer(poll.before.trust, _answer(poll, fetched, told), now),
            where=moving.after_answer(
                poll.before.where,
                fetched.moved_to,
                same=is_known or poll.before.is_new or told.known > 0,
                now=now,
            ),
        )
        push = await self.hubs.keep(feed, after.hints, told.dates) if self.hubs else None
        due = await self._remember(poll, after, max_age=fetched.max_age, push=push)
        self.bus.counters.add("polls", result="ok")
        if not poll.before.is_well:
            log.info("feed is well again", feed=feed.name, url=feed.url)
        if told.new or told.changed:
            log.info("published", feed=feed.name, new=told.new, changed=told.changed)
        return PollOutcome("unchanged" if is_known else "read", due, told.new, told.changed)

    async def _read(self, poll: _Poll, fetched: Fetched, now: datetime) -> tuple[FeedState, Published]:
        """The state after a document was read to the end, and what was told of it."""
        feed, state = poll.feed, poll.before
        reading = await self.parser.read(fetched.body, fetched.content_type, fetched.url, feed, now)
        told = await self._publisher.publish(feed, reading.drafts, now, self._horizon(feed, state, now))
        if state.read_day is not None and state.read_day < day_of(now):
            await self._publisher.forget_old(feed.id, told.present, now, state.read_day)
        if reading.notes:
            self.bus.counters.add("documents_mended")
        if reading.left_out and not state.left_out:
            log.warning("feed is too long", feed=feed.name, url=feed.url, reason=reading.left_out)
        shown = rhythm_of((draft.published_at for draft in reading.drafts if draft.dated), now)
        after = replace(
            state,
            title=reading.title,
            entries=len(reading.drafts),
            notes=reading.notes,
            left_out=reading.left_out,
            hints=reading.hints,
            rhythm=learned(state.rhythm, shown, now, last_new=state.last_new, new=told.new),
            read_day=day_of(now),
        )
        return after, told

    def _horizon(self, feed: Feed, state: FeedState, now: datetime) -> Horizon | None:
        if feed.sample:
            return None
        # Later on more is let through: some sources put reports up weeks late.
        known = self._recent if state.is_new else max(self._recent, timedelta(days=KEPT_DAYS))
        return Horizon(unseen=now - known, untold=now - self._recent)

    async def _fail(
        self,
        poll: _Poll,
        error: FetchError,
        not_before: datetime | None = None,
        announced: Sequence[str] = (),
    ) -> PollOutcome:
        feed, reason, kind = poll.feed, error.reason, error.kind
        after = after_failure(
            poll.before, self.clock(), reason=reason, fault=error.fault, status=error.status, kind=kind
        )
        if announced and poll.before.is_new and not poll.before.where.address:
            # The address of a site, and the site says where its feed is: the next poll asks there.
            after = replace(after, where=moving.Whereabouts(address=announced[0]))
        reached = error.fault not in ("dns", "connection")
        retry = retry_wait(self.limits, after.failures, reached=reached, new=after.is_new)
        due = await self._remember(poll, after, not_before=not_before, retry=retry)
        if retry is not None:
            await self.states.allow(feed.id, due, self.limits.minimum)
        self.bus.counters.add("polls", result="failed")
        # Once, and again only when it is something else: a feed may stay bad for months.
        if reason != poll.before.last_error:
            log.warning("feed failed", feed=feed.name, url=feed.url, reason=reason, next_poll=due.isoformat())
        return PollOutcome("failed", due, error=reason)

    async def _remember(
        self,
        poll: _Poll,
        state: FeedState,
        *,
        max_age: float | None = None,
        not_before: datetime | None = None,
        retry: float | None = None,
        push: Push | None = None,
    ) -> datetime:
        now = self.clock()
        wishes = Wishes(
            interval=poll.feed.interval,
            gap=gap_now(state.rhythm, now),
            max_age=max_age,
            hints=state.hints,
            not_before=not_before,
            conditional=_is_cheap(poll.feed, state),
            pushed=pushed_pace(push, state.last_push is not None, now),
            gone=moving.is_gone(state.where, now),
        )
        due = next_poll(now, self.limits, wishes, trouble=state.trouble, jitter=self.random(), retry=retry)
        health = diagnose(state, now)
        since = state.health_since if health.condition == state.health else now
        after = replace(
            state,
            next_poll=due,
            interval=pace(self.limits, wishes),
            wrong=health.wrong,
            advice=health.advice,
            health_since=since,
        )
        await self.states.save(poll.feed.id, after, poll.before, host=poll.feed.host)
        if health.condition != state.health:
            await tell_health(self.bus, poll.feed, after, health, now)
        return due


def _answer(poll: _Poll, fetched: Fetched, told: Published) -> trust.Answer:
    before = Validators(poll.before.etag, poll.before.last_modified)
    return trust.Answer(
        conditional=bool(poll.validators.headers()),
        probe=poll.probe,
        full=fetched.status != 304,
        same_validators=fetched.validators == before,
        news=bool(told.new or told.changed),
    )


def _is_cheap(feed: Feed, state: FeedState) -> bool:
    """Whether a poll that finds nothing new costs next to nothing."""
    return feed.is_file or (bool(state.etag or state.last_modified) and not state.trust.is_lost)


def _body_hash(feed: Feed, body: bytes, now: datetime) -> str:
    """sha256(body): an equal document is not read twice. A sample counts as another one each day."""
    day = f"{now:%Y-%m-%d}" if feed.sample else ""
    return hashlib.sha256(body + day.encode()).hexdigest()
