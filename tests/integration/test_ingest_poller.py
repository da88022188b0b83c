"""Polling for real: a server, parse workers, Redis."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.ingest.adapters.feed_state import FeedStates
from services.ingest.adapters.fetcher import Fetcher
from services.ingest.adapters.host_slots import HostSlots
from services.ingest.adapters.leases import Leases
from services.ingest.adapters.parser import Parser
from services.ingest.adapters.poller import Poller, PollOutcome
from services.ingest.adapters.websub import Hubs
from services.ingest.core.feed import Feed
from services.ingest.core.health import FeedState
from services.ingest.core.pace import Limits
from shared.address_guard import AddressGuard
from shared.bus import Bus
from shared.entries import Marked
from shared.events import FeedHealthChanged, FeedHealthData, Report, ReportPublished
from shared.push import change_push, load_push

START = datetime(2026, 8, 4, 12, tzinfo=UTC)


class Site:
    """One feed. It answers conditional requests as it should, and keeps every request."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.items = ["<item><guid>1</guid><title>One</title></item>"]
        self.body: bytes | None = None
        self.status = 200
        self.etag: str | None = '"1"'
        self.headers: dict[str, str] = {}
        app = web.Application()
        app.router.add_get("/rss", self._handle)
        app.router.add_get("/new", self._handle)
        self.moved = False
        self.server = TestServer(app, host="127.0.0.1")

    async def _handle(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        if self.moved and request.path == "/rss":
            raise web.HTTPMovedPermanently("/new")
        validators = {"ETag": self.etag} if self.etag else {}
        if self.etag and request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304, headers=validators)
        items = "".join(self.items)
        body = f"<rss version='2.0'><channel><title>News</title>{items}</channel></rss>".encode()
        return web.Response(
            body=body if self.body is None else self.body,
            status=self.status,
            headers=validators | self.headers,
        )

    def change(self, *items: str) -> None:
        self.items = list(items)
        if self.etag:
            self.etag = f'"{len(self.requests) + 1}"'


class Bench:
    """A poller with everything it needs, and a clock that the test moves."""

    def __init__(self, bus: Bus, parser: Parser, fetcher: Fetcher, site: Site) -> None:
        self.bus, self.site, self.now = bus, site, START
        self.feed = Feed(url=str(site.server.make_url("/rss")), interval=60)
        self.states = FeedStates(bus.redis, bus.names, host_pause=0)
        self.parser, self.fetcher = parser, fetcher
        self.poller = self.poller_with()

    def poller_with(self, **options: Any) -> Poller:
        usual: dict[str, Any] = {
            "fetcher": self.fetcher,
            "parser": self.parser,
            "states": self.states,
            "bus": self.bus,
            "limits": Limits(1),
            "clock": lambda: self.now,
            "random": lambda: 0.0,
        }
        return Poller(**usual | options)

    async def health(self) -> list[FeedHealthData]:
        entries = await self.bus.redis.xrange(self.bus.names.feed_health)
        return [FeedHealthChanged.model_validate_json(fields[b"event"]).data for _, fields in entries]

    async def poll(self, feed: Feed | None = None) -> PollOutcome:
        self.now += timedelta(minutes=1)
        return await self.poller.poll(feed or self.feed)

    async def poll_by(self, poller: Poller) -> PollOutcome:
        self.now += timedelta(minutes=1)
        return await poller.poll(self.feed)

    async def published(self) -> list[Report]:
        entries = await self.bus.redis.xrange(self.bus.names.published)
        return [ReportPublished.model_validate_json(fields[b"event"]).data.report for _, fields in entries]

    async def told(self) -> list[tuple[str, int]]:
        return [(report.title, report.revision) for report in await self.published()]

    async def state(self) -> FeedState:
        return await self.states.load(self.feed.id)

    async def count(self, name: str) -> int:
        await self.bus.counters.flush(self.bus.redis)
        return int(await self.bus.redis.hget(self.bus.names.counters, name) or 0)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.server.start_server()
    yield site
    await site.server.close()


@pytest.fixture
async def bench(bus: Bus, site: Site) -> AsyncIterator[Bench]:
    guard = AddressGuard([ip_network("127.0.0.0/8")])
    fetcher = Fetcher(guard, HostSlots(pause=0), "https://tocsin.example/", max_bytes=1_000_000, timeout=5)
    async with fetcher, Parser(workers=1, cpu_seconds=1) as parser:
        yield Bench(bus, parser, fetcher, site)


