"""Promises 1 to 4: whatever is killed, every report is published, tagged and delivered, and told once.

All four services run as processes on a real Redis; a feed server keeps adding reports while ingest, classify and
notify are killed at random moments, and Redis once.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from shared import redis_server
from shared.names import Names
from shared.redis_server import RedisServer, free_port
from tests.processes import FeedServer, Item, Services, WebhookSink, until, write_feeds

NAMES = Names("chaos:")
FEEDS, MANY_FEEDS = 25, 100
SEED = 20261122
KILLED = ("ingest", "classify", "notify", "classify", "ingest", "notify")


@dataclass
class World:
    """Everything that runs."""

    services: Services
    redis: RedisServer
    folder: Path
    feeds: FeedServer
    sink: WebhookSink
    api: str

    def kill_redis(self) -> None:
        """SIGKILL, and start again on the same files and port."""
        self.redis.process.kill()
        self.redis.process.wait()
        self.redis = redis_server.start(self.folder / "redis", port=self.redis.port)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    redis = redis_server.start(tmp_path / "redis")
    feeds, sink = FeedServer(), WebhookSink()
    await feeds.start()
    await sink.start()
    port = free_port()
    services = Services(
        tmp_path,
        {
            "TOCSIN_REDIS_URL": redis.url,
            "TOCSIN_KEY_PREFIX": NAMES.prefix,
            "TOCSIN_HTTP_PORT": str(port),
            "TOCSIN_ALLOW_HOSTS": "127.0.0.0/8",
            "TOCSIN_POLL_INTERVAL_MIN": "0.5",
            "TOCSIN_RECLAIM_AFTER": "1.5",
            "TOCSIN_RETRY_SCHEDULE": ",".join(["1"] * 40),
            "TOCSIN_MAX_DELIVERIES": "50",
            "TOCSIN_LOG_FORMAT": "json",
            "TOCSIN_FETCH_TIMEOUT": "8",
        },
    )
    world = World(services, redis, tmp_path, feeds, sink, f"http://127.0.0.1:{port}")
    yield world
    services.end()
    await feeds.stop()
    await sink.stop()
    world.redis.stop()


async def subscribe(world: World, who: str, wanted: dict[str, Any]) -> str:
    """Set an alert by the API; return the subscription's id once it is active."""
    async with aiohttp.ClientSession(world.api) as session:
        wish = {
            "name": who,
            "filter": wanted,
            "channel": {"type": "webhook", "url": world.sink.url(who)},
            # The reports are as alike as those of one story.
            "one_per_story": False,
        }
        async with session.post("/v1/subscriptions", json=wish) as answer:
            assert answer.status == 201, await answer.text()
            created = await answer.json()
        world.sink.secrets[who] = created["secret"]
        owner = {"Authorization": f"Bearer {created['manage_token']}"}

        async def active() -> bool:
            async with session.get(f"/v1/subscriptions/{created['id']}", headers=owner) as answer:
                return bool((await answer.json())["state"] == "active")

        await until(active, 30)
    return str(created["id"])


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
    write_feeds(world.folder / "feeds.toml", [world.feeds.url(number) for number in range(feeds)])
    world.services.start("classify", "notify", "api")
    await until(lambda: _answers(f"{world.api}/livez"), 60)
    await until(lambda: _knows_topics(world), 60)
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


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def _knows_topics(world: World) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{world.api}/v1/topics") as answer:
        return answer.status == 200 and b"displacement" in await answer.read()


async def test_nothing_is_lost_or_told_twice_whatever_is_killed(world: World) -> None:
    await crash_test(world, reports=2000, kills=20, a_second=100, feeds=FEEDS)


@pytest.mark.soak
async def test_nothing_is_lost_or_told_twice_over_a_long_run(world: World) -> None:
    await crash_test(world, reports=20_000, kills=150, a_second=150, feeds=MANY_FEEDS)
