"""The long soak: reports in bursts, ten thousand subscriptions, bad endpoints, something killed every 20 seconds.

TOCSIN_SOAK_MINUTES (30) says how long. What is lost or told by two ids fails the test; how late reports were told, and
what memory and keys did meanwhile, is printed.
"""

import asyncio
import os
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.endpoints import WebhookEndpoint
from shared.subscriptions import Filter, Subscription
from tests.chaos.world import NAMES, World, running_world
from tests.processes import HttpServer, Item, until

MINUTES = float(os.environ.get("TOCSIN_SOAK_MINUTES", "30"))
SUBSCRIPTIONS, BAD_EACH = 10_000, 100
FEEDS, KEPT_IN_A_FEED = 50, 120
BURST, BURST_EVERY = 600, 3.0
KILL_EVERY, REDIS_EVERY = 20.0, 300.0
# What was held up while Redis was away is told within so many seconds of its return.
CATCH_UP_SECONDS = 5.0
RETENTION_MINUTES = MINUTES / 4
VICTIMS = ("classify", "notify", "ingest", "api", "notify.2", "classify.2", "ingest.2")
PLACES = (
    "the port",
    "the northern road",
    "two villages",
    "the old town",
    "a border crossing",
    "the river bank",
)
HAPPENINGS = (
    "Thousands of families fled their homes when shelling began near",
    "A convoy with food aid and medicine was allowed through at",
    "Envoys of both sides agreed to resume talks on a ceasefire around",
    "Fighter jets were scrambled after a drone had violated the airspace over",
    "Engineers restored electricity and water in most parts of",
)
Kill = tuple[float, str]
Away = tuple[float, float]
"""When Redis was killed, and when it answered again, its log read."""
SECRET = "whsec_" + "A" * 44


