"""Redis in trouble: full, read-only, standing still. Services wait, say so, lose nothing, and go on by themselves."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from redis.asyncio import Redis

from shared.redis_server import RedisServer
from tests.chaos.world import NAMES, World, running_world, subscribe
from tests.processes import Item, until

SERVICES = ("ingest", "classify", "notify", "api")


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
    assert isinstance(world.redis, RedisServer)
    world.redis.process.send_signal(signal.SIGSTOP)
    yield
    world.redis.process.send_signal(signal.SIGCONT)


def add(world: World, numbers: range) -> None:
    for number in numbers:
        item = Item(
            f"Report {number}: families flee", f"Thousands of people fled on day {number}.", f"r{number}"
        )
        world.feeds.items["0"].append(item)


async def missing(world: World) -> str:
    """What /readyz says is missing."""
    async with aiohttp.ClientSession() as session, session.get(f"{world.api}/readyz") as answer:
        return ", ".join((await answer.json())["missing"])


async def test_a_fault_of_redis_costs_nothing_but_time(tmp_path: Path) -> None:
    async with running_world(tmp_path) as world:
        await world.start(feeds=1)
        who = await subscribe(world, "everything", {"query": "families"})
        world.services.start("ingest")
        redis = Redis.from_url(world.redis.url)
        told = 0
        for fault in (full, read_only, standing_still):
            add(world, range(told, told + 20))
            await until(lambda wanted=told + 20: len(world.sink.reports(who)) == wanted)
            async with fault(redis, world):
                add(world, range(told + 20, told + 40))
                await until(lambda: _says(world, "redis"))
                assert len(world.sink.reports(who)) == told + 20, fault.__name__
            told += 40
            await until(lambda wanted=told: len(world.sink.reports(who)) == wanted)
            assert all(world.services.alive(service) for service in SERVICES), fault.__name__
        assert all(len(ids) == 1 for ids in world.sink.reports(who).values())
        assert await redis.xlen(NAMES.published) == await redis.xlen(NAMES.tagged) == told
        for stream in NAMES.streams:
            assert await redis.xlen(NAMES.dead(stream)) == 0
        await until(lambda: _says(world, ""))
        await redis.aclose()


async def _says(world: World, words: str) -> bool:
    """Whether /readyz says this; nothing: whether it says nothing."""
    said = await missing(world)
    return words in said if words else not said
