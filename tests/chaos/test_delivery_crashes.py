"""Promise 3: whatever is killed, what is owed is delivered or on the log as given up, with one webhook-id."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared import redis_server
from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.delivery import Delivery, owed_report
from shared.endpoints import WebhookEndpoint
from shared.names import Names
from shared.redis_server import RedisServer
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Filter, Subscription
from shared.webhook_keys import make_secret
from tests.builders import make_tagged, store_reports
from tests.processes import Services, WebhookSink, until

NAMES = Names("chaos:")
SEED = 20261122


@dataclass
class Load:
    """notify under load: a receiver that fails now and then, and a Redis that can be killed."""

    folder: Path
    redis: RedisServer
    services: Services
    sink: WebhookSink
    bus: Bus

    async def subscribe(self, who: str) -> Subscription:
        self.sink.secrets[who] = make_secret(bytes(32))
        now = datetime.now(UTC)
        subscription = Subscription(
            id=f"sub_{who}",
            filter=Filter(topics=("displacement",)),
            channel=WebhookEndpoint(type="webhook", url=self.sink.url(who)),
            state="active",
            token_hash="",
            secret=self.sink.secrets[who],
            created_at=now,
            changed_at=now,
        )
        await SubscriptionStore(self.bus).add(subscription)
        return subscription

    async def owe(self, subscription: Subscription, count: int) -> list[Delivery]:
        reports = [make_tagged(displacement=("fled",)) for _ in range(count)]
        await store_reports(self.bus, reports)
        owed = [owed_report(subscription.id, each.report.id, datetime.now(UTC)) for each in reports]
        await DeliveryLog(self.bus).owe(owed)
        return owed

    async def states(self, owed: list[Delivery]) -> set[str]:
        found = await DeliveryLog(self.bus).many([each.id for each in owed])
        return {each.state if each else "lost" for each in found}

    def kill_redis(self) -> None:
        self.redis.process.kill()
        self.redis.process.wait()
        self.redis = redis_server.start(self.folder / "redis", port=self.redis.port)


@pytest.fixture
async def load(tmp_path: Path) -> AsyncIterator[Load]:
    redis, sink = redis_server.start(tmp_path / "redis"), WebhookSink()
    await sink.start()
    services = Services(
        tmp_path,
        {
            "TOCSIN_REDIS_URL": redis.url,
            "TOCSIN_KEY_PREFIX": NAMES.prefix,
            "TOCSIN_ALLOW_HOSTS": "127.0.0.0/8",
            "TOCSIN_RECLAIM_AFTER": "1",
            "TOCSIN_RETRY_SCHEDULE": ",".join(["0.5"] * 40),
            "TOCSIN_MAX_DELIVERIES": "200",
        },
    )
    bus = Bus(redis.url, NAMES, "test")
    await bus.connect()
    load = Load(tmp_path, redis, services, sink, bus)
    yield load
    services.end()
    await bus.close()
    await sink.stop()
    load.redis.stop()


async def _survive(load: Load, kills: int) -> None:
    chance = random.Random(SEED)
    steady, flaky, removed = [await load.subscribe(who) for who in ("steady", "flaky", "removed")]
    owed = []
    load.services.start("notify")
    for number in range(kills):
        owed += await load.owe(steady, 40) + await load.owe(flaky, 20)
        before = len(load.sink.received)
        load.sink.status = 503 if number % 3 == 1 else 204
        await until(lambda before=before: len(load.sink.received) > before + chance.randrange(20), 30)  # type: ignore[misc]
        load.services.kill("notify")
        if number % 5 == 1:
            load.kill_redis()
        load.services.start("notify")
    load.sink.status = 204
    last = await load.owe(removed, 50)
    await SubscriptionStore(load.bus).remove(removed.id)

    async def all_done() -> bool:
        return await load.states(owed) == {"delivered"} and "pending" not in await load.states(last)

    await until(all_done, 60)
    assert await load.states(last) <= {"cancelled", "delivered"}
    told = {subscription.id: load.sink.reports(subscription.id) for subscription in (steady, flaky)}
    for each in owed:
        # However often: one id.
        assert told[each.subscription][each.report or ""] == {each.id}
    assert load.sink.refused == 0


async def test_what_is_owed_is_delivered_whatever_is_killed(load: Load) -> None:
    await _survive(load, kills=2)


@pytest.mark.soak
async def test_what_is_owed_is_delivered_after_fifty_kills(load: Load) -> None:
    await _survive(load, kills=50)
