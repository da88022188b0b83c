"""Reports of about 2 KB to measure with, and what runs around a measurement."""

import asyncio
import random
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from shared import redis_server
from shared.events import Report, Source, fields_of, published
from shared.redis_client import RedisClient
from shared.redis_server import RedisServer, free_port

ROUNDS = 3
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


EVERYDAY = (
    "The council approved a new budget for schools and libraries on Monday evening after a short debate.",
    "Researchers at the university said the material could make batteries lighter and cheaper within a decade.",
    "Shares in the carmaker rose by four per cent after it reported higher sales in Germany and Japan.",
    "“We did not expect so many visitors,” said the director, whose museum reopened in the spring.",
    "The film, shot in Portugal over two summers, tells the story of a fisherman and his daughters.",
    "Forecasters expect rain in the north and clear skies along the coast until the weekend.",
    "The company’s chief executive will step down next year and be succeeded by the head of finance.",
    "Farmers say that the harvest was better than last year’s, although prices for wheat remain low.",
    "A study of 4,000 patients found no link between the medicine and the illness, the authors wrote.",
    "The striker scored twice in the second half and his team moved up to third place in the table.",
    "Prosecutors asked the court for more time to read the documents that the bank had handed in.",
    "Passengers waited for hours at the main station because a tree had fallen on the line.",
    "The painting, which hung in a kitchen for forty years, was sold at auction for a record sum.",
    "Inflation slowed to 2.3 per cent in March, the statistics office said in its monthly bulletin.",
    "The mayor opened the new bridge with a bicycle ride, followed by some two hundred children.",
    "Engineers found cracks in the dam during a routine inspection and lowered the water by a metre.",
    "The café on the corner, loved by students, closes at the end of the month after 35 years.",
    "Astronomers in Chile have seen a planet that circles two stars, the journal reports this week.",
    "A jury awarded the prize to a novel about three sisters who run a bakery in Brazil.",
    "The ministry of health advised older people to drink enough and to avoid the midday sun.",
    "Italy and Spain lead the group after the first round of matches, ahead of Sweden and Norway.",
    "House prices fell for the third month in a row, mostly in the larger cities of the south.",
    "The orchestra begins its season with a symphony that was thought lost until two years ago.",
    "Police are looking for witnesses of a burglary in the old town on Saturday night.",
    "The airline will fly from Dublin to Toronto twice a week from May, with smaller aircraft.",
    "Teachers welcomed the plan but said that it would take more staff to carry it out.",
    "“It’s a good day for the region,” the governor told reporters at the opening of the plant.",
    "The software had been tested for a year before doctors began to use it in three hospitals.",
    "Volunteers cleared the beach of plastic and counted more than nine hundred bottles.",
    "The library lends tools, games and seeds as well as books, and lately musical instruments.",
)
TOPICAL = (SENTENCES[1], SENTENCES[2], SENTENCES[3], SENTENCES[5])


def long_report(number: int, *, topical: int | None) -> str:
    """A report of about 800 words, so many of its sentences on topic (None: every one); the same each time."""
    chance = random.Random(number)
    text: list[str] = []
    while sum(sentence.count(" ") + 1 for sentence in text) < 800:
        text.append(chance.choice(TOPICAL if topical is None else EVERYDAY))
    for sentence in chance.sample(TOPICAL, topical or 0):
        text[chance.randrange(len(text))] = sentence
    paragraphs = (text[start : start + 4] for start in range(0, len(text), 4))
    return "\n\n".join(map(" ".join, paragraphs))


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
            pipe.xadd(stream, fields_of(published(make_report(number, now), now)))
        await pipe.execute()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 300) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


def best_in_turn(first: Callable[[], float], second: Callable[[], float]) -> tuple[float, float]:
    """Return the best rate of each, measured in turn: what else the machine does meets both."""
    rates = [(first(), second()) for _ in range(ROUNDS)]
    return max(rate for rate, _ in rates), max(rate for _, rate in rates)


@contextmanager
def own_redis() -> Iterator[RedisServer]:
    """A Redis for one measurement."""
    with TemporaryDirectory() as folder:
        server = redis_server.start(Path(folder))
        try:
            yield server
        finally:
            server.stop()


def wait_for(port: int) -> None:
    """Wait until somebody listens there."""
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)):
            time.sleep(0.05)


@contextmanager
def sink() -> Iterator[str]:
    """The URL of a webhook receiver in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.sink", str(port)])
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        process.terminate()
        process.wait()
