"""Deliveries that wait for a retry: bytes of Redis for each, and how long the due ones take to find."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from benchmarks.material import own_redis
from shared.bus import Bus
from shared.deliveries import DeliveryLog, after_attempt
from shared.delivery import Attempt, delivery_id, owed_report
from shared.names import Names

WAITING, SCALED_FROM = 100_000, 1_000_000
DUE = 100
SUBSCRIPTIONS = 1_000
# As dense as a million over a day.
SPAN = 86_400 * WAITING / SCALED_FROM


async def _measure(url: str) -> tuple[float, float, float]:
    bus, now = Bus(url, Names(), "bench"), datetime.now(UTC)
    await bus.connect()
    log = DeliveryLog(bus)
    before = (await bus.redis.info("memory"))["used_memory"]
    reports = [delivery_id("report", str(number))[4:] for number in range(WAITING // SUBSCRIPTIONS)]
    for subscription in range(SUBSCRIPTIONS):
        owner = f"sub_{subscription:024x}"
        owed = [owed_report(owner, report, now) for report in reports]
        await log.owe(owed)
        pipe = bus.redis.pipeline(transaction=False)
        for number, delivery in enumerate(owed):
            due = now + timedelta(seconds=(subscription * len(reports) + number) * SPAN / WAITING + 60)
            attempt = Attempt(now, "failed", "answered 503: Service Unavailable", 503, 12)
            for command in after_attempt(
                bus.names, delivery.after(attempt, "pending", due), bus.kept_seconds
            ):
                pipe.execute_command(*command)
        await pipe.execute()
    await bus.redis.xtrim(bus.names.deliveries, maxlen=0, approximate=False)
    each = ((await bus.redis.info("memory"))["used_memory"] - before) / WAITING
    started = time.perf_counter()
    some = await log.queue_due(now + timedelta(seconds=60 + DUE * SPAN / WAITING))
    few = time.perf_counter() - started
    started = time.perf_counter()
    more = await log.queue_due(now + timedelta(seconds=60 + 11 * DUE * SPAN / WAITING), limit=100_000)
    many = time.perf_counter() - started
    await bus.close()
    return each, few / max(1, some) * 1e6, many / max(1, more) * 1e6


def main() -> None:
    """Print bytes for each, and microseconds for each that is due."""
    with own_redis() as server:
        each, few, many = asyncio.run(_measure(server.url))
    print(
        f"{WAITING:,} waiting deliveries: {each:.0f} bytes each; "
        f"finding those that are due takes {few:.0f} us each of {DUE}, {many:.0f} us each of {10 * DUE}"
    )


if __name__ == "__main__":
    main()
