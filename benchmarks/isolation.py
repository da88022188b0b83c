"""1,000 endpoints, of which 300 hang until the time-out and 100 answer 500: what the other 600 notice of it.

First of reports that wait for a process which has to find out who is bad; then of those that wait for the next, where
that is known; then of reports that come one by one.
"""

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import structlog
import uvloop

from benchmarks.material import make_report, own_redis, sink
from benchmarks.webhook_rate import subscription_to, tagged_report
from services.notify.app import make_app
from services.notify.settings import NotifySettings
from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.delivery import owed_report
from shared.events import tagged
from shared.names import Names
from shared.report_store import forwarded
from shared.subscription_store import SubscriptionStore

GOOD, HANGING, REFUSING = 600, 300, 100
FIRST, THEN = 20, 100
STEADY, EVERY_SECONDS = 20, 0.5
ROUNDS = 3
TIMEOUT = 5.0
LOOK_SECONDS = 0.3
PREFIXES = ("good:", "bad:")


@dataclass(frozen=True)
class Seen:
    """What the good endpoints saw: deliveries a second of many reports; p99 in ms of those that come one by one."""

    first: float
    then: float
    p99: float


async def _run(redis_url: str, sink_url: str, *, bad: bool) -> Seen:
    names, now = Names(PREFIXES[bad]), datetime.now(UTC)
    bus = Bus(redis_url, names, "bench")
    await bus.connect()
    root = sink_url.rpartition("/")[0]
    # Who hangs is another host than who does not: connections are kept by host.
    hosts = {"ok": "127.0.0.1", "hang": "127.0.0.2", "500": "127.0.0.3"}
    kinds = ["ok"] * GOOD + (["hang"] * HANGING + ["500"] * REFUSING) * bad
    subscriptions = [
        subscription_to(f"{root.replace(hosts['ok'], hosts[kind])}/{kind}/{number}", number, now)
        for number, kind in enumerate(kinds)
    ]
    for subscription in subscriptions:
        await SubscriptionStore(bus).add(subscription)
    settings = NotifySettings(
        redis_url=redis_url,
        key_prefix=names.prefix,
        allow_hosts="127.0.0.0/8",
        attempt_timeout=TIMEOUT,
        retry_schedule="60,300",
        log_level="error",
    )
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    seen: list[tuple[str, float]] = []

    async def rate_of(reports: int) -> float:
        seen.clear()
        while len(seen) < GOOD * reports:
            if running.done():
                running.result()
            # The sink notes the times: to ask it often would only take from what is measured.
            await asyncio.sleep(LOOK_SECONDS)
            seen.extend(await asyncio.to_thread(_times, root))
        arrivals = [at for _, at in seen]
        return len(arrivals) / (max(arrivals) - min(arrivals))

    await _owe(bus, range(FIRST), len(subscriptions))
    app = make_app(settings)
    running = asyncio.create_task(app.run())
    first = await rate_of(FIRST)
    app.stop()
    await running
    await _owe(bus, range(FIRST, FIRST + THEN), len(subscriptions))
    app = make_app(settings)
    running = asyncio.create_task(app.run())
    then = await rate_of(THEN)
    owed_at: dict[str, float] = {}
    for number in range(FIRST + THEN, FIRST + THEN + STEADY):
        owed_at[make_report(number, now).id] = time.monotonic()
        await _owe(bus, [number], len(subscriptions))
        await asyncio.sleep(EVERY_SECONDS)
    await rate_of(STEADY)
    waits = sorted(at - owed_at[report] for report, at in seen)
    app.stop()
    await running
    await bus.close()
    return Seen(first, then, waits[int(len(waits) * 0.99)] * 1000)


async def _owe(bus: Bus, reports: Iterable[int], endpoints: int) -> None:
    now = datetime.now(UTC)
    for number in reports:
        for command in forwarded(bus.names, tagged(tagged_report(number, now), now), 86400).commands[1:]:
            await bus.redis.execute_command(*command)
        report = make_report(number, now).id
        await DeliveryLog(bus).owe(
            [owed_report(f"sub_{each:024x}", report, now) for each in range(endpoints)]
        )


def _times(root: str) -> list[tuple[str, float]]:
    with urllib.request.urlopen(f"http://{urlsplit(root).netloc}/times") as answer:
        return [(report, at) for report, at in json.load(answer)]


def main() -> None:
    """Print throughput and p99 with and without the bad ones, the best of some rounds in turn."""
    rounds: list[tuple[Seen, Seen]] = []
    for _ in range(ROUNDS):
        with own_redis() as server, sink() as url:
            without = uvloop.run(_run(server.url, url, bad=False))
            rounds.append((without, uvloop.run(_run(server.url, url, bad=True))))
    without, beside = (
        Seen(
            max(each.first for each in seen), max(each.then for each in seen), min(each.p99 for each in seen)
        )
        for seen in zip(*rounds, strict=True)
    )
    for what, ours, alone in (
        ("found at the start", beside.first, without.first),
        ("then", beside.then, without.then),
    ):
        print(
            f"600 good endpoints beside 400 bad ones, {what}: "
            f"{ours:,.0f}/s / {alone:,.0f}/s = {ours / alone:.2f}"
        )
    print(f"p99 {beside.p99:.0f} ms / {without.p99:.0f} ms = {beside.p99 / without.p99:.2f}")


if __name__ == "__main__":
    main()