async def test_a_new_entry_is_published_once(bench: Bench) -> None:
    outcome = await bench.poll()
    assert (outcome.result, outcome.new, outcome.changed) == ("read", 1, 0)
    assert outcome.next_poll == bench.now + timedelta(seconds=60)
    bench.site.change(*bench.site.items, "<item><guid>2</guid><title>Two</title></item>")
    await bench.poll()
    assert await bench.told() == [("One", 1), ("Two", 1)]


async def test_a_changed_entry_is_the_next_revision_of_the_same_report(bench: Bench) -> None:
    await bench.poll()
    bench.site.change("<item><guid>1</guid><title>One, corrected</title></item>")
    outcome = await bench.poll()
    assert (outcome.new, outcome.changed) == (0, 1)
    assert await bench.told() == [("One", 1), ("One, corrected", 2)]
    assert len({report.id for report in await bench.published()}) == 1


async def test_no_request_is_unconditional_after_the_first(bench: Bench) -> None:
    for _ in range(3):
        await bench.poll()
    bench.site.change("<item><guid>2</guid><title>Two</title></item>")
    await bench.poll()
    await bench.poll()
    sent = [request.headers.get("If-None-Match") for request in bench.site.requests]
    assert sent == [None, '"1"', '"1"', '"1"', '"4"']
    assert bench.site.etag == '"4"'


async def test_validators_follow_the_last_answer_also_when_the_body_is_the_same(bench: Bench) -> None:
    await bench.poll()
    bench.site.etag = '"moved"'
    assert (await bench.poll()).result == "unchanged"
    assert (await bench.state()).etag == '"moved"'


async def test_an_equal_document_is_not_read_twice(bench: Bench) -> None:
    bench.site.etag = None
    results = [(await bench.poll()).result for _ in range(2)]
    assert results == ["read", "unchanged"]


async def test_a_crash_between_publishing_and_remembering_publishes_nothing_twice(bench: Bench) -> None:
    await bench.poll()
    await bench.bus.redis.delete(bench.bus.names.feed(bench.feed.id))
    outcome = await bench.poll()
    assert (outcome.result, outcome.new, outcome.changed) == ("read", 0, 0)
    assert await bench.told() == [("One", 1)]


async def test_validators_are_not_kept_if_publishing_fails(bench: Bench) -> None:
    class Broken(Bus):
        async def publish_once(self, items: Sequence[Marked]) -> list[bool]:
            raise ConnectionError("redis is gone")

    bench.poller._publisher._bus.__class__ = Broken
    with pytest.raises(ConnectionError):
        await bench.poll()
    assert await bench.state() == FeedState()


async def test_two_pollers_at_once_publish_once(bench: Bench) -> None:
    bench.site.items = [f"<item><guid>{n}</guid><title>{n}</title></item>" for n in range(100)]
    outcomes = await asyncio.gather(*[bench.poll() for _ in range(3)])
    assert sum(outcome.new for outcome in outcomes) == 100
    assert len(await bench.published()) == 100


HOSTILE = {
    "a web page": (b"<!doctype html><html><body>Hello</body></html>", "this is a web page, not a feed"),
    "empty": (b"", "the document is empty"),
    "cut off early": (b"<rss version='2.0'><channel><title>Ne", "broken before its first entry"),
    "50 MB": (b"x" * 50_000_000, "larger than 1 MB"),
    "garbage": (bytes(range(256)) * 100, "not a feed"),
}


