"""A digest of 50 reports to 10,000 subscribers by mail: how fast, how often it is built, and what memory it takes."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import structlog
import uvloop

from benchmarks.fanout import make_tagged
from benchmarks.mail_rate import mail_sink
from benchmarks.material import own_redis
from services.notify.adapters.fan_out import FanOut
from services.notify.app import make_app
from services.notify.settings import NotifySettings
from shared.bus import Bus
from shared.decision import news_of, terms_of
from shared.endpoints import EmailEndpoint
from shared.events import tagged
from shared.names import Names
from shared.report_store import forwarded
from shared.schedule import Schedule
from shared.subscriptions import Filter, Subscription, document_of

READERS, REPORTS = 10_000, 50


def reader(number: int, now: datetime) -> Subscription:
    """One of many who want the same, each by a name of one's own."""
    return Subscription(
        id=f"sub_{number:024x}",
        name=f"Desk {number}",
        filter=Filter(query="earthquake"),
        channel=EmailEndpoint(type="email", address=f"duty{number}@example.org"),
        schedule=Schedule(mode="hourly"),
        state="active",
        token_hash="0" * 64,
        created_at=now,
        changed_at=now,
    )


async def hold(bus: Bus, now: datetime) -> None:
    """Let 50 reports of some hours ago be held for a digest that is due by now."""
    readers = [reader(number, now - timedelta(days=1)) for number in range(READERS)]
    rows: dict[str, Any] = {each.id: each.model_dump_json() for each in readers}
    await bus.redis.hset(bus.names.subscriptions, mapping=rows)
    terms = [terms_of(each) for each in readers]
    seen = now - timedelta(hours=2)
    fan_out = FanOut(bus, lambda: seen)
    for number in range(REPORTS):
        report = make_tagged(number, seen, big=True)
        for command in forwarded(bus.names, tagged(report, seen), 86400).commands[1:]:
            await bus.redis.execute_command(*command)
        await fan_out.tell(news_of(report, document_of(report)), terms)


async def run(redis_url: str, smtp_port: int) -> str:
    """Return the figures in words."""
    names, now = Names("digest:"), datetime.now(UTC)
    bus = Bus(redis_url, names, "bench")
    await bus.connect()
    await hold(bus, now)
    settings = NotifySettings(
        redis_url=redis_url, key_prefix=names.prefix, smtp_url=f"smtp://127.0.0.1:{smtp_port}",
        mail_rate=1e6, log_level="error",
    )  # fmt: skip
    app, process, memory = make_app(settings), psutil.Process(), []
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    running, started = asyncio.create_task(app.run()), time.perf_counter()
    redis_before = (await bus.redis.info("memory"))["used_memory"]
    while True:
        await asyncio.sleep(0.2)
        if not await bus.redis.exists(names.deliveries):
            continue
        groups = await bus.redis.xinfo_groups(names.deliveries)
        done = sum((group["entries-read"] or 0) - group["pending"] for group in groups)
        memory += [process.memory_info().rss] if done >= READERS // 10 else []
        if done >= READERS:
            break
    rate = READERS / (time.perf_counter() - started)
    grown = (await bus.redis.info("memory"))["used_memory"] - redis_before
    contents = await bus.redis.keys(names.digest_content("[0-9a-f]" * 24))
    app.stop()
    await running
    await bus.close()
    return (
        f"digest of {REPORTS} reports to {READERS:,}: {rate:,.0f} mails/s, built {len(contents)} times; the process "
        f"grew by {(max(memory) - memory[0]) / 1e6:.1f} MB after the first tenth, Redis by {grown / 1e6:.1f} MB"
    )


def main() -> None:
    """Print the figures."""
    with own_redis() as server, mail_sink() as port:
        print(uvloop.run(run(server.url, port)))


if __name__ == "__main__":
    main()
