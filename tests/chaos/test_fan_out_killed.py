"""notify is killed while it tells ten thousand subscribers of a report: each is told once all the same."""

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.bus import Bus
from shared.delivery import delivery_id
from shared.endpoints import WebhookEndpoint
from shared.events import Story, TaggedReport
from shared.names import Names
from shared.subscriptions import Filter, Subscription
from tests.builders import make_report, make_tagged, store_reports
from tests.processes import Services, until

SOME, MANY = 3_000, 10_000
SEED = 7


def make_subscription(number: int, now: datetime) -> Subscription:
    """Every tenth takes an hourly digest; what is sent at once fails for good: the address is not a public one."""
    return Subscription.model_validate(
        {
            "id": f"sub_{number}",
            "filter": Filter(query="families"),
            "channel": WebhookEndpoint(type="webhook", url="https://127.0.0.1/hook"),
            "state": "active",
            "schedule": {"mode": "instant" if number % 10 else "hourly"},
            "token_hash": "",
            "secret": "whsec_" + "A" * 44,
            "created_at": now,
            "changed_at": now,
        }
    )


async def told(bus: Bus) -> Counter[str]:
    """How often each delivery was queued, or put into a digest."""
    queued = Counter(fields[b"id"].decode() for _, fields in await bus.redis.xrange(bus.names.deliveries))
    digests = [key async for key in bus.redis.scan_iter(f"{bus.names.digest('')}*", count=10_000)]
    pipe = bus.redis.pipeline(transaction=False)
    for key in digests:
        pipe.lrange(key, 0, -1)
    queued.update(each.decode() for held in await pipe.execute() for each in held)
    return queued


async def digests_go_out(bus: Bus) -> None:
    """Let every digest be due now: the service that runs queues each once."""
    members = await bus.redis.zrange(bus.names.digests_due, 0, -1)
    await bus.redis.zadd(bus.names.digests_due, dict.fromkeys(members, 1))

    async def none_is_due() -> bool:
        return not await bus.redis.zcard(bus.names.digests_due)

    await until(none_is_due)
    queued = Counter(fields[b"id"] for _, fields in await bus.redis.xrange(bus.names.deliveries))
    assert members
    assert {queued[member.split()[0]] for member in members} == {1}


async def kill_in_fan_outs(bus: Bus, services: Services, many: int, kills: int) -> list[int]:
    now, chance = datetime.now(UTC), random.Random(SEED)
    rows = {each.id: each.model_dump_json() for each in (make_subscription(n, now) for n in range(many))}
    await bus.redis.hset(bus.names.subscriptions, mapping=rows)
    reports: list[TaggedReport] = []
    written: list[int] = []
    services.start("notify")
    for number in range(kills):
        before = await bus.redis.xlen(bus.names.deliveries)
        enough = before + chance.randrange(50, many * 8 // 10)
        report = make_report(published_at=now, fetched_at=datetime.now(UTC))
        story = Story(id=f"story{number}", position=1, sources=1)
        reports.append(make_tagged(report).model_copy(update={"story": story}))
        await store_reports(bus, reports[-1:], moment=datetime.now(UTC))

        async def in_the_middle(enough: int = enough) -> bool:
            return int(await bus.redis.xlen(bus.names.deliveries)) >= enough

        await until(in_the_middle)
        services.kill("notify")
        written.append(await bus.redis.xlen(bus.names.deliveries) - before)
        services.start("notify")
    expected = {delivery_id(f"sub_{n}", each.report.id) for each in reports for n in range(many)}

    async def all_told() -> bool:
        [group] = await bus.redis.xinfo_groups(bus.names.tagged)
        newest = (await bus.redis.xinfo_stream(bus.names.tagged))["last-generated-id"]
        return bool(group["pending"] == 0 and group["last-delivered-id"] == newest)

    await until(all_told, 120)
    counted = await told(bus)
    assert counted.keys() == expected
    assert set(counted.values()) == {1}
    await digests_go_out(bus)
    print("written when killed:", written)
    return written


@pytest.fixture
def services(tmp_path: Path, redis_url: str, names: Names):
    services = Services(
        tmp_path,
        {
            "TOCSIN_REDIS_URL": redis_url,
            "TOCSIN_KEY_PREFIX": names.prefix,
            "TOCSIN_RECLAIM_AFTER": "0.3",
            "TOCSIN_MAX_DELIVERIES": "50",
            "TOCSIN_LOG_LEVEL": "error",
        },
    )
    yield services
    services.end()


async def test_a_fan_out_that_is_killed_reaches_each_subscription_once(bus: Bus, services: Services) -> None:
    await kill_in_fan_outs(bus, services, SOME, kills=1)


@pytest.mark.soak
async def test_ten_fan_outs_that_are_killed_reach_each_subscription_once(
    bus: Bus, services: Services
) -> None:
    written = await kill_in_fan_outs(bus, services, MANY, kills=10)
    assert sum(0 < each < MANY * 9 // 10 for each in written) >= 5
