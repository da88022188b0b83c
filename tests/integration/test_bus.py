"""The promises of the bus, on a real Redis."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator

import pytest

from shared import redis_server
from shared.bus import Bus
from shared.consumer import BatchHandler, Consumer, side_by_side
from shared.entries import Entry, Guard, Marked, Outcome, Rejected, xadd
from shared.groups import stream_groups
from shared.names import Names
from shared.neighbours import consumer_name
from shared.redis_server import find_binaries

GROUP = "readers"
SERVERS = list(find_binaries()) or [None]


@pytest.fixture(scope="module", params=SERVERS, ids=str)
def redis_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Each server program of this machine in turn, or the one of TOCSIN_TEST_REDIS_URL."""
    given = os.environ.get("TOCSIN_TEST_REDIS_URL")
    if given:
        yield given
        return
    server = redis_server.start(tmp_path_factory.mktemp("redis"), binary=request.param)
    yield server.url
    server.stop()


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition; fail the test if it does not come true."""
    async with asyncio.timeout(seconds):
        while True:
            holds = condition()
            if isinstance(holds, bool):
                if holds:
                    return
            elif await holds:
                return
            await asyncio.sleep(0.01)


async def another_bus(url: str, names: Names) -> Bus:
    bus = Bus(url, names, consumer_name(), reclaim_after=0.3, max_deliveries=3, patience=0.2)
    await bus.connect()
    return bus


def forwarding(names: Names) -> BatchHandler:
    return side_by_side(lambda entry: forward(names, entry))


async def start(consumer: Consumer) -> None:
    await consumer.ensure_group()
    await consumer.bus.broker.start()


async def pending(bus: Bus, stream: str) -> int:
    return int((await bus.redis.xpending(stream, GROUP))["pending"])


async def add(bus: Bus, stream: str, *values: str) -> list[bytes]:
    return [await bus.redis.xadd(stream, {"n": value}) for value in values]


async def forward(names: Names, entry: Entry) -> Outcome:
    return Outcome([xadd(names.tagged, {"n": entry.field("n")})])


async def values(bus: Bus, stream: str) -> list[str]:
    return [fields[b"n"].decode() for _, fields in await bus.redis.xrange(stream)]


async def test_entries_from_before_the_first_consumer_are_read(bus: Bus, names: Names) -> None:
    await add(bus, names.published, "1", "2")
    consumer = Consumer(bus, names.published, GROUP, forwarding(names))
    await start(consumer)
    await until(lambda: _equals(values(bus, names.tagged), ["1", "2"]))
    assert await pending(bus, names.published) == 0
    await consumer.stop()


async def _equals(found: Awaitable[object], expected: object) -> bool:
    return await found == expected


async def test_what_follows_an_entry_is_written_once_though_two_settle_it(bus: Bus, names: Names) -> None:
    await add(bus, names.published, "1")
    consumer = Consumer(bus, names.published, GROUP, forwarding(names))
    await consumer.ensure_group()
    [[_, [(entry_id, _)]]] = await bus.redis.xreadgroup(GROUP, "a", {names.published: ">"})
    outcome = Outcome([xadd(names.tagged, {"n": "1"})])
    first = await bus.settle(names.published, GROUP, [(entry_id.decode(), outcome)])
    second = await bus.settle(names.published, GROUP, [(entry_id.decode(), outcome)])
    assert (first, second) == (1, 0)
    assert await values(bus, names.tagged) == ["1"]


async def test_a_guard_keeps_work_from_being_done_again_after_a_lost_group(bus: Bus, names: Names) -> None:
    key = names.report("r")

    async def guarded(entry: Entry) -> Outcome:
        commands = [xadd(names.tagged, {"n": "1"}), ("HSET", key, "revision", 1)]
        return Outcome(commands, Guard(key, "revision", 1))

    await add(bus, names.published, "1")
    consumer = Consumer(bus, names.published, GROUP, side_by_side(guarded))
    await start(consumer)
    await until(lambda: _equals(values(bus, names.tagged), ["1"]))
    await bus.redis.xgroup_destroy(names.published, GROUP)
    await until(lambda: not consumer.running)
    await consumer.revive()
    await add(bus, names.published, "2")

    async def all_read() -> bool:
        groups = await bus.redis.xinfo_groups(names.published)
        last = (await bus.redis.xinfo_stream(names.published))["last-generated-id"]
        return bool(groups and groups[0]["last-delivered-id"] == last and groups[0]["pending"] == 0)

    await until(all_read)
    assert await values(bus, names.tagged) == ["1"]
    await consumer.stop()


async def test_what_a_dead_consumer_held_is_taken_over(bus: Bus, names: Names) -> None:
    await add(bus, names.published, "1", "2")
    consumer = Consumer(bus, names.published, GROUP, forwarding(names))
    await consumer.ensure_group()
    await bus.redis.xreadgroup(GROUP, "died", {names.published: ">"})
    await until(lambda: _reclaimed(consumer))
    assert await values(bus, names.tagged) == ["1", "2"]
    assert await pending(bus, names.published) == 0


async def test_how_far_a_group_is_comes_right_after_a_restart_of_redis(bus: Bus, names: Names) -> None:
    ids = await add(bus, names.published, *"123")
    consumer = Consumer(bus, names.published, GROUP, forwarding(names))
    await consumer.ensure_group()
    if "lag" not in (await bus.redis.xinfo_groups(names.published))[0]:
        await bus.redis.xgroup_setid(names.published, GROUP, ids[-1])
        assert (await stream_groups(bus.redis, names.published))[0]["lag"] == 0, "known all the same"
        return
    await bus.redis.xgroup_setid(names.published, GROUP, ids[-1], entries_read=1)
    assert (await bus.redis.xinfo_groups(names.published))[0]["lag"] == 2, "what Redis believes"
    assert (await stream_groups(bus.redis, names.published))[0]["lag"] == 0
    await bus.trim(names.published, (GROUP,))
    await add(bus, names.published, "4")
    assert (await stream_groups(bus.redis, names.published))[0]["lag"] == 1


async def test_the_dead_are_not_waited_for_and_the_living_keep_what_they_hold(
    bus: Bus, names: Names, redis_url: str
) -> None:
    await add(bus, names.published, "1", "2")
    bus.reclaim_after, bus.alive_seconds = 3000, 0.2
    consumer = Consumer(bus, names.published, GROUP, forwarding(names))
    await consumer.ensure_group()
    other_bus = await another_bus(redis_url, names)
    await other_bus.show_life()
    await bus.redis.xreadgroup(GROUP, "died", {names.published: ">"}, count=1)
    await bus.redis.xreadgroup(GROUP, other_bus.consumer, {names.published: ">"})
    await bus.show_life()
    assert await consumer.reclaim() == 0, "who has only just come does not judge"

    async def reclaimed() -> bool:
        await bus.show_life()
        return await _reclaimed(consumer)

    await until(reclaimed)
    assert await values(bus, names.tagged) == ["1"]
    await bus.redis.delete(names.alive(other_bus.consumer))
    await until(reclaimed)
    assert await values(bus, names.tagged) == ["1", "2"]
    await bus.redis.delete(names.alive(bus.consumer))
    await bus.show_life()
    assert not bus.judges_others, "Redis was away: nobody has a sign of life yet"
    await other_bus.close()


async def _reclaimed(consumer: Consumer) -> bool:
    found = await consumer.reclaim() > 0
    await until(lambda: not consumer.in_hand)
    return found


async def test_an_entry_that_is_not_ours_is_a_dead_letter_at_once(bus: Bus, names: Names) -> None:
    await bus.redis.xadd(names.published, {"colour": b"\xff\x00blue"})
    consumer = Consumer(bus, names.published, GROUP, forwarding(names))
    await start(consumer)
    dead = names.dead(names.published)
    await until(lambda: _equals(bus.redis.xlen(dead), 1))
    [(_, letter)] = await bus.redis.xrange(dead)
    assert letter[b"raw:colour"] == b"\xff\x00blue"
    assert b"no field 'n'" in letter[b"reason"]
    assert await pending(bus, names.published) == 0
    await consumer.stop()


async def test_a_failing_handler_is_tried_again_and_then_a_dead_letter_with_the_error(
    bus: Bus, names: Names
) -> None:
    tries: list[int] = []

    async def fail(entry: Entry) -> Outcome:
        tries.append(entry.deliveries)
        raise ZeroDivisionError("by nothing")

    await add(bus, names.published, "1")
    consumer = Consumer(bus, names.published, GROUP, side_by_side(fail))
    await start(consumer)
    dead = names.dead(names.published)

    async def given_up() -> bool:
        await consumer.reclaim()
        return bool(await bus.redis.xlen(dead))

    await until(given_up)
    [(_, letter)] = await bus.redis.xrange(dead)
    assert tries == [1, 2, 3]
    assert letter[b"reason"] == b"ZeroDivisionError: by nothing"
    await consumer.stop()


async def test_an_entry_that_kills_every_consumer_is_a_dead_letter_before_it_is_tried_again(
    bus: Bus, names: Names
) -> None:
    await add(bus, names.published, "1")
    seen: list[str] = []

    async def note(entry: Entry) -> Outcome:
        seen.append(entry.id)
        return Outcome()

    consumer = Consumer(bus, names.published, GROUP, side_by_side(note))
    await consumer.ensure_group()
    [[_, [(entry_id, _)]]] = await bus.redis.xreadgroup(GROUP, "died", {names.published: ">"})
    await bus.redis.xclaim(names.published, GROUP, "died", 0, [entry_id], retrycount=3)
    await until(lambda: _reclaimed(consumer))
    assert seen == []
    assert await bus.redis.xlen(names.dead(names.published)) == 1


async def test_one_bad_entry_does_not_hold_back_its_batch(bus: Bus, names: Names) -> None:
    async def odd_ones_only(entry: Entry) -> Outcome:
        if int(entry.field("n")) % 2 == 0:
            raise Rejected("even")
        return await forward(names, entry)

    await add(bus, names.published, *"123456")
    consumer = Consumer(bus, names.published, GROUP, side_by_side(odd_ones_only))
    await start(consumer)
    await until(lambda: _equals(values(bus, names.tagged), ["1", "3", "5"]))
    await until(lambda: _equals(bus.redis.xlen(names.dead(names.published)), 3))
    await consumer.stop()


async def test_a_stopping_consumer_hands_back_what_it_has_not_finished(
    bus: Bus, names: Names, redis_url: str
) -> None:
    started = asyncio.Event()

    async def hang(entry: Entry) -> Outcome:
        started.set()
        await asyncio.Event().wait()
        return Outcome()

    await add(bus, names.published, *"12345")
    slow_bus = await another_bus(redis_url, names)
    slow = Consumer(slow_bus, names.published, GROUP, side_by_side(hang, 2))
    await start(slow)
    await started.wait()
    await slow.stop()
    await slow.hand_back()
    other_bus = await another_bus(redis_url, names)
    other_bus.reclaim_after = 3000
    other = Consumer(other_bus, names.published, GROUP, forwarding(names))
    assert await other.reclaim() == 5
    await until(lambda: not other.in_hand)
    assert await values(bus, names.tagged) == ["1", "2", "3", "4", "5"]
    assert slow_bus.consumer.encode() not in {
        row["name"] for row in await bus.redis.xinfo_consumers(names.published, GROUP)
    }
    await slow_bus.close()
    await other_bus.close()


async def test_a_deleted_entry_does_not_stay_pending_for_ever(bus: Bus, names: Names) -> None:
    [entry_id] = await add(bus, names.published, "1")
    consumer = Consumer(bus, names.published, GROUP, forwarding(names))
    await consumer.ensure_group()
    await bus.redis.xreadgroup(GROUP, "died", {names.published: ">"})
    await bus.redis.xdel(names.published, entry_id)

    async def gone() -> bool:
        await consumer.reclaim()
        return await pending(bus, names.published) == 0

    await until(gone)


async def test_a_long_handler_keeps_its_entry(bus: Bus, names: Names, redis_url: str) -> None:
    release = asyncio.Event()

    async def slow(entry: Entry) -> Outcome:
        await release.wait()
        return await forward(names, entry)

    await add(bus, names.published, "1")
    mine = Consumer(bus, names.published, GROUP, side_by_side(slow, 2))
    await start(mine)
    await until(lambda: bool(mine.in_hand))
    other_bus = await another_bus(redis_url, names)
    other = Consumer(other_bus, names.published, GROUP, forwarding(names))
    deadline = asyncio.get_running_loop().time() + 1
    while asyncio.get_running_loop().time() < deadline:
        await mine.reclaim()
        assert await other.reclaim() == 0
        await asyncio.sleep(0.05)
    release.set()
    await until(lambda: _equals(values(bus, names.tagged), ["1"]))
    await mine.stop()
    await other_bus.close()


async def test_a_mark_and_its_event_are_written_once(bus: Bus, names: Names) -> None:
    def marked(expected: bytes | None, mark: str) -> Marked:
        return Marked(names.seen("f"), "entry", expected, mark, names.published, {"n": mark})

    assert await bus.publish_once([marked(None, "1"), marked(None, "1")]) == [True, False]
    assert await bus.publish_once([marked(b"1", "2"), marked(b"1", "3")]) == [True, False]
    assert await values(bus, names.published) == ["1", "2"]


@pytest.mark.parametrize(("acknowledged", "left"), [(0, 3), (2, 1), (3, 1)])
async def test_trimming_never_passes_what_a_live_group_needs(
    bus: Bus, names: Names, acknowledged: int, left: int
) -> None:
    bus.retention_seconds = 0
    ids = await add(bus, names.published, *"123")
    await bus.redis.xgroup_create(names.published, GROUP, id="0")
    await bus.redis.xreadgroup(GROUP, "a", {names.published: ">"})
    if acknowledged:
        await bus.redis.xack(names.published, GROUP, *ids[:acknowledged])
    await asyncio.sleep(0.002)
    await bus.trim(names.published, [GROUP])
    assert await bus.redis.xlen(names.published) == left


async def test_trimming_drops_nothing_younger_than_the_retention(bus: Bus, names: Names) -> None:
    await add(bus, names.published, *"123")
    await bus.redis.xgroup_create(names.published, GROUP, id="$")
    assert await bus.trim(names.published, [GROUP]) == 0


async def test_a_dead_foreign_group_does_not_stop_trimming(bus: Bus, names: Names) -> None:
    bus.retention_seconds = 0
    await add(bus, names.published, *"123")
    await bus.redis.xgroup_create(names.published, "abandoned", id="0")
    await asyncio.sleep(0.002)
    assert await bus.trim(names.published, [GROUP]) == 3