@pytest.mark.parametrize(("body", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_bad_document_is_named_counted_and_disturbs_nothing(
    bench: Bench, body: bytes, reason: str
) -> None:
    bench.site.body = body
    outcome = await bench.poll()
    assert outcome.result == "failed"
    assert reason in (outcome.error or "")
    state = await bench.state()
    assert (state.failures, state.last_error, state.etag) == (1, outcome.error, None)
    assert await bench.count('polls{result="failed"}') == 1
    bench.site.body = None
    assert (await bench.poll()).new == 1
    assert (await bench.state()).is_well


async def test_a_document_that_runs_away_is_a_failure_of_its_feed_alone(bench: Bench) -> None:
    attributes = " ".join(f'a{n}="1"' for n in range(50_000))
    bench.site.body = (
        f"<rss version='2.0'><channel><item><title {attributes}>x & y</title></item></channel></rss>".encode()
    )
    assert "more than 1 seconds" in ((await bench.poll()).error or "")
    assert await bench.count("parse_errors") == 1


async def test_what_is_mended_is_said_on_the_report_and_counted(bench: Bench) -> None:
    bench.site.items = [
        "<item><guid>1</guid><title><script>x</script>One</title><link>javascript:x</link>"
        "<pubDate>Fri, 01 Jan 2099 00:00:00 GMT</pubDate></item><item><guid>2</guid><title>Two & more</title></item>"
    ]
    await bench.poll()
    one, two = sorted(await bench.published(), key=lambda report: report.title)
    assert (one.title, one.url, one.published_at) == ("One", None, bench.now)
    assert any("in the future" in note for note in one.notes)
    assert any("not well-formed" in note for note in two.notes)
    assert await bench.count("documents_mended") == 1


async def test_a_202_without_document_is_a_failure(bench: Bench) -> None:
    bench.site.body, bench.site.status = b"", 202
    outcome = await bench.poll()
    assert outcome.error == "it answered 202 without a document"
    assert (await bench.state()).last_status == 202


async def test_failures_slow_us_down_and_a_success_heals(bench: Bench) -> None:
    bench.site.status = 404
    waits = [(await bench.poll()).next_poll - bench.now for _ in range(4)]
    assert waits[1::2] == [timedelta(seconds=120), timedelta(seconds=240)]
    bench.site.status = 200
    assert (await bench.poll()).next_poll - bench.now == timedelta(seconds=60)


async def test_retry_after_is_obeyed_for_every_feed_of_the_host(bench: Bench) -> None:
    bench.site.status, bench.site.headers = 429, {"Retry-After": "7200"}
    outcome = await bench.poll()
    until = bench.now + timedelta(hours=2)
    assert outcome.next_poll == until
    other = Feed(url=str(bench.site.server.make_url("/rss?other")))
    waiting = await bench.poll(other)
    assert (waiting.result, waiting.next_poll, len(bench.site.requests)) == ("waiting", until, 1)
    bench.now = until
    await bench.poll(other)
    assert len(bench.site.requests) == 2


async def test_429_without_retry_after_makes_us_wait_longer_each_time(bench: Bench) -> None:
    bench.site.status = 429
    waits = []
    for _ in range(3):
        outcome = await bench.poll()
        waits.append((outcome.next_poll - bench.now).total_seconds() / 60)
        bench.now = outcome.next_poll
    assert waits == [15, 30, 60]


async def test_503_with_retry_after_is_the_hosts_wish_without_it_a_fault_of_the_feed(bench: Bench) -> None:
    bench.site.status = 503
    assert (await bench.poll()).next_poll < bench.now + timedelta(minutes=2)
    bench.site.headers = {"Retry-After": "600"}
    assert (await bench.poll()).next_poll == bench.now + timedelta(minutes=10)
    assert (await bench.poll()).result == "waiting"


async def test_a_feed_is_not_asked_again_within_the_minimum_whoever_wants_it(bench: Bench) -> None:
    await bench.poll()
    slow = bench.poller_with(limits=Limits(900))
    assert (await slow.poll(bench.feed)).result == "waiting"
    bench.now += timedelta(seconds=900)
    assert (await slow.poll(bench.feed)).result == "unchanged"


async def test_a_crash_in_the_middle_of_a_poll_does_not_make_us_ask_twice(bench: Bench) -> None:
    begun = await bench.states.begin(bench.feed.id, bench.feed.host, bench.now, 900)
    assert begun.verdict == "go"
    again = await bench.states.begin(bench.feed.id, bench.feed.host, bench.now + timedelta(seconds=899), 900)
    assert (again.verdict, again.later) == ("early", bench.now + timedelta(seconds=900))


async def test_feeds_of_a_host_get_turns_a_pause_apart_whoever_asks(bench: Bench) -> None:
    one, two = [FeedStates(bench.bus.redis, bench.bus.names, host_pause=1.5) for _ in range(2)]
    waits = [(await states.begin(f"f{n}", "h", START, 1)) for n, states in enumerate((one, two, one, two))]
    assert [begun.verdict for begun in waits] == ["go", "go", "turn", "turn"]
    assert [begun.wait for begun in waits[:2]] == [0, 1.5]
    assert [begun.later for begun in waits[2:]] == [START + timedelta(seconds=s) for s in (3, 4.5)]
    await one.save("f0", FeedState(), host="h")
    assert (await two.begin("f2", "h", START + timedelta(seconds=3), 1)).verdict == "go"
    assert (await two.begin("f9", "h", START + timedelta(seconds=4), 1)).wait == 2


async def test_cache_control_is_honoured(bench: Bench) -> None:
    bench.site.headers = {"Cache-Control": "max-age=600"}
    assert (await bench.poll()).next_poll == bench.now + timedelta(seconds=600)


async def test_a_sample_is_new_each_day_and_only_then(bench: Bench) -> None:
    feed = Feed(url=str(Path("samples/reports.xml").resolve()), sample=True)
    first = await bench.poll(feed)
    again = await bench.poll(feed)
    bench.now += timedelta(days=1)
    tomorrow = await bench.poll(feed)
    assert (first.new, again.result, tomorrow.new) == (21, "unchanged", 21)


async def test_entries_long_gone_are_forgotten_and_present_ones_kept(bench: Bench) -> None:
    bench.site.change(
        "<item><guid>1</guid><title>One</title></item>", "<item><guid>2</guid><title>Two</title></item>"
    )
    for days, guid in ((0, 1), (1, 3), (35, 4), (1, 5)):
        bench.now += timedelta(days=days)
        bench.site.change(
            "<item><guid>2</guid><title>Two</title></item>",
            f"<item><guid>{guid}</guid><title>{guid}</title></item>",
        )
        await bench.poll()
    marks = await bench.states.all_marks(bench.feed.id)
    titles = {report.id: report.title for report in await bench.published()}
    assert {titles[report] for report in marks} == {"Two", "3", "4", "5"}


async def test_the_stream_entry_is_plain_json(bench: Bench) -> None:
    await bench.poll()
    [(_, fields)] = await bench.bus.redis.xrange(bench.bus.names.published)
    event = json.loads(fields[b"event"])
    assert (fields[b"type"], event["specversion"]) == (b"report.published.v1", "1.0")
    assert event["id"] == fields[b"id"].decode() == f"{event['data']['report']['id']}.1"


async def test_feeds_of_a_host_that_takes_long_do_not_wait_for_it(bench: Bench) -> None:
    async def begin(feed: str, seconds: float) -> str:
        return (await bench.states.begin(feed, "h", START + timedelta(seconds=seconds), 1)).verdict

    assert [await begin("a", 0), await begin("b", 1), await begin("c", 3)] == ["go", "go", "busy"]
    await bench.states.save("a", FeedState(), host="h")
    assert await begin("c", 4) == "go"
    # Whoever does not say that it is still there has died there.
    assert [await begin("d", 7), await begin("d", 11)] == ["busy", "go"]


async def test_whoever_is_long_at_a_host_keeps_it_by_saying_so_and_not_when_it_has_left(bench: Bench) -> None:
    one, other = Feed(url="https://h.example/a"), Feed(url="https://h.example/b")

    async def begin(seconds: float) -> str:
        return (await bench.states.begin(other.id, other.host, START + timedelta(seconds=seconds), 1)).verdict

    leases = Leases(bench.states.together, bench.bus.names, lambda: bench.now)
    await bench.states.begin(one.id, one.host, bench.now, 1)
    with leases.holding(one):
        bench.now = START + timedelta(seconds=5)
        await leases.renew()
        assert await begin(8) == "busy"
        await bench.states.save(one.id, FeedState(), host=one.host)
        await leases.renew()
        assert await begin(8.5) == "go"
    bench.now = START + timedelta(seconds=12)
    await leases.renew()
    assert await bench.bus.redis.hget(bench.bus.names.host(one.host), "busy_by") == other.id.encode()
    assert await begin(20) == "go"


# Old, renamed, revised ---------------------------------------------------------------------------------------


def dated(guid: str, days_ago: float, title: str = "") -> str:
    moment = format_datetime(START - timedelta(days=days_ago))
    return f"<item><guid>{guid}</guid><title>{title or guid}</title><pubDate>{moment}</pubDate></item>"


async def test_the_first_poll_tells_only_what_is_recent(bench: Bench) -> None:
    bench.site.items = [dated("today", 0), dated("this week", 6.9), dated("last week", 7.1)]
    await bench.poll()
    assert {title for title, _ in await bench.told()} == {"today", "this week"}
    assert await bench.count("reports_too_old") == 1


async def test_what_was_too_old_at_first_stays_untold_when_it_changes(bench: Bench) -> None:
    bench.site.items = [dated("old", 9)]
    await bench.poll()
    bench.site.change(dated("old", 9, "old, edited"))
    await bench.poll()
    assert await bench.told() == []


async def test_later_on_some_weeks_are_let_through_but_an_archive_is_not(bench: Bench) -> None:
    await bench.poll()
    bench.site.change(dated("late", 20), dated("archive", 400))
    await bench.poll()
    assert [title for title, _ in await bench.told()] == ["One", "late"]


def paged(guid: str, title: str) -> str:
    link = "https://example.org/2026/08/04/talks"
    return f"<item><guid>{guid}</guid><title>{title}</title><link>{link}</link></item>"


async def test_an_entry_whose_guid_changes_is_the_same_report_and_stays_it(bench: Bench) -> None:
    for guid, title in (("a", "Talks"), ("b", "Talks"), ("c", "Talks fail"), ("d", "Talks fail")):
        bench.site.change(paged(guid, title))
        await bench.poll()
    assert await bench.told() == [("Talks", 1), ("Talks fail", 2)]
    first, second = await bench.published()
    assert (first.id, first.changed) == (second.id, ())
    assert second.changed == ("title",)


async def test_a_renamed_entry_is_not_forgotten_while_it_is_in_the_feed(bench: Bench) -> None:
    for guid, days in (("a", 0), ("b", 1), ("c", 40), ("d", 40)):
        bench.now += timedelta(days=days)
        bench.site.change(paged(guid, "Talks"), f"<item><guid>{days}</guid><title>x</title></item>")
        await bench.poll()
    assert [title for title, _ in await bench.told()].count("Talks") == 1


async def test_a_feed_that_answers_304_for_months_tells_nothing_anew(bench: Bench) -> None:
    bench.site.items = [dated("One", 0)]
    await bench.poll()
    for _ in range(4):
        bench.now += timedelta(days=40)
        await bench.poll()
    bench.site.change(dated("One", 0), dated("Two", -161))
    await bench.poll()
    assert await bench.told() == [("One", 1), ("Two", 1)]


# Validators that lie, feeds that move or go ------------------------------------------------------------------


async def test_a_server_that_lies_is_probed_caught_and_not_believed_any_more(bench: Bench) -> None:
    await bench.poll()
    bench.site.items = ["<item><guid>2</guid><title>Two</title></item>"]
    assert [(await bench.poll()).result for _ in range(3)] == ["unchanged"] * 3
    bench.now += timedelta(days=3)
    assert (await bench.poll()).new == 1
    state = await bench.state()
    assert state.trust.is_lost
    assert "whole document" in (state.advice or "")
    await bench.poll()
    sent = [bool(request.headers.get("If-None-Match")) for request in bench.site.requests]
    assert sent == [False, True, True, True, False, False]


async def test_an_honest_server_is_probed_three_times_and_no_more(bench: Bench) -> None:
    for _ in range(30):
        bench.now += timedelta(days=1)
        await bench.poll()
    asked_plainly = [request for request in bench.site.requests if "If-None-Match" not in request.headers]
    assert len(asked_plainly) == 1 + 3


async def test_probing_can_be_switched_off(bench: Bench) -> None:
    poller = bench.poller_with(probing=False)
    for _ in range(10):
        bench.now += timedelta(days=1)
        await poller.poll(bench.feed)
    assert sum("If-None-Match" not in request.headers for request in bench.site.requests) == 1


async def test_a_feed_that_has_moved_is_asked_at_its_new_address_and_tells_nothing_anew(bench: Bench) -> None:
    await bench.poll()
    bench.site.moved = True
    for _ in range(6):
        bench.now += timedelta(days=1)
        await bench.poll()
    assert [request.path for request in bench.site.requests[-3:]] == ["/rss", "/new", "/new"]
    assert "moved for good" in ((await bench.state()).advice or "")
    assert await bench.told() == [("One", 1)]


async def test_a_page_that_names_its_feed_is_followed_if_it_never_was_a_feed(bench: Bench) -> None:
    bench.site.body = (
        b"<html><head><link rel='alternate' type='application/rss+xml' href='/new'></head></html>"
    )
    assert (await bench.poll()).result == "failed"
    bench.site.body, bench.site.etag = None, None
    assert (await bench.poll()).new == 1
    assert [request.path for request in bench.site.requests] == ["/rss", "/new"]


async def test_a_feeds_secrets_are_not_kept_in_redis(bench: Bench) -> None:
    feed = Feed.model_validate_json(
        '{"url": "https://example.org/s", "username": "me", "password": "pass-word", "headers": {"X-Key": "pass-word"}}'
    )
    await bench.states.sync([feed], START)
    assert b"pass-word" not in await bench.bus.redis.hget(bench.bus.names.feeds, feed.id)
    assert [known.url for known in await bench.states.known()] == [feed.url]


# Push ------------------------------------------------------------------------------------------------------

HUB = "<a:link xmlns:a='http://www.w3.org/2005/Atom' rel='hub' href='https://hub.example/'/>"


async def subscribed(bench: Bench) -> Poller:
    """A poller whose feed is pushed since now."""
    hubs = Hubs(bench.fetcher, bench.bus, "https://tocsin.example", lambda: bench.now)
    poller = bench.poller_with(hubs=hubs)
    bench.site.items = [HUB, *bench.site.items]
    await bench.poll()
    terms = {"hub": "https://hub.example/", "topic": bench.feed.url, "secret": "s", "key": "k"}
    active = {
        "state": "active",
        "asked": bench.now,
        "since": bench.now,
        "until": bench.now + timedelta(days=10),
    }
    await change_push(bench.bus.redis, bench.bus.names, bench.feed.id, **terms, **active)  # type: ignore[arg-type]
    return poller


async def push_state(bench: Bench) -> str | None:
    push = await load_push(bench.bus.redis, bench.bus.names, bench.feed.id)
    return push and push.state


async def test_polling_is_slow_once_push_has_brought_something(bench: Bench) -> None:
    poller, feed = await subscribed(bench), bench.feed.model_copy(update={"interval": None})
    bench.now += timedelta(hours=1)
    usual = (await poller.poll(feed)).next_poll - bench.now
    told = await poller.take_pushed(
        feed, b"<rss version='2.0'><channel><item><title>x</title></item></channel></rss>", None
    )
    assert (usual, told.new) == (timedelta(hours=1), 1)
    bench.now += timedelta(hours=1)
    assert (await poller.poll(feed)).next_poll - bench.now == timedelta(hours=6)
    assert await push_state(bench) == "active"


async def test_a_hub_that_fails_is_not_a_fault_of_the_feed_and_not_asked_at_every_poll(bench: Bench) -> None:
    hub = str(bench.site.server.make_url("/nothing-here"))
    bench.site.items = [HUB.replace("https://hub.example/", hub), *bench.site.items]
    hubs = Hubs(bench.fetcher, bench.bus, "https://tocsin.example", lambda: bench.now)
    poller = bench.poller_with(hubs=hubs)
    for _ in range(3):
        assert (await bench.poll_by(poller)).error is None
    assert await push_state(bench) == "failed"
    assert len(bench.site.requests) == 3


async def test_push_is_given_up_when_a_poll_finds_what_it_left_out(bench: Bench) -> None:
    poller = await subscribed(bench)
    bench.now += timedelta(hours=6)
    bench.site.change(HUB, dated("left out", -0.2))
    assert (await poller.poll(bench.feed)).new == 1
    assert await push_state(bench) == "dropped"


# Health ------------------------------------------------------------------------------------------------------


async def test_going_bad_and_getting_well_are_told_once_each(bench: Bench) -> None:
    await bench.poll()
    for status in (404, 404, 404, 200, 200):
        bench.site.status, bench.site.etag = status, f'"{status}"'
        await bench.poll()
    bad, well = await bench.health()
    assert (bad.before, bad.condition, bad.reason) == (
        "well",
        "bad",
        "there is nothing at this address (404)",
    )
    assert "the address it has now" in (bad.advice or "")
    assert (well.before, well.condition, well.reason, well.feed.feed_url) == (
        "bad",
        "well",
        None,
        bench.feed.url,
    )


async def test_one_failure_that_may_mend_itself_is_not_told(bench: Bench) -> None:
    await bench.poll()
    bench.site.status, bench.site.etag = 500, None
    await bench.poll()
    assert await bench.health() == []
    assert (await bench.state()).wrong == "its server has a fault (500)"


async def test_a_feed_that_falls_silent_is_told_until_it_speaks_again(bench: Bench) -> None:
    bench.site.items = [dated(str(n), n / 10) for n in range(20)]
    await bench.poll()
    bench.now += timedelta(days=4)
    assert [(await bench.poll()).result for _ in range(2)] == ["unchanged"] * 2
    bench.site.change(dated("again", -4))
    await bench.poll()
    assert [data.condition for data in await bench.health()] == ["silent", "well"]


async def test_a_feed_that_is_gone_for_days_is_still_asked_once_a_day(bench: Bench) -> None:
    await bench.poll()
    bench.site.status, bench.site.etag = 410, None
    for _ in range(4):
        outcome = await bench.poll()
        bench.now += timedelta(days=1)
    assert outcome.next_poll == bench.now
    assert "gone for good" in ((await bench.state()).wrong or "")
    bench.site.status = 200
    assert (await bench.poll()).error is None


# Feeds in Redis --------------------------------------------------------------------------------------------


async def claimed(bench: Bench, now: datetime) -> list[str]:
    return await Leases(bench.states.together, bench.bus.names, lambda: now).claim(10)


async def test_due_feeds_are_claimed_by_one_and_come_back_after_the_lease(bench: Bench) -> None:
    feeds = [Feed(url=f"https://example.org/{n}") for n in range(3)]
    await bench.states.sync(feeds, START)
    leases = Leases(bench.states.together, bench.bus.names, lambda: bench.now, 60)
    first, second = await leases.claim(2), await leases.claim(2)
    assert sorted(first + second) == sorted(feed.id for feed in feeds)
    assert await leases.claim(10) == []
    bench.now = START + timedelta(seconds=50)
    with leases.holding(feeds[0]):
        await leases.renew()
    await leases.renew()
    bench.now = START + timedelta(seconds=61)
    assert sorted(await leases.claim(10)) == sorted(feed.id for feed in feeds[1:])


async def test_a_poll_that_has_ended_is_not_undone_by_a_lease_that_is_renewed_late(bench: Bench) -> None:
    await bench.states.sync([bench.feed], START)
    leases = Leases(bench.states.together, bench.bus.names, lambda: bench.now, 60)
    await leases.claim(1)
    with leases.holding(bench.feed):
        outcome = await bench.poll()
        await leases.renew()
    assert await bench.states.due_at(bench.feed.id) == outcome.next_poll


async def test_a_restart_does_not_make_a_feed_due(bench: Bench) -> None:
    await bench.states.sync([bench.feed], START)
    await bench.poll()
    await bench.states.sync([bench.feed], bench.now)
    assert await claimed(bench, bench.now) == []
    assert await claimed(bench, bench.now + timedelta(seconds=61)) == [bench.feed.id]


async def test_a_feed_that_is_removed_or_switched_off_is_polled_no_more(bench: Bench) -> None:
    other = Feed(url="https://example.org/other")
    await bench.states.sync([bench.feed, other], START)
    await bench.states.sync([bench.feed.model_copy(update={"enabled": False})], START)
    assert await claimed(bench, START) == []
    assert await bench.bus.redis.hkeys(bench.bus.names.feeds) == [bench.feed.id.encode()]
    await bench.states.save(other.id, FeedState(next_poll=START))
    assert await claimed(bench, START) == []


async def test_a_feed_that_comes_back_is_not_told_anew_nor_polled_early(bench: Bench) -> None:
    await bench.states.sync([bench.feed], START)
    await bench.poll()
    await bench.states.sync([], bench.now)
    assert await bench.bus.redis.ttl(bench.bus.names.seen(bench.feed.id)) > 0
    await bench.states.sync([bench.feed], bench.now)
    assert await bench.bus.redis.ttl(bench.bus.names.seen(bench.feed.id)) == -1
    assert await claimed(bench, bench.now) == []


async def test_the_state_is_read_as_it_was_written(bench: Bench) -> None:
    state = FeedState(
        etag='"\u00e9"',
        notes=("a", "b"),
        entries=3,
        failures=2,
        last_error="no",
        last_poll=START,
        next_poll=START,
    )
    await bench.states.save("f", state)
    assert await bench.states.load("f") == state


async def test_a_mark_is_renewed_only_if_nobody_changed_it(bench: Bench) -> None:
    key = bench.bus.names.seen("f")
    await bench.bus.redis.hset(key, mapping={"a": "1 x 5", "b": "2 y 5"})
    await bench.states.renew("f", {"a": (b"1 x 5", "1 x 6"), "b": (b"1 y 4", "1 y 6")})
    assert await bench.states.all_marks("f") == {"a": b"1 x 6", "b": b"2 y 5"}
