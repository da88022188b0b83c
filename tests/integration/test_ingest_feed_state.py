"""Feeds in Redis: their list, their leases, their state, and what is asked of it together."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from services.ingest.adapters.feed_list import FeedFileError, FeedLists
from services.ingest.adapters.leases import Leases
from services.ingest.core.feed import Feed
from services.ingest.core.health import FeedState
from tests.polling import START, Bench

pytest_plugins = ("tests.polling_fixtures",)


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
    await bench.marks.renew("f", {"a": (b"1 x 5", "1 x 6"), "b": (b"1 y 4", "1 y 6")})
    assert await bench.marks.all_of("f") == {"a": b"1 x 6", "b": b"2 y 5"}


async def test_a_feed_that_is_made_due_while_it_is_polled_is_not_polled_twice_at_once(bench: Bench) -> None:
    await bench.states.sync([bench.feed], START)
    leases = Leases(bench.states.together, bench.bus.names, lambda: bench.now, 60)
    assert await leases.claim(1) == [bench.feed.id]
    with leases.holding(bench.feed):
        await bench.states.poll_soon(bench.feed.id, bench.now)
        assert await leases.claim(1) == []
    bench.now += timedelta(seconds=61)
    assert await leases.claim(1) == [bench.feed.id]


async def test_what_a_hub_sends_while_a_feed_is_polled_does_not_make_it_due(bench: Bench) -> None:
    await bench.states.sync([bench.feed], START)
    await bench.poll()
    bench.now += timedelta(minutes=2)
    assert await claimed(bench, bench.now) == [bench.feed.id]
    document = b"<rss version='2.0'><channel><item><title>x</title></item></channel></rss>"
    assert (await bench.poller.take_pushed(bench.feed, document, None)).new == 1
    assert await claimed(bench, bench.now) == []


async def test_a_question_that_cannot_be_sent_is_an_error_and_not_silence(bench: Bench) -> None:
    with pytest.raises(UnicodeEncodeError):
        async with asyncio.timeout(5):
            await bench.states.together.ask("GET", "half a character: \ud800")


@pytest.fixture
def lists(bench: Bench, tmp_path: Path) -> FeedLists:
    (tmp_path / "feeds.toml").write_text(f'[[feed]]\nurl = "{bench.feed.url}"')
    return FeedLists(tmp_path / "feeds.toml", bench.bus.redis, bench.states, bench.bus.names)


async def test_what_was_added_is_taken_in_although_the_file_became_wrong_with_it(
    bench: Bench, lists: FeedLists, tmp_path: Path
) -> None:
    await lists.take_in(START)
    (tmp_path / "feeds.toml").write_text("wrong")
    await bench.bus.redis.hset(bench.bus.names.feeds_added, "x", '{"url": "https://example.org/added"}')
    with pytest.raises(FeedFileError):
        await lists.take_in(START)
    await lists.take_in(START)
    assert {feed.url for feed in await bench.states.known()} == {bench.feed.url, "https://example.org/added"}


async def test_feeds_that_redis_has_lost_are_taken_in_again(bench: Bench, lists: FeedLists) -> None:
    await lists.take_in(START)
    await bench.bus.redis.flushdb()
    await lists.take_in(START)
    assert await claimed(bench, START) == [bench.feed.id]


async def test_feeds_that_could_not_be_written_down_are_taken_in_again(
    bench: Bench, lists: FeedLists
) -> None:
    names = bench.bus.names
    await bench.bus.redis.set(names.feeds_due, "no sorted set")
    with pytest.raises(ResponseError):
        await lists.take_in(START)
    await bench.bus.redis.delete(names.feeds_due)
    await bench.bus.redis.hset(names.feeds, "another", "{}")
    await lists.take_in(START)
    assert await claimed(bench, START) == [bench.feed.id]
