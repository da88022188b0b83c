"""A master is killed under load, and its replica takes over: on a Redis Cluster, and under Sentinels.

Replication is asynchronous: what a master acknowledged in its last moments may not have reached the replica. As all
keys of an installation are in one slot, what is lost is the end of one history, never a part of the middle: the mark
of an entry goes with its report, and the feed is asked again.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.names import Names
from shared.redis_client import make_client
from tests.chaos.world import NAMES, running_world, subscribe
from tests.processes import Item, until
from tests.redis_cluster import Servers, join, start_nodes, start_sentinels

ROUNDS = 4
A_ROUND = 150


def on_a_cluster(folder: Path) -> tuple[Servers, Names]:
    nodes = start_nodes(folder, 6)
    join(nodes)
    return nodes, Names("{chaos}:")


def under_sentinels(folder: Path) -> tuple[Servers, Names]:
    folder.mkdir()
    return start_sentinels(folder), NAMES


@pytest.mark.soak
@pytest.mark.parametrize("start", [on_a_cluster, under_sentinels])
async def test_a_master_is_killed_under_load(
    tmp_path: Path, start: Callable[[Path], tuple[Servers, Names]], capsys: pytest.CaptureFixture[str]
) -> None:
    servers, names = await asyncio.to_thread(start, tmp_path / "redis")
    async with running_world(tmp_path, servers, TOCSIN_KEY_PREFIX=names.prefix) as world:
        await world.start(feeds=1)
        who = await subscribe(world, "everything", {"query": "families"})
        world.services.start("ingest")
        for number in range(ROUNDS):
            for n in range(number * A_ROUND, (number + 1) * A_ROUND):
                world.feeds.items["0"].append(
                    Item(f"Report {n}: families flee", f"Thousands of people fled on day {n}.", f"r{n}")
                )
            await until(lambda first=number * A_ROUND: len(world.sink.reports(who)) > first + 10)
            away = await asyncio.to_thread(servers.fail_over, names.prefix)
            wanted = (number + 1) * A_ROUND
            seen = len(world.sink.reports(who))
            try:
                await until(lambda wanted=wanted: len(world.sink.reports(who)) >= wanted, 90)
            finally:
                lost = wanted - len(world.sink.reports(who))
                with capsys.disabled():
                    print(f"\nno master for {away:.1f} s; {seen} had been told, {lost} lost")
            await asyncio.to_thread(servers.revive, names.prefix)
        told = world.sink.reports(who)
        attempts = sum(webhook["type"] == "report.matched" for _, webhook in world.sink.received)
        with capsys.disabled():
            print(f"{len(told)} reports told in {attempts} attempts")
        # Told again, maybe; under another id, never.
        assert all(len(ids) == 1 for ids in told.values())
        redis: Redis = make_client(servers.url)
        for stream in names.streams:
            assert await redis.xlen(names.dead(stream)) == 0
        await redis.aclose()
