"""/v1/events, /v1/stream and /v1/history against a real Redis: no event twice, none left out, nothing without bound."""

import asyncio
import gzip
import json
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from services.api.adapters.broadcast import Broadcast
from services.api.adapters.listener import MOST_WAITING, Listener
from services.api.core.stream_place import BEGINNING, StreamedEvent, StreamPlace, read_place, sse_events
from shared.events import Country
from tests.builders import make_report, make_tagged, store_reports
from tests.processes import until
from tests.sse import events_of

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def listening(api, query="", status=200, **headers):
    """The events of a connection, those without data left out."""
    async with api.get(f"/v1/events{query}", headers=headers) as response:
        assert response.status == status, await response.text()
        yield (each async for each in events_of(response) if each.data)


async def take(events, count):
    return [await anext(events) for _ in range(count)]


async def ids_on_stream(api):
    return [raw.decode() for raw, _ in await api.bus.redis.xrange(api.bus.names.tagged)]


def reports_of(events):
    return [json.loads(each.data)["data"]["report"]["id"] for each in events]


async def problem_of(api, query, status, **headers):
    async with api.get(f"/v1/events{query}", headers=headers) as response:
        assert response.status == status
        assert response.headers["Content-Type"] == "application/problem+json"
        return await response.json(content_type=None)


async def test_an_event_is_the_one_of_the_stream(api):
    await store_reports(api.bus, [make_tagged()])
    [(raw_id, fields)] = await api.bus.redis.xrange(api.bus.names.tagged)
    async with listening(api, "?after=0") as events:
        event = await anext(events)
    assert (event.id, event.event, event.data) == (raw_id.decode(), "", fields[b"event"].decode())


async def test_without_a_cursor_only_what_comes_is_told(api):
    await store_reports(api.bus, [make_tagged()])
    async with listening(api) as events:
        await until(lambda: len(api.parts.broadcast))
        await store_reports(api.bus, [new := make_tagged()])
        assert reports_of(await take(events, 1)) == [new.report.id]


async def test_what_is_kept_comes_first_then_what_is_new(api):
    await store_reports(api.bus, old := [make_tagged() for _ in range(250)])
    async with listening(api, "?after=0") as events:
        found = await take(events, 250)
        await store_reports(api.bus, new := [make_tagged() for _ in range(3)])
        found += await take(events, 3)
    assert reports_of(found) == [each.report.id for each in old + new]


async def test_a_moment_is_a_cursor(api):
    await store_reports(api.bus, [make_tagged()])
    await asyncio.sleep(0.005)
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    await store_reports(api.bus, [new := make_tagged()])
    async with listening(api, f"?after={moment}") as events:
        assert reports_of(await take(events, 1)) == [new.report.id]


async def seam(api, reconnections: int) -> None:
    """Publish without a pause; connect again and again with Last-Event-ID. Every id once, in order."""
    seen: list[str] = []
    done = asyncio.Event()
    chance = random.Random(7)

    async def publish():
        while not done.is_set():
            await store_reports(api.bus, [make_tagged() for _ in range(chance.randint(1, 4))])
            await asyncio.sleep(chance.random() * 0.004)

    publishing = asyncio.create_task(publish())
    try:
        for _ in range(reconnections):
            headers = {"Last-Event-ID": seen[-1]} if seen else {}
            async with listening(api, "?after=0", **headers) as events:
                seen += [each.id for each in await take(events, chance.randint(1, 25))]
    finally:
        done.set()
        await publishing
    everything = await ids_on_stream(api)
    assert seen == everything[: len(seen)]


async def test_clients_that_come_again_get_every_event_once_in_order(api):
    await seam(api, 50)


@pytest.mark.soak
async def test_clients_that_come_again_500_times_get_every_event_once_in_order(api):
    await seam(api, 500)


async def test_two_who_join_at_different_moments_get_the_same(api):
    await store_reports(api.bus, [make_tagged() for _ in range(5)])
    async with listening(api, "?after=0") as one:
        first = await take(one, 5)
        async with listening(api, "?after=0") as two:
            await store_reports(api.bus, [make_tagged() for _ in range(5)])
            first += await take(one, 5)
            assert await take(two, 10) == first


