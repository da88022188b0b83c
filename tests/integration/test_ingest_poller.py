"""Polling for real: a server, parse workers, Redis."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from services.ingest.adapters.feed_state import FeedStates
from services.ingest.adapters.leases import Leases
from services.ingest.core.feed import Feed
from services.ingest.core.health import FeedState
from shared.bus import Bus
from shared.entries import Marked
from tests.polling import START, Bench, dated

pytest_plugins = ("tests.polling_fixtures",)


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
    errors = [await bench.count("parse_errors"), await bench.count('fetch_errors{kind="hard"}')]
    assert errors == ([0, 1] if len(body) > 1_000_000 else [1, 0])
    bench.site.body = None
    assert (await bench.poll()).new == 1
    assert (await bench.state()).is_well


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


async def test_failures_slow_us_down_and_a_success_heals(bench: Bench) -> None:
    await bench.poll()
    bench.site.status, bench.site.etag = 404, None
    waits = [(await bench.poll()).next_poll - bench.now for _ in range(4)]
    assert waits[1::2] == [timedelta(seconds=120), timedelta(seconds=240)]
    bench.site.status = 200
    assert (await bench.poll()).next_poll - bench.now == timedelta(seconds=60)


async def test_retry_after_is_obeyed_for_every_feed_of_the_host(bench: Bench) -> None:
    bench.site.status, bench.site.headers = 429, {"Retry-After": "7200"}
    outcome = await bench.poll()
    until = bench.now + timedelta(hours=2)
    assert outcome.next_poll == until
    other = Feed(url=bench.site.url("/rss?other"))
    waiting = await bench.poll(other)
    assert (waiting.result, waiting.next_poll, len(bench.site.requests)) == ("waiting", until, 1)
    bench.now = until
    await bench.poll(other)
    assert len(bench.site.requests) == 2


async def test_503_with_retry_after_is_the_hosts_wish_without_it_a_fault_of_the_feed(bench: Bench) -> None:
    bench.site.status = 503
    assert (await bench.poll()).next_poll < bench.now + timedelta(minutes=2)
    bench.site.headers = {"Retry-After": "600"}
    assert (await bench.poll()).next_poll == bench.now + timedelta(minutes=10)
    assert (await bench.poll()).result == "waiting"


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
    marks = await bench.marks.all_of(bench.feed.id)
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


async def test_the_first_poll_tells_only_what_is_recent(bench: Bench) -> None:
    bench.site.items = [dated("today", 0), dated("this week", 6.9), dated("last week", 7.1)]
    await bench.poll()
    assert {title for title, _ in await bench.told()} == {"today", "this week"}
    assert await bench.count("reports_too_old") == 1


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
