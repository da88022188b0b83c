"""The whole way on a Redis Cluster of three masters, and a backup of it that goes back to a single Redis."""

from pathlib import Path

from redis.asyncio import Redis

from shared.names import Names
from tests.chaos.world import running_world, subscribe
from tests.processes import Item, until
from tests.redis_cluster import start_cluster

NAMES = Names("{chaos}:")


async def test_the_whole_way_on_a_cluster(tmp_path: Path, redis_url: str, names: Names) -> None:
    cluster = start_cluster(tmp_path / "redis")
    async with running_world(tmp_path, cluster, TOCSIN_KEY_PREFIX=NAMES.prefix) as world:
        await world.start(feeds=1)
        who = await subscribe(world, "everything", {"query": "families"})
        world.services.start("ingest")
        world.feeds.items["0"] += [
            Item(f"Report {n}: families flee", f"Thousands of people fled on day {n}.", f"r{n}")
            for n in range(20)
        ]
        await until(lambda: len(world.sink.reports(who)) == 20)
        assert all(len(ids) == 1 for ids in world.sink.reports(who).values())

        world.services.command("backup", str(tmp_path / "a.backup"))
        elsewhere = {"TOCSIN_REDIS_URL": redis_url, "TOCSIN_KEY_PREFIX": names.prefix}
        world.services.command("restore", str(tmp_path / "a.backup"), **elsewhere)
    async with Redis.from_url(redis_url) as redis:
        assert await redis.xlen(names.tagged) == 20
        assert await redis.hlen(names.subscriptions) == 1
