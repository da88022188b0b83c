"""What becomes of a feed over its days: servers that lie, moves, hubs, bad health."""

from datetime import timedelta

from services.ingest.adapters.poller import Poller
from services.ingest.adapters.websub import Hubs
from services.ingest.core.feed import Feed
from services.ingest.core.pace import Limits
from shared.push import change_push, load_push
from tests.polling import START, Bench, dated

pytest_plugins = ("tests.polling_fixtures",)


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
    hub = bench.site.url("/nothing-here")
    bench.site.items = [HUB.replace("https://hub.example/", hub), *bench.site.items]
    hubs = Hubs(bench.fetcher, bench.bus, "https://tocsin.example", lambda: bench.now)
    poller = bench.poller_with(hubs=hubs)
    for _ in range(3):
        assert (await bench.poll_by(poller)).error is None
    assert await push_state(bench) == "failed"
    asked = [request.path for request in bench.site.requests]
    assert (asked.count("/rss"), asked.count("/nothing-here")) == (3, 1)


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


async def test_a_feed_that_is_too_long_says_so_as_long_as_it_is(bench: Bench) -> None:
    bench.site.items = [f"<item><guid>{n}</guid><title>{n}</title></item>" for n in range(501)]
    bench.site.etag = None
    await bench.poll()
    state = await bench.state()
    assert (state.health, state.wrong) == ("well", "1 entries left out: only the first 500 are read")
    assert "shorter feed" in (state.advice or "")
    bench.site.items = bench.site.items[1:]
    bench.now += timedelta(days=1)
    await bench.poll()
    assert (await bench.state()).wrong is None


async def test_a_feed_that_could_not_be_reached_is_asked_again_before_the_minimum(bench: Bench) -> None:
    poller = bench.poller_with(limits=Limits(900))
    await bench.site.server.close()
    waits = []
    for _ in range(4):
        outcome = await poller.poll(bench.feed)
        assert outcome.result == "failed"
        waits.append((outcome.next_poll - bench.now).total_seconds())
        bench.now = outcome.next_poll
    assert waits == [60, 120, 240, 480]
    assert (await bench.state()).trouble == 0.25
