"""Keys of an older layout are brought up to date at the start; those of a newer one are refused."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.backup_file import restore_backup, write_backup
from cli.backup_lines import BackupError
from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.delivery import Attempt, owed_report
from shared.layout import LAYOUT, NewerLayout, bring_up_to_date, layout_of
from shared.names import Names
from tests.processes import until

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
DUE = NOW + timedelta(minutes=5)


async def write_as_layout_1(bus: Bus, report: str, state: str, next_attempt_at: datetime | None) -> str:
    """Write a delivery with one failed attempt the way it was written before layout 2; return its id."""
    names, redis = bus.names, bus.redis
    delivery_id = owed_report("sub_1", report, NOW).id
    row = {"kind": "report", "subscription": "sub_1", "report": report, "state": state, "attempts": 1}
    row |= {"created": f"{NOW.timestamp():.3f}", "id": delivery_id}
    row |= {"next": f"{next_attempt_at.timestamp():.3f}" if next_attempt_at else ""}
    await redis.hset(names.delivery_of_layout_1(delivery_id), mapping=row)
    await redis.expire(names.delivery_of_layout_1(delivery_id), 1000)
    attempt = f'{{"at": "{NOW.isoformat()}", "outcome": "failed", "detail": "503", "status": 503, "duration_ms": 12}}'
    await redis.lpush(names.attempts_of_layout_1(delivery_id), attempt)
    await redis.zadd(names.deliveries_of("sub_1"), {delivery_id: NOW.timestamp()})
    if next_attempt_at:
        await redis.zadd(names.deliveries_later, {delivery_id: next_attempt_at.timestamp()})
    return delivery_id


async def test_an_empty_redis_is_of_our_layout(bus: Bus) -> None:
    await bring_up_to_date(bus.redis, bus.names)
    assert await layout_of(bus.redis, bus.names) == LAYOUT


async def test_deliveries_of_before_are_kept_and_tried_when_they_are_due(bus: Bus) -> None:
    waiting = await write_as_layout_1(bus, "rep_1", "pending", DUE)
    done = await write_as_layout_1(bus, "rep_2", "delivered", None)
    await bring_up_to_date(bus.redis, bus.names)

    log = DeliveryLog(bus)
    first, second = sorted(await log.newest("sub_1"), key=lambda each: each.report or "")
    assert (first.id, first.state, first.attempts, first.next_attempt_at) == (waiting, "pending", 1, DUE)
    assert (second.id, second.state) == (done, "delivered")
    assert first.log == (Attempt(NOW, "failed", "503", 503, 12),)
    assert 0 < await bus.redis.ttl(bus.names.delivery(waiting)) <= 1000
    assert await log.queue_due(DUE - timedelta(seconds=1)) == 0
    assert await log.queue_due(DUE + timedelta(seconds=10)) == 1
    [(_, fields)] = await bus.redis.xrange(bus.names.deliveries)
    assert fields == {b"id": waiting.encode()}
    # What is owed from now on goes to the same log.
    assert await log.owe([owed_report("sub_1", "rep_3", NOW)]) == 1
    assert len(await log.newest("sub_1")) == 3


async def test_a_migration_that_was_killed_is_done_to_its_end(bus: Bus, names: Names) -> None:
    for number in range(30):
        await write_as_layout_1(bus, f"rep_{number}", "pending", DUE)

    async def killed_in_its_middle() -> None:
        task = asyncio.create_task(bring_up_to_date(bus.redis, names))
        await until(lambda: bus.redis.exists(names.delivery(owed_report("sub_1", "rep_7", NOW).id)))
        task.cancel()
        await asyncio.wait([task])

    await killed_in_its_middle()
    await bus.redis.delete(names.layout_lock, names.layout)
    await bring_up_to_date(bus.redis, names)
    log = DeliveryLog(bus)
    assert len(await log.newest("sub_1")) == 30
    assert await log.queue_due(DUE + timedelta(seconds=10)) == 30
    assert not [key async for key in bus.redis.scan_iter(match=names.found_by("delivery:"))]


async def test_two_that_start_at_once_change_each_key_once(bus: Bus) -> None:
    for number in range(20):
        await write_as_layout_1(bus, f"rep_{number}", "pending", DUE)
    await asyncio.gather(*(bring_up_to_date(bus.redis, bus.names) for _ in range(3)))
    assert await DeliveryLog(bus).queue_due(DUE + timedelta(seconds=10)) == 20


async def test_a_newer_layout_is_refused_with_what_to_do(bus: Bus) -> None:
    await bus.redis.set(bus.names.layout, LAYOUT + 1)
    with pytest.raises(NewerLayout, match=rf"layout {LAYOUT + 1}.*start the newer one again.*backup"):
        await bring_up_to_date(bus.redis, bus.names)


async def test_a_backup_of_a_newer_layout_is_refused_before_anything_is_written(
    bus: Bus, names: Names, tmp_path: Path
) -> None:
    await bus.redis.set(names.layout, LAYOUT + 1)
    file = tmp_path / "newer"
    await write_backup(bus.redis, names, file, now=NOW, tocsin="9.0", progress=lambda lines: None)
    elsewhere = Names(f"restored-{names.prefix}")
    with pytest.raises(BackupError, match=rf"layout {LAYOUT + 1}, made by Tocsin 9.0"):
        await restore_backup(bus.redis, elsewhere, file, lambda lines: None)
    assert not [key async for key in bus.redis.scan_iter(match=elsewhere.found_by())]


async def test_keys_are_left_alone_while_an_older_release_is_at_work(bus: Bus) -> None:
    waiting = await write_as_layout_1(bus, "rep_1", "pending", DUE)
    await bus.redis.zadd(bus.names.instances, {"notify old-1": time.time()})
    starting = asyncio.create_task(bring_up_to_date(bus.redis, bus.names))
    await asyncio.sleep(0.1)
    assert await bus.redis.exists(bus.names.delivery_of_layout_1(waiting))
    await bus.redis.zrem(bus.names.instances, "notify old-1")
    await starting
    assert await bus.redis.exists(bus.names.delivery(waiting))
