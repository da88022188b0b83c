"""Reports a second through classify, against a bare redis-py loop with the same reads, acknowledgements and writes."""

import asyncio
import json
import time

import structlog
from redis.asyncio import Redis

from benchmarks.material import fill, own_redis, until
from services.classify.app import make_app
from services.classify.settings import ClassifySettings
from shared.names import Names
from shared.service import App

REPORTS = 10_000


async def ours(url: str) -> float:
    """Return reports a second of the real service."""
    names = Names("ours:")
    redis = Redis.from_url(url)
    await fill(redis, names.published, REPORTS)
    app: App = make_app(ClassifySettings(redis_url=url, key_prefix=names.prefix, log_level="error"))
    started = time.perf_counter()
    running = asyncio.create_task(app.run())

    async def done() -> bool:
        return bool(await redis.xlen(names.tagged) == REPORTS)

    await until(done)
    elapsed = time.perf_counter() - started
    app.stop()
    await running
    await redis.aclose()
    return REPORTS / elapsed


async def bare(url: str) -> float:
    """Return reports a second of a loop that reads, parses, writes the same keys, and tags nothing."""
    names = Names("bare:")
    redis = Redis.from_url(url)
    await fill(redis, names.published, REPORTS)
    await redis.xgroup_create(names.published, "bare", id="0")
    started = time.perf_counter()
    handled = 0
    while handled < REPORTS:
        [[_, rows]] = await redis.xreadgroup("bare", "one", {names.published: ">"}, count=100)
        pipe = redis.pipeline(transaction=True)
        for _, fields in rows:
            event = json.loads(fields[b"event"])
            report_id, body = event["subject"], json.dumps(event)
            pipe.xadd(names.tagged, {"type": "t", "id": event["id"], "topics": "", "event": body})
            pipe.hset(names.report(report_id), mapping={"revision": 1, "event": body})
            pipe.expire(names.report(report_id), 2_678_400)
            pipe.zadd(names.reports, {report_id: time.time()})
            pipe.zadd(names.reports_of("displacement"), {report_id: time.time()})
        pipe.xack(names.published, "bare", *(entry_id for entry_id, _ in rows))
        await pipe.execute()
        handled += len(rows)
    elapsed = time.perf_counter() - started
    await redis.aclose()
    return REPORTS / elapsed


def measure() -> tuple[str, float, float]:
    """Return what was measured, ours and the yardstick's rate."""
    with own_redis() as server:
        yardstick = asyncio.run(bare(server.url))
        return "reports through classify / bare redis-py loop", asyncio.run(ours(server.url)), yardstick


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    what, rate, yardstick = measure()
    print(f"{what}: {rate:,.0f}/s / {yardstick:,.0f}/s = {rate / yardstick:.2f}")
