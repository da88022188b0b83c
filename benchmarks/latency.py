"""Published -> received at 20 reports a second, with classify and notify as processes of their own."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import quantiles

from aiohttp import web

from benchmarks.material import make_report, own_redis, until
from benchmarks.webhook_rate import subscription_to
from shared.bus import Bus
from shared.events import fields_of, published
from shared.names import Names
from shared.redis_server import free_port
from shared.subscription_store import SubscriptionStore

REPORTS = 400
A_SECOND = 20


@contextmanager
def _services(environment: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", "cli.main"]
    running = [
        subprocess.Popen([*command, name], env={**os.environ, **environment})
        for name in ("classify", "notify")
    ]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


async def latencies(redis_url: str) -> list[float]:
    """Return seconds from XADD to the webhook's arrival, one for each report."""
    received: dict[str, float] = {}

    async def take(request: web.Request) -> web.Response:
        received[(await request.json())["data"]["report"]["id"]] = time.time()
        return web.Response(status=204)

    http = web.Application()
    http.router.add_post("/hook", take)
    runner = web.AppRunner(http, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    bus = Bus(redis_url, Names(), "bench")
    await bus.connect()
    now = datetime.now(UTC)
    every_report = subscription_to(f"http://127.0.0.1:{port}/hook", 0, now)
    wanted = every_report.filter.model_copy(update={"query": "report"})
    await SubscriptionStore(bus).add(every_report.model_copy(update={"filter": wanted}))
    sent: dict[str, float] = {}

    async def publish(number: int) -> None:
        report = make_report(number, datetime.now(UTC))
        sent[report.id] = time.time()
        await bus.redis.xadd(bus.names.published, fields_of(published(report, datetime.now(UTC))))

    async def warm() -> bool:
        await publish(-1 & 0xFFFF)
        await asyncio.sleep(0.5)
        return bool(received)

    settings = {
        "TOCSIN_REDIS_URL": redis_url,
        "TOCSIN_ALLOW_HOSTS": "127.0.0.0/8",
        "TOCSIN_LOG_LEVEL": "error",
    }
    with _services(settings):
        await until(warm, 60)
        for number in range(REPORTS):
            await publish(number)
            await asyncio.sleep(1 / A_SECOND)

        async def all_there() -> bool:
            return len(received) > REPORTS

        await until(all_there, 60)
    await bus.close()
    await runner.cleanup()
    measured = {f"{number:024x}" for number in range(REPORTS)}
    return [received[report_id] - sent[report_id] for report_id in measured]


def measure() -> tuple[float, float]:
    """Return p50 and p99 in milliseconds."""
    with own_redis() as server:
        cuts = quantiles(asyncio.run(latencies(server.url)), n=100)
    return cuts[49] * 1000, cuts[98] * 1000
