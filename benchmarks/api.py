"""/ and /v1/reports with 100,000 stored reports: requests a second, and p99 at 50 a second while reports come in."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import quantiles

import aiohttp

from benchmarks.material import make_report, own_redis, until
from shared.bus import Bus
from shared.catalogue import TopicSummary, write_catalogue
from shared.events import Evidence, RuleReference, Story, Tag, TaggedReport, tagged
from shared.names import Names
from shared.redis_server import free_port
from shared.report_store import forwarded

STORED = 100_000
SECONDS = 5
CONNECTIONS = 16
A_SECOND = 50
COMING = 5
TOPICS = ("aid", "airspace_incursions", "displacement", "negotiations")
PATHS = ("/", "/v1/reports")


def _commands(number: int, now: datetime) -> list[tuple[object, ...]]:
    """What classify writes for a report; one in three has a topic, as with real feeds."""
    # Making text is the slow part: a thousand texts will do.
    report = make_report(number % 1000, now).model_copy(update={"id": f"{number:024x}"})
    evidence = Evidence(field="title", start=0, end=6, text=report.title[:6])
    topic = TOPICS[number % 4]
    rule = RuleReference(id=f"{topic}.x", version=1)
    tags = (Tag(topic=topic, score=1, rule=rule, evidence=(evidence,)),) if number % 3 == 0 else ()
    story = Story(id=report.id, position=1, sources=1)
    whole = TaggedReport(report=report, tags=tags, story=story, rulebook="bench")
    return list(forwarded(Names(), tagged(whole, now), 86400).commands)


async def store_reports(bus: Bus, first: int, reports: int) -> None:
    started = datetime.now(UTC) - timedelta(days=1)
    for start in range(first, first + reports, 1000):
        pipe = bus.redis.pipeline(transaction=False)
        for number in range(start, min(start + 1000, first + reports)):
            for command in _commands(number, started + timedelta(seconds=number / 2)):
                pipe.execute_command(*command)
        await pipe.execute()


@contextmanager
def api_process(redis_url: str) -> Iterator[str]:
    port = free_port()
    settings = {
        "TOCSIN_REDIS_URL": redis_url,
        "TOCSIN_HTTP_PORT": str(port),
        "TOCSIN_LOG_LEVEL": "error",
        "TOCSIN_READS_PER_MINUTE": "10000000",
    }
    process = subprocess.Popen([sys.executable, "-m", "cli.main", "api"], env={**os.environ, **settings})
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def _rate(http: aiohttp.ClientSession, path: str) -> float:
    """Requests a second that are answered to as many connections as ask without a pause."""
    answered = 0
    end = time.monotonic() + SECONDS

    async def ask() -> None:
        nonlocal answered
        while time.monotonic() < end:
            async with http.get(path, headers={"Accept-Encoding": "identity"}) as answer:
                answer.raise_for_status()
                await answer.read()
                answered += 1

    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    return answered / SECONDS


async def _waits(http: aiohttp.ClientSession, path: str, bus: Bus) -> list[float]:
    """Seconds that each of 50 requests a second waits for its answer, while reports are tagged beside it."""
    waits: list[float] = []

    async def ask() -> None:
        asked = time.monotonic()
        async with http.get(path) as answer:
            await answer.read()
        waits.append(time.monotonic() - asked)

    asking = []
    started = time.monotonic()
    for number in range(A_SECOND * SECONDS):
        asking.append(asyncio.create_task(ask()))
        if number % (A_SECOND // COMING) == 0:
            await store_reports(bus, STORED + int(time.time() * 1000) % 10**9, 1)
        await asyncio.sleep(max(0, started + (number + 1) / A_SECOND - time.monotonic()))
    await asyncio.gather(*asking)
    return waits


async def _measure(redis_url: str) -> dict[str, tuple[float, float]]:
    bus = Bus(redis_url, Names(), "bench")
    await bus.connect()
    await write_catalogue(
        bus.redis,
        bus.names,
        tuple(TopicSummary(id=id, title=id, description="", languages=("en",), rules=()) for id in TOPICS),
    )
    await store_reports(bus, 0, STORED)
    with api_process(redis_url) as base:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS * 4)
        async with aiohttp.ClientSession(base, connector=connector) as http:

            async def answers() -> bool:
                try:
                    async with http.get("/livez") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await until(answers, 30)
            found = {}
            for path in PATHS:
                rate = await _rate(http, path)
                found[path] = (rate, quantiles(await _waits(http, path, bus), n=100)[98])
    await bus.close()
    return found


def measure() -> dict[str, tuple[float, float]]:
    """Return by path: requests a second, and the 99th percentile in seconds at 50 a second."""
    with own_redis() as server:
        return asyncio.run(_measure(server.url))
