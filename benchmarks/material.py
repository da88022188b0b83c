"""Reports of about 2 KB to measure with, and what runs around a measurement."""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from shared import redis_server
from shared.events import Report, Source, published, published_fields
from shared.redis_client import RedisClient
from shared.redis_server import RedisServer, free_port

SENTENCES = (
    "Officials met in the capital on Tuesday to discuss the budget for the coming year.",
    "Thousands of families fled their homes overnight and reached camps near the border.",
    "A convoy with food and medicine was allowed through the crossing after two days.",
    "Envoys of both sides agreed to resume talks on a ceasefire next week.",
    "The harvest was better than expected, and prices in the markets fell.",
    "Two fighter jets were scrambled after drones had entered the country's airspace.",
    "The museum reopened after a renovation that had taken four years.",
    "Engineers restored electricity to most districts by the evening.",
)


def make_report(number: int, now: datetime) -> Report:
    """Return a report of about 2 KB; the same number gives the same words."""
    chance = random.Random(number)
    text: list[str] = []
    while sum(map(len, text)) < 1600:
        text.append(chance.choice(SENTENCES))
    return Report(
        id=f"{number:024x}",
        url=f"https://news.example/{number}",
        title=f"Report {number}: {text[0][:60]}",
        summary=text[0],
        text=" ".join(text),
        language="en",
        published_at=now,
        fetched_at=now,
        source=Source(id="bench", title="Bench", feed_url="https://news.example/feed"),
    )


async def fill(redis: RedisClient, stream: str, reports: int) -> None:
    """Publish that many reports."""
    now = datetime.now(UTC)
    for start in range(0, reports, 500):
        pipe = redis.pipeline(transaction=False)
        for number in range(start, min(start + 500, reports)):
            pipe.xadd(stream, published_fields(published(make_report(number, now), now)))
        await pipe.execute()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 300) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


@contextmanager
def own_redis() -> Iterator[RedisServer]:
    """A Redis for one measurement."""
    with TemporaryDirectory() as folder:
        server = redis_server.start(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def sink(module: str = "benchmarks.sink") -> Iterator[str]:
    """The URL of a webhook receiver in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", module, str(port)])
    try:
        time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        process.terminate()
        process.wait()
