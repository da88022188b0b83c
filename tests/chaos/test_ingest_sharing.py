"""Two ingest processes share 200 feeds; every few seconds one of them is killed. Every entry is published once."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.names import Names
from tests.processes import FeedServer, Item, Services, until, write_feeds

FEEDS = 200
ROUNDS = 5
KILLS = 6
SEED = 20261122


class Pair:
    """Two installations of ingest on the same Redis, each in a folder of its own."""

    def __init__(self, folder: Path, feeds: FeedServer, environment: dict[str, str]) -> None:
        self.members: list[Services] = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            write_feeds(folder / name / "feeds.toml", [feeds.url(number) for number in range(FEEDS)])
            self.members.append(Services(folder / name, environment))

    def end(self) -> None:
        for member in self.members:
            member.end()


@pytest.fixture
async def feeds() -> AsyncIterator[FeedServer]:
    async with FeedServer() as feeds:
        yield feeds


@pytest.fixture
async def pair(tmp_path: Path, redis_url: str, names: Names, feeds: FeedServer) -> AsyncIterator[Pair]:
    pair = Pair(
        tmp_path,
        feeds,
        {
            "TOCSIN_REDIS_URL": redis_url,
            "TOCSIN_KEY_PREFIX": names.prefix,
            "TOCSIN_ALLOW_HOSTS": "127.0.0.0/8",
            "TOCSIN_POLL_INTERVAL_MIN": "2",
            "TOCSIN_RECLAIM_AFTER": "1.5",
            "TOCSIN_PARSE_WORKERS": "1",
            "TOCSIN_FETCH_TIMEOUT": "8",
        },
    )
    yield pair
    pair.end()


async def _add_entries(feeds: FeedServer) -> None:
    for number in range(ROUNDS):
        for feed in range(FEEDS):
            guid = f"entry-{feed}-{number}"
            feeds.items[str(feed)].append(Item(f"Report {number} of feed {feed}", "Families flee.", guid))
        await asyncio.sleep(3)


async def _kill_in_turn(pair: Pair) -> None:
    chance = random.Random(SEED)
    for number in range(KILLS):
        await asyncio.sleep(chance.uniform(1.5, 3))
        member = pair.members[number % 2]
        member.kill("ingest")
        member.start("ingest")


async def _published(redis: Any, names: Names) -> list[dict[str, Any]]:
    return [json.loads(fields[b"event"]) for _, fields in await redis.xrange(names.published)]


async def test_every_entry_is_published_once_whichever_process_is_killed(
    pair: Pair, feeds: FeedServer, redis_url: str, names: Names
) -> None:
    for member in pair.members:
        member.start("ingest")
    adding = asyncio.create_task(_add_entries(feeds))
    await _kill_in_turn(pair)
    await adding
    redis = Redis.from_url(redis_url)

    async def all_there() -> bool:
        return int(await redis.xlen(names.published)) >= FEEDS * ROUNDS

    await until(all_there, 200)
    # Whoever would publish something twice has the time to do it.
    await asyncio.sleep(2.5)
    events = await _published(redis, names)
    await redis.aclose()
    times = Counter(event["subject"] for event in events)
    assert (len(times), set(times.values())) == (FEEDS * ROUNDS, {1})
    assert {event["data"]["report"]["revision"] for event in events} == {1}
    assert all("published" in member.log_of("ingest") for member in pair.members)
