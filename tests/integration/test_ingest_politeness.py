"""What someone who runs a feed sees of us: a server that watches, over days, restarts and bad moods.

The clock is the test's; everything else is real: the requests, the fetcher, Redis. Each "day" makes a new process of
ours in all but name: nothing is kept between polls but what is in Redis.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from aiohttp import web

from services.ingest.adapters.clock_jumps import ClockJumps
from services.ingest.adapters.feed_state import FeedStates
from services.ingest.adapters.leases import Leases
from services.ingest.adapters.parser import Parser
from services.ingest.adapters.poller import Poller
from services.ingest.core.feed import Feed
from services.ingest.core.pace import Limits
from shared.bus import Bus
from tests.polling import START, Site, local_fetcher

MINIMUM = 900.0
ALLOWED = {
    "Host", "User-Agent", "Accept", "Accept-Encoding", "If-None-Match", "If-Modified-Since",
}  # fmt: skip


class Watcher(Site):
    """A site with a feed that changes, and a list of everything that was ever asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.seen: list[tuple[datetime, web.Request]] = []
        self.version = 1
        self.items = 1
        self.refusing: dict[str, str] | None = None
        self.headers: dict[str, str] = {}

    @property
    def validators(self) -> dict[str, str]:
        # Odd on purpose: whoever parses, re-formats or unquotes them is found out.
        return {"ETag": f'W/"v{self.version}, \\"odd\\""', "Last-Modified": f"some day no. {self.version}"}

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((self.now, request))
        if self.refusing is not None:
            return web.Response(status=429, headers=self.refusing)
        cookie = {"Set-Cookie": "who=you"} | self.headers | self.validators
        if request.headers.get("If-None-Match") == self.validators["ETag"]:
            return web.Response(status=304, headers=cookie)
        date = format_datetime(START)
        items = "".join(
            f"<item><guid>{n}</guid><title>{n}</title><pubDate>{date}</pubDate></item>"
            for n in range(self.items)
        )
        return web.Response(text=f"<rss version='2.0'><channel>{items}</channel></rss>", headers=cookie)

    @property
    def times(self) -> list[datetime]:
        return [moment for moment, _ in self.seen]

    def sent(self, header: str) -> list[str | None]:
        return [request.headers.get(header) for _, request in self.seen]


class Installation:
    """Our side: what is due is polled, as ingest does it."""

    def __init__(self, bus: Bus, parser: Parser, watcher: Watcher, feed: Feed) -> None:
        self.bus, self.parser, self.watcher, self.feed = bus, parser, watcher, feed

    @asynccontextmanager
    async def process(self) -> AsyncIterator[tuple[FeedStates, Poller]]:
        states = FeedStates(self.bus.redis, self.bus.names, host_pause=0)
        await states.sync([self.feed], self.watcher.now)
        async with local_fetcher(clock=lambda: self.watcher.now) as fetcher:
            yield (
                states,
                Poller(
                    fetcher=fetcher,
                    parser=self.parser,
                    states=states,
                    bus=self.bus,
                    limits=Limits(MINIMUM),
                    clock=lambda: self.watcher.now,
                    random=lambda: 0.5,
                ),
            )

    async def claim(self, states: FeedStates) -> list[str]:
        return await Leases(states.together, self.bus.names, lambda: self.watcher.now).claim(1)

    async def live(self, span: timedelta, *, step: float = 300, restart_every: int = 7) -> None:
        """Look every `step` seconds whether the feed is due; a new process every few looks."""
        end, looks = self.watcher.now + span, 0
        while self.watcher.now < end:
            async with self.process() as (states, poller):
                for _ in range(restart_every):
                    self.watcher.now += timedelta(seconds=step)
                    looks += 1
                    if await self.claim(states):
                        await poller.poll(self.feed)


@pytest.fixture
async def ours(bus: Bus) -> AsyncIterator[Installation]:
    async with Watcher() as watcher, Parser(workers=1) as parser:
        yield Installation(bus, parser, watcher, Feed(url=watcher.url("/feed.xml?a=1")))


@pytest.fixture
def watcher(ours: Installation) -> Watcher:
    return ours.watcher


async def test_one_request_is_made_at_the_beginning(ours: Installation, watcher: Watcher) -> None:
    await ours.live(timedelta(minutes=30))
    assert [(request.method, request.path_qs) for _, request in watcher.seen] == [("GET", "/feed.xml?a=1")]


async def test_we_say_who_we_are_and_send_nothing_else(ours: Installation, watcher: Watcher) -> None:
    await ours.live(timedelta(hours=5))
    for _, request in watcher.seen:
        assert set(request.headers) <= ALLOWED
        assert request.query_string == "a=1"
        assert request.headers["User-Agent"].startswith("Tocsin/")
        assert "(+https://tocsin.example/contact)" in request.headers["User-Agent"]
        assert "gzip" in request.headers["Accept-Encoding"]


