"""The whole way on a Redis Cluster of three masters, and a backup of it that goes back to a single Redis."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from cli.backup_file import restore_backup, write_backup
from shared.bus import Bus
from shared.names import Names
from shared.redis_client import RedisURLError, make_client, read_url
from shared.settings import ServiceSettings, SettingsError, load
from tests.chaos.world import running_world, subscribe
from tests.processes import Item, until
from tests.redis_cluster import join, start_nodes

NAMES = Names("{chaos}:")


async def test_the_whole_way_on_a_cluster(tmp_path: Path, bus: Bus) -> None:
    nodes = start_nodes(tmp_path / "redis", 3)
    async with running_world(tmp_path, nodes, TOCSIN_KEY_PREFIX=NAMES.prefix) as world:
        # Services wait for a cluster that is not one yet.
        await asyncio.gather(asyncio.to_thread(join, nodes), world.start(feeds=1))
        world.services.start("ingest")
        who = await subscribe(world, "everything", {"query": "families"})
        world.feeds.items["0"] += [
            Item(f"Report {n}: families flee", f"Thousands of people fled on day {n}.", f"r{n}")
            for n in range(20)
        ]
        await until(lambda: len(world.sink.reports(who)) == 20)
        assert all(len(ids) == 1 for ids in world.sink.reports(who).values())

        async with make_client(nodes.url) as redis:
            file, now = tmp_path / "a.backup", datetime.now(UTC)
            await write_backup(redis, NAMES, file, now=now, tocsin="1", progress=lambda lines: None)
            with pytest.raises(ResponseError, match="same key slot"):
                await redis.mget(["{chaos}:a", "b"])
    await restore_backup(bus.redis, bus.names, file, lambda lines: None)
    assert await bus.redis.xlen(bus.names.tagged) == 20
    assert await bus.redis.hlen(bus.names.subscriptions) == 1


@pytest.mark.parametrize(
    ("url", "kind", "nodes", "service"),
    [
        ("redis://h", "one", (), ""),
        ("redis+cluster://a,b:7001", "cluster", (("a", 6379), ("b", 7001)), ""),
        ("rediss+cluster://u:p%40@[::1]:7001/", "cluster", (("::1", 7001),), ""),
        ("redis+sentinel://:p@a,b:1/main/3", "sentinel", (("a", 26379), ("b", 1)), "main"),
    ],
)
def test_a_url_says_where_redis_is(url: str, kind: str, nodes: object, service: str) -> None:
    place = read_url(url)
    assert (place.kind, place.nodes, place.service) == (kind, nodes, service)


def test_a_url_says_who_we_are_and_how_to_connect() -> None:
    assert read_url("rediss+cluster://u:p%40@h").options == {"username": "u", "password": "p@", "ssl": True}
    assert read_url("redis+sentinel://:p@h/main/3").options == {"password": "p", "db": 3}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis+cluster://:secret@h/1", "no databases"),
        ("redis+sentinel://:secret@h", "call the master"),
        ("redis+cluster://:secret@:7000", "must be redis://"),
        ("redis+cluster://:secret@h:port", "must be redis://"),
        ("http+cluster://:secret@h", "must be redis://"),
    ],
)
def test_a_url_that_names_no_redis_is_refused_and_not_said_again(url: str, reason: str) -> None:
    with pytest.raises(RedisURLError, match=reason) as refused:
        read_url(url)
    assert "secret" not in str(refused.value)


def test_a_prefix_without_a_hash_tag_is_refused_on_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_REDIS_URL", "redis+cluster://h:7000")
    with pytest.raises(SettingsError, match=r"TOCSIN_KEY_PREFIX: must begin with a hash tag.*\{tocsin\}:"):
        load(ServiceSettings)
    monkeypatch.setenv("TOCSIN_KEY_PREFIX", "{tocsin}:")
    assert load(ServiceSettings).names.prefix == "{tocsin}:"
