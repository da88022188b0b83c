"""1,000 endpoints, of which 300 hang until the time-out and 100 answer 500: what the other 600 notice of it."""

import asyncio
import json
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import structlog
import uvloop

from benchmarks.material import make_report, own_redis, sink, until
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
BURST = 20
STEADY, EVERY_SECONDS = 20, 0.5
ROUNDS = 3
TIMEOUT = 5.0
LOOK_SECONDS = 0.3


@dataclass(frozen=True)
class Seen:
    """What the good endpoints saw: deliveries a second of a burst; p99 in ms of reports that come one by one."""

    rate: float
    p99: float


async def _run(redis_url: str, sink_url: str, *, bad: bool) -> Seen:
    names, now = Names("bad:" if bad else "good:"), datetime.now(UTC)
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
    owed_at: dict[str, float] = {}

    async def owe(number: int) -> None:
        report = make_report(number, now)
        for command in forwarded(names, tagged(tagged_report(number, now), now), 86400).commands[1:]:
            await bus.redis.execute_command(*command)
        owed_at[report.id] = time.monotonic()
        await DeliveryLog(bus).owe([owed_report(each.id, report.id, now) for each in subscriptions])

    settings = NotifySettings(
        redis_url=redis_url,
        key_prefix=names.prefix,
        allow_hosts="127.0.0.0/8",
        attempt_timeout=TIMEOUT,
        retry_schedule="60,300",
        log_level="error",
    )
    app = make_app(settings)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    for number in range(BURST):
        await owe(number)
    seen: list[tuple[str, float]] = []

    async def all_arrived() -> bool:
        if running.done():
            running.result()
        # The sink notes the times: to ask it often would only take from what is measured.
        await asyncio.sleep(LOOK_SECONDS)
        seen.extend(await asyncio.to_thread(_times, root))
        return len(seen) >= GOOD * len(owed_at)

    running = asyncio.create_task(app.run())
    await until(all_arrived)
    arrivals = [at for _, at in seen]
    rate = len(arrivals) / (max(arrivals) - min(arrivals))
    seen.clear()
    owed_at.clear()
    for number in range(BURST, BURST + STEADY):
        await owe(number)
        await asyncio.sleep(EVERY_SECONDS)
    await until(all_arrived)
    waits = sorted(at - owed_at[report] for report, at in seen)
    app.stop()
    await running
    await bus.close()
    return Seen(rate, waits[int(len(waits) * 0.99)] * 1000)


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
        Seen(max(each.rate for each in seen), min(each.p99 for each in seen))
        for seen in zip(*rounds, strict=True)
    )
    print(
        f"600 good endpoints beside 400 bad ones: {beside.rate:,.0f}/s / {without.rate:,.0f}/s = "
        f"{beside.rate / without.rate:.2f}; p99 {beside.p99:.0f} ms / {without.p99:.0f} ms = "
        f"{beside.p99 / without.p99:.2f}"
    )


if __name__ == "__main__":
    main()