async def test_only_the_first_request_and_the_rare_probe_are_unconditional(
    ours: Installation, watcher: Watcher
) -> None:
    await ours.live(timedelta(days=14), step=1800)
    unconditional = [
        moment for moment, sent in zip(watcher.times, watcher.sent("If-None-Match"), strict=True) if not sent
    ]
    assert len(watcher.seen) > 100
    assert len(unconditional) <= 1 + 3
    assert all(later - earlier >= timedelta(days=3) for earlier, later in pairwise(unconditional))


async def test_validators_are_those_of_the_last_answer_to_the_letter(
    ours: Installation, watcher: Watcher
) -> None:
    given = []
    for _ in range(12):
        await ours.live(timedelta(hours=2))
        given.append(watcher.validators)
        # Touched, with nothing new in it; and now and then something is.
        watcher.version += 1
        watcher.items += watcher.version % 3 == 0
    sent = list(zip(watcher.sent("If-None-Match"), watcher.sent("If-Modified-Since"), strict=True))
    known = [(validators["ETag"], validators["Last-Modified"]) for validators in given]
    assert sent[0] == (None, None)
    assert set(sent[1:]) <= set(known)
    # In their order: once a newer pair was sent, an older one never is again.
    order = [known.index(pair) for pair in sent[1:]]
    assert order == sorted(order)


async def test_no_request_comes_before_the_minimum_whatever_is_restarted(
    ours: Installation, watcher: Watcher
) -> None:
    watcher.items = 40
    async with ours.process() as (states, poller):
        await poller.poll(ours.feed)
    for _ in range(120):
        watcher.now += timedelta(seconds=60)
        async with ours.process() as (states, poller):
            await states.poll_soon(ours.feed.id, watcher.now)
            if await ours.claim(states):
                await poller.poll(ours.feed)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(watcher.times)]
    assert len(gaps) >= 7
    assert min(gaps) >= MINIMUM


async def test_a_feed_that_stays_fresh_is_not_asked_before_it_is_stale(
    ours: Installation, watcher: Watcher
) -> None:
    watcher.headers = {"Cache-Control": "public, max-age=14400"}
    await ours.live(timedelta(days=2))
    gaps = [later - earlier for earlier, later in pairwise(watcher.times)]
    assert len(gaps) >= 8
    assert min(gaps) >= timedelta(hours=4)


SEVEN = START + timedelta(hours=7)


@pytest.mark.parametrize(
    ("headers", "earliest"),
    [
        ({"Retry-After": "10800"}, lambda refused: refused + timedelta(hours=3)),
        ({"Retry-After": format_datetime(SEVEN, usegmt=True)}, lambda _: SEVEN),
        ({}, lambda refused: refused + timedelta(minutes=15)),
    ],
    ids=["seconds", "date", "none"],
)
async def test_429_is_obeyed_over_restarts(
    ours: Installation,
    watcher: Watcher,
    headers: dict[str, str],
    earliest: Callable[[datetime], datetime],
) -> None:
    await ours.live(timedelta(hours=3))
    watcher.refusing = headers
    before = len(watcher.seen)
    await ours.live(timedelta(hours=1.5))
    refused = watcher.times[before]
    watcher.refusing = None
    await ours.live(timedelta(hours=6))
    assert watcher.times[before + 1] >= earliest(refused)


async def test_a_host_that_always_refuses_is_asked_less_and_less(
    ours: Installation, watcher: Watcher
) -> None:
    watcher.refusing = {}
    await ours.live(timedelta(days=3), step=1800)
    gaps = [later - earlier for earlier, later in pairwise(watcher.times)]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= timedelta(hours=6)


async def test_a_clock_that_goes_back_by_an_hour_neither_silences_a_feed_nor_makes_us_ask_too_often(
    ours: Installation, watcher: Watcher
) -> None:
    # It was wrong while the feed was asked, and is set right.
    while not watcher.seen or watcher.now - watcher.times[-1] > timedelta(minutes=10):
        await ours.live(timedelta(minutes=5), restart_every=1)
    asked = len(watcher.seen)
    watcher.now -= timedelta(hours=1)
    right = watcher.now
    async with ours.process() as (states, _):
        assert await states.after_the_clock_went_back(watcher.now) == 1
        assert await states.after_the_clock_went_back(watcher.now) == 0
    await ours.live(timedelta(minutes=40))
    assert len(watcher.seen) > asked
    # Nobody knows how long ago the last request was: a whole pause is kept.
    assert watcher.times[asked] - right >= timedelta(seconds=MINIMUM)


def test_a_clock_is_found_to_have_gone_back_once() -> None:
    wall, steady = [1000.0], [0.0]
    jumps = ClockJumps(lambda: wall[0], lambda: steady[0])
    assert jumps.went_back()  # Before we started, maybe.
    wall[0], steady[0] = 1010, 10
    assert not jumps.went_back()
    wall[0], steady[0] = 1010 - 3590, 20
    assert jumps.went_back()
    wall[0], steady[0] = 1010 - 3580, 30
    assert not jumps.went_back()
    wall[0], steady[0] = 9000, 40
    assert not jumps.went_back()
