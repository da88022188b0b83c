"""The shell of a service: it waits for Redis, survives its restarts, and never looks healthy when it is not."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared import redis_server, service
from shared.consumer import side_by_side
from shared.entries import Entry, Outcome, xadd
from shared.groups import read_groups
from shared.layout import bring_up_to_date
from shared.maintenance import pause, resume
from shared.names import Names
from shared.neighbours import consumer_name
from shared.redis_client import RedisClient
from shared.redis_server import RedisServer, free_port
from shared.service import App
from shared.settings import ServiceSettings
from tests.processes import until

NAMES = Names("shell:")


class Runner:
    """An App in this process, with a consumer that forwards what it reads."""

    def __init__(self, url: str, folder: Path, *, reclaim_after: float = 0.5) -> None:
        settings = ServiceSettings(
            redis_url=url, key_prefix=NAMES.prefix, reclaim_after=reclaim_after, alive_file=folder / "alive"
        )
        self.alive_file = folder / "alive"
        self.app = App("classify", settings)
        self.app.beat_seconds = 0.2
        self.consumer = self.app.consume(NAMES.published, side_by_side(self.forward))
        self.task: asyncio.Task[None] | None = None

    async def forward(self, entry: Entry) -> Outcome:
        return Outcome([xadd(NAMES.tagged, {"n": entry.field("n")})])

    def start(self) -> None:
        self.task = asyncio.create_task(self.app.run())

    async def stop(self) -> None:
        self.app.stop()
        await self.ended()

    async def ended(self) -> None:
        assert self.task
        await asyncio.wait_for(asyncio.shield(self.task), 20)

    async def add(self, number: int) -> None:
        await self.app.bus.redis.xadd(NAMES.published, {"n": str(number)})

    async def told(self) -> list[bytes]:
        return [fields[b"n"] for _, fields in await self.app.bus.redis.xrange(NAMES.tagged)]

    def has_told(self, *numbers: int) -> Callable[[], asyncio.Future[bool]]:
        expected = [str(number).encode() for number in numbers]

        async def check() -> bool:
            return await self.told() == expected

        return lambda: asyncio.ensure_future(check())


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    server = redis_server.start(tmp_path / "redis")
    yield server
    server.stop()


@pytest.fixture
async def runner(redis: RedisServer, tmp_path: Path) -> AsyncIterator[Runner]:
    runner = Runner(redis.url, tmp_path)
    runner.start()
    await until(lambda: runner.alive_file.exists())
    yield runner
    runner.app.stop()
    if runner.task:
        await asyncio.wait([runner.task])


async def test_a_service_waits_for_a_redis_that_is_down_at_start(tmp_path: Path) -> None:
    port = free_port()
    runner = Runner(f"redis://127.0.0.1:{port}/0", tmp_path)
    runner.start()
    await asyncio.sleep(0.3)
    assert not runner.alive_file.exists()
    server = redis_server.start(tmp_path / "redis", port=port)
    await until(lambda: runner.alive_file.exists())
    await runner.stop()
    server.stop()


async def test_a_service_can_be_stopped_while_it_waits_for_redis(tmp_path: Path) -> None:
    runner = Runner(f"redis://127.0.0.1:{free_port()}/0", tmp_path)
    runner.start()
    await asyncio.sleep(0.1)
    await runner.stop()


async def test_a_service_goes_on_after_redis_was_killed_and_started_again(
    runner: Runner, redis: RedisServer, tmp_path: Path
) -> None:
    await runner.add(1)
    await until(runner.has_told(1))
    redis.process.kill()
    redis.process.wait()
    again = redis_server.start(tmp_path / "redis", port=redis.port)
    await runner.add(2)
    await until(runner.has_told(1, 2))
    await runner.stop()
    again.stop()


async def test_a_service_makes_a_lost_group_anew_and_goes_on(runner: Runner) -> None:
    await runner.app.bus.redis.flushall()
    await runner.add(3)
    await until(runner.has_told(3))
    # Else the next process to start would take those that run for an older release, and wait.
    await asyncio.wait_for(bring_up_to_date(runner.app.bus.redis, NAMES, alive_seconds=60), 20)


async def test_a_consumer_that_stopped_reading_ends_the_process(runner: Runner) -> None:
    runner.app.silent_after = 1.5
    for task in list(runner.consumer._subscriber.tasks):
        task.cancel()
    with pytest.raises(service.ConsumerStalled, match=r"reports\.published\.v1"):
        await runner.ended()


async def test_a_failing_part_ends_the_service(redis: RedisServer, tmp_path: Path) -> None:
    runner = Runner(redis.url, tmp_path)

    async def break_down() -> None:
        raise ZeroDivisionError

    runner.app.background(break_down)
    with pytest.raises(ZeroDivisionError):
        await runner.app.run()


async def test_the_sign_of_life_is_kept_fresh(runner: Runner) -> None:
    os.utime(runner.alive_file, (0, 0))
    await until(lambda: time.time() - runner.alive_file.stat().st_mtime < 10)


async def test_a_paused_service_ends_what_it_has_in_hand_and_takes_up_nothing(
    runner: Runner, tmp_path: Path
) -> None:
    redis, names = runner.app.bus.redis, NAMES
    await runner.add(1)
    await until(runner.has_told(1))
    await pause(redis, names, "classify", datetime.now(UTC))
    await until(lambda: _rests(redis))
    os.utime(runner.alive_file, (0, 0))
    await runner.add(2)
    await until(lambda: time.time() - runner.alive_file.stat().st_mtime < 10)
    assert await runner.told() == [b"1"]
    [group] = [each async for each in read_groups(redis, names)]
    assert (group.lag, group.pending) == (1, 0)
    started_meanwhile = Runner(runner.app.settings.require_redis_url(), tmp_path)
    started_meanwhile.start()
    await until(lambda: _rests(redis, 2))
    await resume(redis, names, "classify")
    await runner.ended()
    await until(started_meanwhile.has_told(1, 2))
    await started_meanwhile.stop()


async def _rests(redis: RedisClient, processes: int = 1) -> bool:
    return [name.split()[-1] for name in await redis.zrange(NAMES.instances, 0, -1)] == [
        b"paused"
    ] * processes


def pid_of_a_dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


async def test_what_a_process_of_this_machine_held_is_taken_over_as_soon_as_it_is_dead(
    redis: RedisServer, tmp_path: Path
) -> None:
    here = consumer_name().rsplit("-", 2)[0]
    dead, living = f"{here}-{pid_of_a_dead_process()}-aaaaaa", f"{here}-{os.getpid()}-bbbbbb"
    runner = Runner(redis.url, tmp_path, reclaim_after=3600)
    bus = runner.app.bus
    bus.alive_seconds = 3600  # Nobody is taken for dead because he is silent.
    await bring_up_to_date(bus.redis, NAMES)
    await runner.consumer.ensure_group()
    for number, consumer in enumerate((dead, living)):
        await runner.add(number)
        await bus.redis.xreadgroup("classify", consumer, {NAMES.published: ">"}, count=1)
        await bus.redis.zadd(NAMES.instances, {f"classify {consumer}": time.time()})
    runner.start()
    await until(runner.has_told(0))
    pending = await bus.redis.xpending_range(NAMES.published, "classify", "-", "+", 9)
    assert [row["consumer"] for row in pending] == [living.encode()]
    await runner.stop()
