"""Everything in trouble: Redis full, read-only, still, slow, killed, its disk full; a stage still; a clock that jumps.

Services wait, say so, lose nothing, and go on by themselves. The soak prints the rows of docs/faults.md.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from shared import redis_server
from shared.redis_server import RedisServer
from tests.chaos.world import NAMES, World, running_world, subscribe
from tests.processes import Item, until

SERVICES = ("ingest", "classify", "notify", "api")
FAKETIME = os.environ.get("FAKETIME_LIBRARY", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
A_BATCH = 20


@asynccontextmanager
async def full(redis: Redis, world: World) -> AsyncIterator[None]:
    """Redis at its memory limit: every write is refused."""
    await redis.config_set("maxmemory", "1")
    yield
    await redis.config_set("maxmemory", "0")


@asynccontextmanager
async def read_only(redis: Redis, world: World) -> AsyncIterator[None]:
    """A replica whose primary is gone, as in the seconds of a failover."""
    await redis.config_set("replica-serve-stale-data", "yes")
    await redis.replicaof("127.0.0.1", 1)
    yield
    await redis.replicaof("NO", "ONE")


@asynccontextmanager
async def standing_still(redis: Redis, world: World) -> AsyncIterator[None]:
    """A Redis that takes connections and answers nothing."""
    signal_redis(world, signal.SIGSTOP)
    yield
    signal_redis(world, signal.SIGCONT)


@asynccontextmanager
async def slow(redis: Redis, world: World) -> AsyncIterator[None]:
    """A Redis that stands still for four fifths of the time, half a second each."""

    async def stumble() -> None:
        while True:
            signal_redis(world, signal.SIGSTOP)
            await asyncio.sleep(0.5)
            signal_redis(world, signal.SIGCONT)
            await asyncio.sleep(0.125)

    stumbling = asyncio.create_task(stumble())
    yield
    stumbling.cancel()
    signal_redis(world, signal.SIGCONT)


@asynccontextmanager
async def away(redis: Redis, world: World) -> AsyncIterator[None]:
    """Redis is killed, and started again after a while."""
    assert isinstance(world.redis, RedisServer)
    world.redis.process.kill()
    world.redis.process.wait()
    yield
    world.redis = await asyncio.to_thread(redis_server.start, world.folder / "redis", port=world.redis.port)


@asynccontextmanager
async def disk_full(redis: Redis, world: World) -> AsyncIterator[None]:
    """The disk of Redis's append-only file has no room left."""
    ballast = world.folder / "redis" / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    ballast.unlink()


@asynccontextmanager
async def a_stage_stands_still(redis: Redis, world: World) -> AsyncIterator[None]:
    """The only classify takes no breath."""
    world.services.signal("classify", signal.SIGSTOP)
    yield
    world.services.signal("classify", signal.SIGCONT)


@asynccontextmanager
async def clock_jumps(by: str, redis: Redis, world: World) -> AsyncIterator[None]:
    """The clock of all services jumps, and is put right after a while; that of Redis stays right."""
    (world.folder / "clock").write_text(by)
    yield
    (world.folder / "clock").write_text("+0")


def signal_redis(world: World, number: signal.Signals) -> None:
    assert isinstance(world.redis, RedisServer)
    world.redis.process.send_signal(number)


Fault = Callable[[Redis, World], AbstractAsyncContextManager[None]]


