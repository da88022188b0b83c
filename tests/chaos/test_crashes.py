"""Promises 1 to 4: whatever is killed, every report is published, tagged and delivered, and told once.

All four services run as processes on a real Redis; a feed server keeps adding reports while ingest, classify and
notify are killed at random moments, and Redis once.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.chaos.world import NAMES, World, running_world, subscribe
from tests.processes import Item, until

FEEDS, MANY_FEEDS = 25, 100
SEED = 20261122
KILLED = ("ingest", "classify", "notify", "classify", "ingest", "notify")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_world(tmp_path) as world:
        yield world


def item(number: int) -> Item:
    extra = " A convoy brought food aid." if number % 2 else ""
    return Item(
        f"Report {number}: families flee the fighting in the north",
        f"Thousands of displaced people reached the camps on day {number}.{extra}",
        f"report-{number}",
    )


async def add_reports(world: World, total: int, a_second: int, feeds: int) -> None:
    for number in range(total):
        world.feeds.items[str(number % feeds)].append(item(number))
        if number % a_second == a_second - 1:
            await asyncio.sleep(1)


async def kill_at_random(world: World, kills: int, enough: asyncio.Event) -> Counter[str]:
    chance = random.Random(SEED)
    killed: Counter[str] = Counter()
    for number in range(kills):
        await asyncio.sleep(chance.uniform(0.4, 1.2))
        if number == kills // 2:
            world.kill_redis()
            killed["redis"] += 1
        service = KILLED[number % len(KILLED)]
        world.services.kill(service)
        world.services.start(service)
        killed[service] += 1
    enough.set()
    return killed


async def entries(redis: Any, stream: str) -> list[dict[str, Any]]:
    return [json.loads(fields[b"event"]) for _, fields in await redis.xrange(stream)]


async def crash_test(world: World, reports: int, kills: int, a_second: int, feeds: int) -> None:
    await world.start(feeds)
    everything = await subscribe(world, "everything", {"query": "families"})
    displaced = await subscribe(world, "displaced", {"topics": ["displacement"]})
    fed = await subscribe(world, "fed", {"query": '"food aid"'})
    world.services.start("ingest")
    enough = asyncio.Event()
    adding = asyncio.create_task(add_reports(world, reports, a_second, feeds))
    killed = await kill_at_random(world, kills, enough)
    await adding
    redis = Redis.from_url(world.redis.url)

    async def all_delivered() -> bool:
        return len(world.sink.reports(everything)) >= reports and len(world.sink.reports(fed)) >= reports // 2

    try:
        await until(all_delivered, 120)
    finally:
        print("killed", dict(killed), "received", len(world.sink.reports(everything)))
    published, tagged = await entries(redis, NAMES.published), await entries(redis, NAMES.tagged)
    ids = [event["subject"] for event in published]
    tagged_ids = [event["subject"] for event in tagged]
    about_displacement = {
        event["subject"]
        for event in tagged
        if "displacement" in {tag["topic"] for tag in event["data"]["tags"]}
    }
    assert len(ids) == len(set(ids)) == reports
    assert Counter(tagged_ids).most_common(1)[0][1] == 1
    assert set(ids) == set(tagged_ids) == set(world.sink.reports(everything))
    await until(lambda: set(world.sink.reports(displaced)) == about_displacement, 60)
    for subscription in (everything, displaced, fed):
        assert all(len(webhook_ids) == 1 for webhook_ids in world.sink.reports(subscription).values())
    assert world.sink.refused == 0
    for stream in NAMES.streams:
        assert await redis.xlen(NAMES.dead(stream)) == 0
    await redis.aclose()
    received = sum(body["type"] == "report.matched" for _, body in world.sink.received)
    owed = sum(len(world.sink.reports(each)) for each in (everything, displaced, fed))
    print(
        f"{reports} reports, killed {dict(killed)}, {owed} deliveries, {received - owed} told twice by the same id"
    )


async def test_nothing_is_lost_or_told_twice_whatever_is_killed(world: World) -> None:
    await crash_test(world, reports=2000, kills=20, a_second=100, feeds=FEEDS)


@pytest.mark.soak
async def test_nothing_is_lost_or_told_twice_over_a_long_run(world: World) -> None:
    await crash_test(world, reports=20_000, kills=150, a_second=150, feeds=MANY_FEEDS)
