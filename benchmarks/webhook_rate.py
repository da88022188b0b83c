"""Signed webhooks a second, from the queue to the log, against a bare aiohttp loop to the same endpoint."""

import asyncio
import secrets
import time
from datetime import UTC, datetime

import aiohttp
import structlog
import uvloop

from benchmarks.material import best_in_turn, make_report, own_redis, sink
from services.notify.app import make_app
from services.notify.core.message import webhook_body
from services.notify.settings import NotifySettings
from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.delivery import owed_report
from shared.endpoints import WebhookEndpoint
from shared.events import Story, TaggedReport, tagged
from shared.links import Links
from shared.names import Names
from shared.report_store import forwarded
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Filter, Matched, Subscription
from shared.webhook_keys import make_secret

REPORTS, SUBSCRIPTIONS = 200, 100
DELIVERIES = REPORTS * SUBSCRIPTIONS
FILTERS = 20
AT_ONCE = 100


def subscription_to(url: str, number: int, now: datetime) -> Subscription:
    """Return an active subscription; `number` makes its id."""
    return Subscription(
        id=f"sub_{number:024x}",
        filter=Filter(query=f"families OR word{number % FILTERS}"),
        channel=WebhookEndpoint(type="webhook", url=url),
        state="active",
        one_per_story=False,
        token_hash="",
        secret=make_secret(secrets.token_bytes(32)),
        created_at=now,
        changed_at=now,
    )


def tagged_report(number: int, now: datetime) -> TaggedReport:
    """Return a report that classify found nothing in."""
    report = make_report(number, now)
    return TaggedReport(report=report, story=Story(id=report.id, position=1, sources=1), rulebook="bench")


async def ours(redis_url: str, url: str) -> float:
    """Return webhooks a second of the real service at work, ledger and log included."""
    names, now = Names("ours:"), datetime.now(UTC)
    bus = Bus(redis_url, names, "bench")
    await bus.connect()
    subscriptions = [subscription_to(f"{url}/{number}", number, now) for number in range(SUBSCRIPTIONS)]
    for subscription in subscriptions:
        await SubscriptionStore(bus).add(subscription)
    for number in range(REPORTS):
        for command in forwarded(names, tagged(tagged_report(number, now), now), 86400).commands[1:]:
            await bus.redis.execute_command(*command)
        report = make_report(number, now).id
        await DeliveryLog(bus).owe(
            [owed_report(subscription.id, report, now) for subscription in subscriptions]
        )
    settings = NotifySettings(
        redis_url=redis_url,
        key_prefix=names.prefix,
        allow_hosts="127.0.0.0/8",
        deliver_concurrency=AT_ONCE,
        endpoint_concurrency=AT_ONCE,
        endpoint_rate=1_000_000,
        log_level="error",
    )
    app = make_app(settings)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    running = asyncio.create_task(app.run())

    async def settled() -> int:
        # Now and then: the asking is done in the process that is measured.
        await asyncio.sleep(0.05)
        groups = await bus.redis.xinfo_groups(names.deliveries)
        return sum(each["entries-read"] - each["pending"] for each in groups if each["entries-read"])

    # The yardstick's clock starts with its session open; ours when the service has begun.
    while not (first := await settled()):
        pass
    started = time.perf_counter()
    while await settled() < DELIVERIES:
        pass
    elapsed = time.perf_counter() - started
    app.stop()
    await running
    await bus.close()
    return (DELIVERIES - first) / elapsed


async def bare(url: str) -> float:
    """Return POSTs a second of aiohttp alone, bodies ready."""
    now = datetime.now(UTC)
    body = webhook_body(
        subscription_to(url, 0, now),
        tagged_report(1, now),
        Matched((), ()),
        Links("http://127.0.0.1", b"k"),
        now,
    )
    left = DELIVERIES

    async def post(session: aiohttp.ClientSession) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            async with session.post(url, data=body) as answer:
                await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:
        started = time.perf_counter()
        await asyncio.gather(*(post(session) for _ in range(AT_ONCE)))
    return DELIVERIES / (time.perf_counter() - started)


def measure() -> tuple[str, float, float]:
    """Return what was measured, ours and the yardstick's rate."""
    return "webhooks / bare aiohttp loop", *best_in_turn(_ours, _bare)


def _ours() -> float:
    with own_redis() as server, sink() as url:
        return uvloop.run(ours(server.url, url))


def _bare() -> float:
    with sink() as url:
        return asyncio.run(bare(url))


if __name__ == "__main__":
    what, rate, yardstick = measure()
    print(f"{what}: {rate:,.0f}/s / {yardstick:,.0f}/s = {rate / yardstick:.2f}")