@dataclass
class Receivers(HttpServer):
    """Endpoints of 10,000 subscribers: most take what they get, some fail, some never answer."""

    told: dict[int, dict[int, set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    seconds: dict[int, float] = field(default_factory=dict)
    again: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self.app.router.add_post("/hook/{number}", self._take)

    def url(self, number: int) -> str:
        return f"http://127.0.0.1:{self.port}/hook/{number}"

    async def _take(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        body = await request.read()
        if kind_of(number) == "failing":
            return web.Response(status=500)
        if kind_of(number) == "hanging":
            await asyncio.sleep(60)
            return web.Response(status=504)
        found = re.search(rb"Report (\d+):", body)
        assert found, body[:300]
        report, now = int(found[1]), time.time()
        self.again += bool(self.told[number][report])
        self.told[number][report].add(request.headers["webhook-id"])
        self.seconds.setdefault(report, now)
        return web.Response(status=204)


def kind_of(subscription: int) -> str:
    """One in a hundred is bad: half of them answer 500, half not at all."""
    return {0: "failing", 1: "hanging"}.get(subscription % (2 * BAD_EACH), "good")


def subscriptions(receivers: Receivers) -> list[Subscription]:
    """Each asks for one of the sectors that reports name."""
    now = datetime.now(UTC)
    return [
        Subscription(
            id=f"sub_{number:024x}",
            filter=Filter(query=f'title:sector{number} OR "no such words {number}"'),
            channel=WebhookEndpoint(type="webhook", url=receivers.url(number)),
            one_per_story=False,
            state="active",
            token_hash="0" * 64,
            secret=SECRET,
            created_at=now,
            changed_at=now,
        )
        for number in range(SUBSCRIPTIONS)
    ]


def item(number: int, chance: random.Random) -> Item:
    sector = chance.randrange(SUBSCRIPTIONS)
    title = f"Report {number}: sector{sector} {chance.choice(PLACES)}"
    lines = " ".join(
        f"{chance.choice(HAPPENINGS)} {chance.choice(PLACES)} {chance.randrange(10**6)}." for _ in range(4)
    )
    return Item(title, lines, f"report-{number}")


async def publish(world: World, until_time: float) -> list[Item]:
    """Put bursts of reports into the feeds until a moment; return them all."""
    chance, everything = random.Random(1), list[Item]()
    while (now := time.time()) < until_time:
        for _ in range(BURST):
            everything.append(item(len(everything), chance))
            entries = world.feeds.items[str(len(everything) % FEEDS)]
            entries.append(everything[-1])
            del entries[:-KEPT_IN_A_FEED]
        await asyncio.sleep(max(0, now + BURST_EVERY - time.time()))
    return everything


async def kill_in_turn(world: World, until_time: float, redis_away: list[Away]) -> list[Kill]:
    killed: list[Kill] = []
    next_redis = time.time() + min(REDIS_EVERY, MINUTES * 30)
    while time.time() < until_time:
        await asyncio.sleep(KILL_EVERY)
        victim = VICTIMS[len(killed) % len(VICTIMS)]
        killed.append((time.time(), victim))
        if time.time() >= next_redis:
            next_redis += REDIS_EVERY
            killed_at = time.time()
            await asyncio.to_thread(world.kill_redis)
            redis_away.append((killed_at, time.time()))
            killed[-1] = (killed_at, "redis")
        else:
            world.services.kill(victim)
            world.services.start(victim)
    return killed


async def follow(world: World, stream: str, written: dict[int, float]) -> None:
    """Read a stream of reports as another system would; keep when each was written."""
    last = "0"
    redis: Any
    async with Redis.from_url(world.redis.url) as redis:
        while True:
            try:
                for _, entries in await redis.xread({stream: last}, count=500, block=1000):
                    for entry_id, fields in entries:
                        last = entry_id
                        if found := re.search(rb"Report (\d+):", fields[b"event"]):
                            written[int(found[1])] = int(entry_id.split(b"-")[0]) / 1000
            except RedisError:
                await asyncio.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the installation held at a moment."""

    minute: float
    entries: int
    keys: int
    redis_mb: float
    memory: dict[str, float]


async def watch(world: World, samples: list[Sample]) -> None:
    started = time.time()
    async with Redis.from_url(world.redis.url) as redis:
        while True:
            await asyncio.sleep(min(10.0, MINUTES * 3))
            with suppress(RedisError):
                entries = [await redis.xlen(stream) for stream in NAMES.streams]
                used = (await redis.info("memory"))["used_memory"] / 1e6
                keys = await redis.dbsize()
                minute = (time.time() - started) / 60
                samples.append(Sample(minute, sum(entries), keys, used, world.services.memory()))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    more: dict[str, Any] = {
        "TOCSIN_RETENTION_DAYS": str(RETENTION_MINUTES / 1440),
        "TOCSIN_RETRY_SCHEDULE": "1,5,30,120,600,600,600",
        "TOCSIN_POLL_INTERVAL_MIN": "1",
        "TOCSIN_RECLAIM_AFTER": "30",
        "TOCSIN_LOG_LEVEL": "error",
    }
    async with running_world(tmp_path, **more) as world:
        yield world


@pytest.mark.soak
async def test_bursts_kills_and_bad_endpoints_lose_nothing(world: World) -> None:
    receivers = Receivers()
    await receivers.start()
    wanted: dict[Any, Any] = {each.id: each.model_dump_json() for each in subscriptions(receivers)}
    async with Redis.from_url(world.redis.url) as redis:
        await redis.hset(NAMES.subscriptions, mapping=wanted)
    await world.start(FEEDS)
    world.services.start("classify.2", "notify.2", "ingest", "ingest.2")
    published: dict[int, float] = {}
    tagged: dict[int, float] = {}
    samples: list[Sample] = []
    redis_away: list[Away] = []
    works = (
        follow(world, NAMES.published, published),
        follow(world, NAMES.tagged, tagged),
        watch(world, samples),
    )
    background = [asyncio.create_task(work) for work in works]
    end = time.time() + MINUTES * 60
    items, killed = await asyncio.gather(publish(world, end), kill_in_turn(world, end, redis_away))
    owed: dict[int, set[int]] = defaultdict(set)
    for number, each in enumerate(items):
        owed[int(each.title.split("sector")[1].split()[0])].add(number)
    good = {number: reports for number, reports in owed.items() if kind_of(number) == "good"}

    def missing() -> int:
        return sum(len(reports - receivers.told[number].keys()) for number, reports in good.items())

    try:
        await until(lambda: not missing() and len(published) == len(items), 120)
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        print(
            f"\n{len(items)} reports, {len(published)} published, killed {dict(Counter(who for _, who in killed))}"
        )
        print(
            f"{sum(map(len, good.values()))} owed to good endpoints, {missing()} missing, {receivers.again} told again"
        )
        describe_lateness(published, receivers.seconds, redis_away)
        describe_causes(published, tagged, receivers.seconds, killed)
        describe_size(samples)
        await describe_keys(world)
        await receivers.stop()
    told = [ids for number in good for ids in receivers.told[number].values()]
    assert all(len(ids) == 1 for ids in told)
    assert all(receivers.told[number].keys() == reports for number, reports in good.items())
    async with Redis.from_url(world.redis.url) as redis:
        assert [await redis.xlen(NAMES.dead(stream)) for stream in NAMES.streams] == [0] * len(NAMES.streams)
    assert_bounded(samples)


def describe_lateness(published: dict[int, float], told: dict[int, float], redis_away: list[Away]) -> None:
    """Print how long after it was published a report was told."""
    outside, within = list[float](), list[float]()
    for report, moment in told.items():
        if written := published.get(report):
            # What was written just before waits as long as what came after.
            near = any(away - 1 < written < back + CATCH_UP_SECONDS for away, back in redis_away)
            (within if near else outside).append(moment - written)
    for name, late in (("outside restarts of Redis", outside), ("near them", within)):
        if len(late) > 1:
            cuts = quantiles(late, n=1000)
            figures = ", ".join(f"p{at / 10:g} {cuts[at - 1] * 1000:.0f} ms" for at in (500, 950, 990, 999))
            over = sum(each > 1 for each in late)
            print(
                f"{name}, {len(late)} reports, published to told: {figures}, {max(late):.1f} s, {over} over 1 s"
            )


def describe_causes(
    published: dict[int, float], tagged: dict[int, float], told: dict[int, float], killed: list[Kill]
) -> None:
    """Print where those waited that were told after more than a second, and who had been killed just before."""
    causes: Counter[str] = Counter()
    for report, moment in told.items():
        first, middle = published.get(report, moment), tagged.get(report, moment)
        if moment - first > 1:
            where = "classify" if middle - first > moment - middle else "notify"
            last = [who for when, who in killed if first - 5 < when < moment]
            causes[f"in {where} after {last[-1] if last else 'nothing'} was killed"] += 1
    print("later than a second:", ", ".join(f"{count} {cause}" for cause, count in causes.most_common()))


async def describe_keys(world: World) -> None:
    """Print how many keys there are of each kind, and how many of them live for ever."""
    kinds, for_ever = Counter[str](), Counter[str]()
    redis: Any
    async with Redis.from_url(world.redis.url) as redis:
        cursor = 0
        while True:
            cursor, keys = await redis.scan(cursor, count=5000)
            pipe = redis.pipeline(transaction=False)
            for key in keys:
                pipe.ttl(key)
            for key, life in zip(keys, await pipe.execute(), strict=True):
                kind = re.sub(r"(?<=[:_])[^:]*\d[^:]*", "#", key.decode().removeprefix(NAMES.prefix))
                kinds[kind] += 1
                for_ever[kind] += life == -1
            if not cursor:
                break
    print(
        "keys (of them for ever):",
        ", ".join(f"{kind} {n} ({for_ever[kind]})" for kind, n in kinds.most_common(25)),
    )


def describe_size(samples: list[Sample]) -> None:
    """Print some twelve of the samples."""
    for sample in samples[:: max(1, len(samples) // 12)]:
        memory = ", ".join(f"{name} {size:.0f}" for name, size in sample.memory.items())
        held = f"{sample.entries} entries, {sample.keys} keys, Redis {sample.redis_mb:.0f} MB"
        print(f"minute {sample.minute:4.1f}: {held}; {memory}")


def assert_bounded(samples: list[Sample]) -> None:
    """When all that is kept for a while has been dropped once, nothing grows any more."""
    late = [sample for sample in samples if sample.minute > 2 * RETENTION_MINUTES]
    half = len(late) // 2
    first, second = late[:half], late[half:]
    assert max(each.entries for each in second) < 1.25 * max(each.entries for each in first)
    assert max(each.keys for each in second) < 1.1 * max(each.keys for each in first)
    assert max(each.redis_mb for each in second) < 1.1 * max(each.redis_mb for each in first)
    for name in VICTIMS:
        before, after = (max(each.memory.get(name, 0) for each in part) for part in (first, second))
        assert after < 1.2 * before + 5, name