async def test_only_what_a_filter_wants_is_told(api):
    sudan = (Country(code="SD"),)
    wanted = make_tagged(displacement=("fled",)).model_copy(update={"countries": sudan})
    others = [
        make_tagged(displacement=("fled",)),
        make_tagged(aid=("fled",)).model_copy(update={"countries": sudan}),
    ]
    query = "?topics=displacement&countries=sd,td&query=famil*&after=0"
    await store_reports(api.bus, [*others, wanted])
    async with listening(api, query) as events:
        found = await take(events, 1)
        later = wanted.model_copy(update={"report": make_report()})
        await store_reports(api.bus, [*others, later])
        found += await take(events, 1)
    assert reports_of(found) == [wanted.report.id, later.report.id]


async def test_a_client_whose_filter_is_rarely_met_keeps_a_young_cursor(api):
    await store_reports(api.bus, [make_tagged() for _ in range(3)])
    async with api.get("/v1/events?topic=aid&after=0") as response:
        marks = events_of(response)
        assert [(await anext(marks)).id for _ in range(2)][-1] == (await ids_on_stream(api))[-1]


async def test_what_is_silent_sends_a_heartbeat_with_the_cursor(api):
    api.use(broadcast=Broadcast(api.parts.stream, heartbeat=0.02))
    await store_reports(api.bus, [make_tagged()])
    async with api.get("/v1/events") as response:
        marks = events_of(response)
        assert [(await anext(marks)).id for _ in range(3)][-1] == (await ids_on_stream(api))[-1]


async def test_a_cursor_older_than_what_is_kept_is_gone_and_the_floor_is_named(api):
    await store_reports(api.bus, [make_tagged() for _ in range(5)])
    ids = await ids_on_stream(api)
    await api.bus.redis.xtrim(api.bus.names.tagged, minid=ids[3], approximate=False)
    problem = await problem_of(api, "", 410, **{"Last-Event-ID": ids[1]})
    assert problem["code"] == "cursor-gone"
    async with listening(api, f"?after={problem['floor']}") as events:
        assert [each.id for each in await take(events, 2)] == ids[3:]
    async with listening(api, "?after=0") as events:
        assert [each.id for each in await take(events, 2)] == ids[3:]


async def test_what_is_dropped_while_it_is_read_is_told_and_nothing_follows(api):
    await store_reports(api.bus, [make_tagged() for _ in range(250)])
    ids = await ids_on_stream(api)
    listener = await api.parts.broadcast.admit(read_place(ids[0]), None)
    events = api.parts.broadcast.events(listener)
    first = await anext(events)
    assert f"id: {ids[100]}\n".encode() in first
    await api.bus.redis.xtrim(api.bus.names.tagged, minid=ids[150], approximate=False)
    rest = [chunk async for chunk in events]
    assert len(rest) == 1
    assert rest[0].startswith(b"event: gone\n")


async def test_the_last_that_was_dropped_is_still_a_cursor_when_nothing_came_after(api):
    await store_reports(api.bus, [make_tagged()])
    [last] = await ids_on_stream(api)
    await api.bus.redis.xtrim(api.bus.names.tagged, maxlen=0, approximate=False)
    async with listening(api, f"?after={last}") as events:
        await until(lambda: len(api.parts.broadcast))
        await store_reports(api.bus, [new := make_tagged()])
        assert reports_of(await take(events, 1)) == [new.report.id]


async def test_a_cursor_of_a_stream_that_was_made_anew_is_gone(api):
    await store_reports(api.bus, [make_tagged()])
    assert "made anew" in (await problem_of(api, "?after=9999999999999-0", 410))["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("topics=floods", "topic"),
        ("countries=XX", "country"),
        ("query=aid%20OR", "q"),
        ("severity=3", "severity"),
        ("after=yesterday", "after"),
        ("after=2999-01-01T00:00:00Z", "after"),
    ],
)
async def test_what_is_not_known_is_refused_rather_than_never_matched(api, query, field):
    problem = await problem_of(api, f"?{query}", 400)
    assert problem["errors"][0]["field"] == field


async def test_more_clients_than_are_taken_are_told_to_come_later(api, api_bus, tmp_path):
    api.configure(api_bus, tmp_path, events_clients=1)
    async with listening(api):
        problem = await problem_of(api, "", 503)
        assert problem["code"] == "not-ready"


