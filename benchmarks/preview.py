"""POST /v1/preview over 15,000 stored reports: how long each kind of filter takes, by HTTP."""

import asyncio
import time
from statistics import median
from typing import Any

import aiohttp

from benchmarks.api import TOPICS, api_process, store_reports
from benchmarks.material import own_redis, until
from shared.bus import Bus
from shared.catalogue import TopicSummary, write_catalogue
from shared.names import Names

STORED = 15_000
TIMES = 5
WISHES: dict[str, dict[str, Any]] = {
    "a topic": {"topics": ["aid"]},
    "a word of a few": {"query": "fisherman"},
    "a word of nearly all": {"query": "the"},
    "a phrase": {"query": '"food and medicine"'},
    "near": {"query": "families NEAR/8 (fled OR reached) NOT museum*"},
    "near, of nearly all": {"query": "the NEAR/8 of"},
}


async def _measure(redis_url: str) -> dict[str, tuple[int, float]]:
    bus = Bus(redis_url, Names(), "bench")
    await bus.connect()
    titles = (
        TopicSummary(id=topic, title=topic, description="", languages=("en",), rules=()) for topic in TOPICS
    )
    await write_catalogue(bus.redis, bus.names, tuple(titles))
    await store_reports(bus, 0, STORED)
    found = {}
    with api_process(redis_url) as address:
        async with aiohttp.ClientSession(address) as http:

            async def unlimited() -> None:
                """Forget how often was asked."""
                for key in await bus.redis.keys(f"{bus.names.prefix}limit:*"):
                    await bus.redis.delete(key)

            async def ask(wish: dict[str, Any]) -> tuple[int, Any]:
                async with http.post("/v1/preview", json={"filter": wish}) as answer:
                    return answer.status, await answer.json()

            async def is_ready() -> bool:
                await unlimited()
                try:
                    return (await ask({"topics": ["aid"]}))[0] == 200
                except aiohttp.ClientError:
                    return False

            await until(is_ready, 120)
            for name, wish in WISHES.items():
                await unlimited()
                seconds = []
                for _ in range(TIMES):
                    began = time.perf_counter()
                    status, preview = await ask(wish)
                    seconds.append(time.perf_counter() - began)
                    assert status == 200, preview
                found[name] = (preview["matched"], median(seconds))
    await bus.close()
    return found


def measure() -> dict[str, tuple[int, float]]:
    """Return, for each kind of filter, how many reports matched and the median time in seconds."""
    with own_redis() as store:
        return asyncio.run(_measure(store.url))


def main() -> None:
    """Print the times."""
    for name, (matched, seconds) in measure().items():
        print(
            f"preview of {STORED:,} reports, {name}: {matched:,} match, {seconds * 1000:.0f} ms", flush=True
        )


if __name__ == "__main__":
    main()