@dataclass
class Trouble:
    """A world with one subscription to everything, and how many reports it was told of."""

    world: World
    who: str
    redis: Redis
    sent: int = 0
    noticed: float | None = None
    told_meanwhile: int = 0
    well_after: float = field(default=0)

    def add(self) -> None:
        for number in range(self.sent, self.sent + A_BATCH):
            words = f"Thousands of people fled on day {number}."
            self.world.feeds.items["0"].append(Item(f"Report {number}: families flee", words, f"r{number}"))
        self.sent += A_BATCH

    @property
    def told(self) -> int:
        return len(self.world.sink.reports(self.who))

    async def all_told(self, seconds: float = 90) -> None:
        await until(lambda: self.told == self.sent, seconds)

    async def says(self, words: str) -> bool:
        """Whether /readyz says this; nothing: whether it says nothing."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.world.api}/readyz") as answer:
            said = ", ".join((await answer.json())["missing"])
        return words in said if words else not said

    async def survive(self, fault: Fault, words: str | None, *, hold: float = 0) -> None:
        """Go through a fault while reports come; return when all are told and nothing is missing.

        `words` are what /readyz says meanwhile, None if it says nothing; `hold` is how long it lasts after that.
        """
        self.add()
        await self.all_told()
        async with fault(self.redis, self.world):
            began, before = time.monotonic(), self.told
            self.add()
            if words is not None:
                await until(lambda: self.says(words))
                self.noticed = time.monotonic() - began
            await asyncio.sleep(hold)
            self.told_meanwhile = self.told - before
        ended = time.monotonic()
        self.add()
        await self.all_told(300)
        await until(lambda: self.says(""))
        self.well_after = time.monotonic() - ended
        assert all(self.world.services.alive(service) for service in SERVICES)

    async def nothing_is_lost_or_doubled(self) -> None:
        assert all(len(ids) == 1 for ids in self.world.sink.reports(self.who).values())
        assert await self.redis.xlen(NAMES.published) == await self.redis.xlen(NAMES.tagged) == self.sent
        for stream in NAMES.streams:
            assert await self.redis.xlen(NAMES.dead(stream)) == 0


@asynccontextmanager
async def trouble(folder: Path, **environment: str) -> AsyncIterator[Trouble]:
    async with running_world(folder, **environment) as world:
        await world.start(feeds=1)
        who = await subscribe(world, "everything", {"query": "families"})
        world.services.start("ingest")
        redis = Redis.from_url(world.redis.url)
        yield Trouble(world, who, redis)
        await redis.aclose()


async def test_a_fault_of_redis_costs_nothing_but_time(tmp_path: Path) -> None:
    async with trouble(tmp_path) as state:
        for fault in (full, read_only, standing_still):
            await state.survive(fault, "redis")
            assert state.told_meanwhile == 0, fault.__name__
        await state.nothing_is_lost_or_doubled()


HELD = 15.0
FAULTS: dict[str, tuple[Fault, str | None]] = {
    "memory limit": (full, "redis takes no writes"),
    "disk full": (disk_full, "redis takes no writes"),
    "read-only": (read_only, "redis takes no writes"),
    "stands still": (standing_still, "redis does not answer"),
    "slow": (slow, None),
    "killed": (away, "redis does not answer"),
    "classify stands still": (a_stage_stands_still, "no classify is running"),
    # More, and receivers refuse our signatures: they allow for five minutes.
    "clock ahead": (partial(clock_jumps, "+1m"), None),
    "clock back": (partial(clock_jumps, "-1m"), None),
}


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A folder on a disk of 16 MB."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can have a small disk")
    yield
    subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def own_clock(folder: Path) -> Iterator[dict[str, str]]:
    """What gives processes a clock that `clock_jumps` can change; their timers go on."""
    if not Path(FAKETIME).exists():
        pytest.skip("no libfaketime here (Debian: faketime)")
    (folder / "clock").write_text("+0")
    yield {
        "LD_PRELOAD": FAKETIME,
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


@pytest.mark.soak
@pytest.mark.parametrize("name", FAULTS)
async def test_what_a_fault_costs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault, words = FAULTS[name]
    with ExitStack() as stack:
        if name == "disk full":
            stack.enter_context(small_disk(tmp_path / "redis"))
        environment = stack.enter_context(own_clock(tmp_path)) if name.startswith("clock") else {}
        async with trouble(tmp_path, **environment) as state:
            await state.survive(fault, words, hold=HELD)
            await state.nothing_is_lost_or_doubled()
            noticed = "-" if state.noticed is None else f"{state.noticed:.1f} s"
            with capsys.disabled():
                print(
                    f"\n| {name} | {noticed} | {state.told_meanwhile} of {A_BATCH} | {state.well_after:.1f} s |"
                )