async def test_whoever_takes_nothing_is_told_so_and_nothing_more_is_kept():
    listener = Listener(None, BEGINNING)
    for _ in range(100):
        listener.put(b"x" * 100_000)
    assert listener.size < MOST_WAITING
    assert b"event: overflow" in await listener.take()
    assert await listener.take() is None


@pytest.mark.parametrize(("has", "gets"), [(3, [4, 5, 6]), (4, [5, 6]), (5, [6]), (6, []), (9, [])])
async def test_whoever_was_ahead_of_the_reader_gets_only_what_is_new(has, gets):
    events = [StreamedEvent(StreamPlace(number, 0), b"{}") for number in (4, 5, 6)]
    listener = Listener(None, StreamPlace(has, 0))
    listener.hand(events, sse_events(events))
    listener.put(b"end")
    found = await listener.take()
    assert found == (sse_events(event for event in events if event.place.milliseconds in gets) or b"end")


async def test_a_slow_client_is_told_and_cut_off_and_others_are_not_disturbed(api):
    api.use(broadcast=Broadcast(api.parts.stream, room=400_000))
    big = [make_tagged(make_report(text="word " * 20_000)) for _ in range(10)]
    async with api.get("/v1/events") as slow, listening(api) as quick:
        await until(lambda: len(api.parts.broadcast) == 2)
        for _ in range(12):
            await store_reports(api.bus, big)
            await take(quick, 10)
        told = [each async for each in events_of(slow) if each.data]
    assert told[-1].event == "overflow"
    assert told[-2].id in await ids_on_stream(api)


async def test_who_has_gone_costs_nothing_more(api):
    async with listening(api), listening(api, "?topic=aid"):
        await until(lambda: len(api.parts.broadcast) == 2)
    await until(lambda: not len(api.parts.broadcast))


async def test_listeners_are_let_go_when_the_process_ends(api):
    async with listening(api) as events:
        await until(lambda: len(api.parts.broadcast))
        await api.parts.broadcast.close()
        assert [each async for each in events] == []


async def test_the_stream_says_what_is_kept_and_who_reads_it(api):
    redis, names = api.bus.redis, api.bus.names
    await store_reports(api.bus, [make_tagged() for _ in range(4)])
    ids = await ids_on_stream(api)
    await redis.xgroup_create(names.tagged, "desk", id="0")
    await redis.xreadgroup("desk", "one", {names.tagged: ">"}, count=3)
    await redis.xtrim(names.tagged, maxlen=2, approximate=False)
    state = await api.json_of("GET", "/v1/stream")
    assert (state["length"], state["first"], state["last"]) == (2, ids[2], ids[3])
    assert ids[1] <= state["floor"] < ids[2]
    assert [(group["name"], group["pending"]) for group in state["groups"]] == [("desk", 3)]


async def test_a_day_is_a_file_of_its_events(api):
    await store_reports(api.bus, [make_tagged() for _ in range(3)])
    ids = await ids_on_stream(api)
    today = datetime.now(UTC)
    lines = (await api.text(f"/v1/history/{today:%Y-%m-%d}.ndjson")).splitlines()
    assert [json.loads(line)["streamid"] for line in lines] == ids
    assert json.loads(lines[0])["type"] == "report.tagged.v1"
    await api.json_of("GET", f"/v1/history/{today + timedelta(days=2):%Y-%m-%d}.ndjson", 404)
    await api.json_of("GET", "/v1/history/today.ndjson", 404)
    async with api.request(
        "GET",
        f"/v1/history/{today:%Y-%m-%d}.ndjson",
        headers={"Accept-Encoding": "gzip"},
        auto_decompress=False,
    ) as response:
        assert gzip.decompress(await response.read()).decode().splitlines() == lines
    await api.bus.redis.xtrim(api.bus.names.tagged, maxlen=2, approximate=False)
    is_sure = (await api.parts.stream.bounds()).is_sure
    async with api.get(f"/v1/history/{today:%Y-%m-%d}.ndjson") as response:
        assert response.status == (410 if is_sure else 200)
    await api.bus.redis.xtrim(api.bus.names.tagged, maxlen=0, approximate=False)
    yesterday = today - timedelta(days=1)
    await api.json_of("GET", f"/v1/history/{yesterday:%Y-%m-%d}.ndjson", 410)
