"""How fast notify finds and writes who is to be told, with many subscriptions on one real Redis.

Reports that match about ten of all subscriptions, a report that ten thousand asked for, and the same with a thousand
subscriptions; then a start of the real service with all of them: until it reads, and what memory it takes.
"""

import asyncio
import os
import random
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil

from benchmarks.material import make_report, own_redis, until
from services.notify.adapters.fan_out import FanOut
from services.notify.core.wanted import Wanted
from shared.bus import Bus
from shared.decision import news_of
from shared.endpoints import WebhookEndpoint
from shared.events import Country, RuleReference, Story, Tag, TaggedReport, tagged
from shared.names import Names
from shared.report_store import forwarded
from shared.subscriptions import Filter, Subscription, document_of

MANY, FEW = 100_000, 1_000
AT_ONCE = 10_000
REPORTS = 400
BIG_REPORTS = 12
TOPICS = ("aid", "displacement", "negotiations", "airspace_incursions")
COUNTRIES = ("SD", "UA", "TD", "YE", "SY", "ML", "ET", "CD", "SS", "MM")
WORDS = tuple(f"place{number}" for number in range(30_000))


def make_subscription(number: int, of: int, now: datetime) -> Subscription:
    """Return one of many: a tenth ask for the one word of the big reports, the others for some place."""
    chance = random.Random(number)
    query = "earthquake" if number < of // 10 else " OR ".join(chance.sample(WORDS, 2))
    more: dict[str, Any] = (
        {"topics": (chance.choice(TOPICS),)} if number % 3 == 0 and number >= of // 10 else {}
    )
    return Subscription(
        id=f"sub_{number:024x}",
        filter=Filter(query=query, **more),
        channel=WebhookEndpoint(type="webhook", url="https://hooks.example/x"),
        state="active",
        token_hash="0" * 64,
        secret="whsec_" + "A" * 44,
        created_at=now,
        changed_at=now,
    )


def make_tagged(number: int, now: datetime, big: bool) -> TaggedReport:
    chance = random.Random(number)
    report = make_report(number, now)
    words = ["earthquake"] if big else chance.sample(WORDS, 2)
    report = report.model_copy(update={"text": f"{report.text} {' '.join(words)}."})
    rule = RuleReference(id="bench", version=1)
    return TaggedReport(
        report=report,
        tags=tuple(Tag(topic=topic, score=1, rule=rule, evidence=()) for topic in chance.sample(TOPICS, 2)),
        countries=(Country(code=chance.choice(COUNTRIES)),),
        story=Story(id=report.id, position=1, sources=1),
        rulebook="bench",
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """Reports a second, matches a report, and the seconds that each report took."""

    rate: float
    matches: float
    seconds: list[float]


async def fan_out(bus: Bus, wanted: Wanted, reports: list[TaggedReport]) -> Figures:
    """Find and write for each report in turn, as notify's handler does."""
    fan, seconds, matches = FanOut(bus), [], 0
    for report in reports:
        started = time.perf_counter()
        document = document_of(report)
        wanting = wanted.find(document)
        await fan.tell(news_of(report, document), wanting)
        matches += len(wanting)
        seconds.append(time.perf_counter() - started)
    return Figures(len(reports) / sum(seconds), matches / len(reports), seconds)


async def with_subscriptions(url: str, count: int) -> tuple[Figures, Figures]:
    """Return the figures of ordinary reports and of big ones."""
    bus, now = Bus(url, Names(f"bench{count}:"), "bench"), datetime.now(UTC)
    await bus.connect()
    wanted = Wanted()
    for number in range(count):
        wanted.put(make_subscription(number, count, now))
    usual = [make_tagged(number, now, big=False) for number in range(REPORTS + 20)]
    big = [make_tagged(10_000 + number, now, big=True) for number in range(BIG_REPORTS)]
    await fan_out(bus, wanted, usual[REPORTS:])
    figures = await fan_out(bus, wanted, usual[:REPORTS]), await fan_out(bus, wanted, big)
    await bus.close()
    return figures


async def start_of_service(url: str) -> tuple[float, float]:
    """Return how many seconds `tocsin notify` takes until it has handled a report, and its memory in MB."""
    names, now = Names("start:"), datetime.now(UTC)
    bus = Bus(url, names, "bench")
    await bus.connect()
    for at in range(0, MANY, 1000):
        rows = {}
        for number in range(at, at + 1000):
            subscription = make_subscription(number, MANY, now)
            rows[subscription.id] = subscription.model_dump_json()
        await bus.redis.hset(names.subscriptions, mapping=rows)
    event = tagged(make_tagged(1, now, big=False), now)
    for command in forwarded(names, event, 86400).commands:
        await bus.redis.execute_command(*command)
    here = {"TOCSIN_REDIS_URL": url, "TOCSIN_KEY_PREFIX": names.prefix, "TOCSIN_LOG_LEVEL": "error"}
    started = time.perf_counter()
    command = [sys.executable, "-m", "cli.main", "notify"]
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | here, cwd="/tmp")

    async def handled() -> bool:
        if not await bus.redis.exists(names.tagged):
            return False
        groups = await bus.redis.xinfo_groups(names.tagged)
        return any(each["entries-read"] and each["pending"] == 0 for each in groups)

    try:
        await until(handled)
        seconds = time.perf_counter() - started
        memory = psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        process.terminate()
        await process.wait()
    await bus.close()
    return seconds, memory


def measure() -> None:
    """Print the figures."""
    with own_redis() as server:
        usual, big = asyncio.run(with_subscriptions(server.url, MANY))
        few, _ = asyncio.run(with_subscriptions(server.url, FEW))
        seconds, memory = asyncio.run(start_of_service(server.url))
    print(
        f"fan-out, {MANY:,} subscriptions, {usual.matches:.0f} matches a report: {usual.rate:,.0f} reports/s"
    )
    deliveries = big.rate * big.matches
    print(
        f"fan-out to {big.matches:,.0f}: {deliveries:,.0f} deliveries/s, the slowest report {max(big.seconds):.2f} s"
    )
    print(f"cost of a report against {FEW:,} subscriptions: {few.rate / usual.rate:.1f} times")
    print(
        f"tocsin notify with {MANY:,} subscriptions: reads after {seconds:.1f} s, {memory:.0f} MB", flush=True
    )


if __name__ == "__main__":
    measure()
