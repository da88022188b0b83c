"""Deliveries on a real Redis: owed once, tried by the schedule, given up, cancelled; nobody held up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from jinja2 import Environment

from services.notify.adapters.cases import Cases
from services.notify.adapters.deliverer import Deliverer
from services.notify.adapters.digests import Digests
from services.notify.adapters.renderer import Renderer
from services.notify.core.channel import DeliveryError, MailMessage, Sent, WebhookMessage
from shared.bus import Bus, Consumer
from shared.deliveries import DeliveryLog
from shared.delivery import Delivery, owed_message, owed_report
from shared.report_store import ReportStore
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import EmailEndpoint, Filter, Links, State, Subscription, WebhookEndpoint
from tests.builders import make_tagged, store_reports
from tests.processes import until

NOW = datetime.now(UTC)
SCHEDULE = (0.01, 0.01)


@dataclass
class FakeChannel:
    """Remembers what it was given; fails as it is told."""

    failure: DeliveryError | None = None
    hang: bool = False
    sent: list[str] = field(default_factory=list)

    async def send(
        self, message: WebhookMessage | MailMessage, endpoint: WebhookEndpoint | EmailEndpoint
    ) -> Sent:
        self.sent.append(message.id)
        if self.hang and isinstance(endpoint, WebhookEndpoint) and "slow" in endpoint.url:
            await asyncio.Event().wait()
        if self.failure:
            raise self.failure
        return Sent(204, "taken")


@dataclass
class Desk:
    """notify's delivering half, with a fake channel at its end."""

    bus: Bus
    channel: FakeChannel
    store: SubscriptionStore
    log: DeliveryLog
    consumer: Consumer

    async def subscribe(
        self, name: str = "s", state: State = "active", url: str = "https://ok.example/"
    ) -> Subscription:
        subscription = Subscription(
            id=f"sub_{name}",
            filter=Filter(topics=("displacement",)),
            channel=WebhookEndpoint(type="webhook", url=url),
            state=state,
            token_hash="",
            secret="whsec_" + "A" * 44,
            created_at=NOW,
            changed_at=NOW,
        )
        await self.store.add(subscription)
        return subscription

    async def owe(self, subscription: Subscription) -> Delivery:
        report = make_tagged(displacement=("fled",))
        await store_reports(self.bus, [report])
        delivery = owed_report(subscription.id, report.report.id, NOW)
        await self.log.owe([delivery])
        return delivery

    async def becomes(self, delivery: Delivery, state: str) -> None:
        async def is_so() -> bool:
            await self.log.queue_due(datetime.now(UTC) + timedelta(hours=1))
            found = await self.log.get(delivery.id)
            return found is not None and found.state == state

        await until(is_so, 20)

    async def outcomes(self, subscription: Subscription) -> list[str]:
        [(_, attempts)] = await self.log.newest(subscription.id)
        return [attempt.outcome for attempt in reversed(attempts)]


@pytest.fixture
async def desk(bus: Bus) -> AsyncIterator[Desk]:
    channel, subscriptions = FakeChannel(), SubscriptionStore(bus)
    renderer = Renderer(
        ReportStore(bus.redis, bus.names), Links("http://x", b"k"), "a@b.example", Environment(), Digests(bus)
    )
    deliverer = Deliverer(
        bus, subscriptions, Cases(bus), renderer, channel, channel, SCHEDULE, per_endpoint=2
    )
    consumer = bus.subscribe(bus.names.deliveries, "notify", deliverer.on_delivery, batch=10, concurrency=10)
    await consumer.ensure_group()
    await bus.broker.start()
    yield Desk(bus, channel, subscriptions, DeliveryLog(bus), consumer)
    await consumer.stop()


async def test_a_match_owes_one_delivery_however_often_it_is_found(bus: Bus) -> None:
    log = DeliveryLog(bus)
    delivery = owed_report("sub_a", "report", NOW)
    assert await log.owe([delivery, delivery]) == 1
    assert await log.owe([delivery]) == 0
    assert await bus.redis.xlen(bus.names.deliveries) == 1


async def test_a_delivery_that_is_due_later_is_queued_when_its_time_has_come(bus: Bus) -> None:
    log = DeliveryLog(bus)
    await log.owe([owed_report("sub_a", "report", NOW)])
    await bus.redis.xtrim(bus.names.deliveries, maxlen=0, approximate=False)
    delivery = owed_report("sub_a", "report", NOW)
    await bus.redis.zadd(bus.names.deliveries_later, {delivery.id: NOW.timestamp() + 60})
    assert await log.queue_due(NOW) == 0
    assert await log.queue_due(NOW + timedelta(seconds=61)) == 1
    [(_, fields)] = await bus.redis.xrange(bus.names.deliveries)
    assert fields[b"subscription"] == b"sub_a"


async def test_a_delivery_is_sent_and_logged(desk: Desk) -> None:
    subscription = await desk.subscribe()
    delivery = await desk.owe(subscription)
    await desk.becomes(delivery, "delivered")
    assert desk.channel.sent == [delivery.id]
    assert await desk.outcomes(subscription) == ["delivered"]


async def test_every_attempt_has_the_same_id_and_the_schedule_ends(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("answered 500", status=500)
    subscription = await desk.subscribe()
    delivery = await desk.owe(subscription)
    await desk.becomes(delivery, "given_up")
    assert desk.channel.sent == [delivery.id] * 3
    assert await desk.outcomes(subscription) == ["failed", "failed", "given_up"]


async def test_a_refusal_for_good_is_not_tried_again(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("127.0.0.1 is not a public address", permanent=True)
    delivery = await desk.owe(await desk.subscribe())
    await desk.becomes(delivery, "given_up")
    assert len(desk.channel.sent) == 1


async def test_an_endpoint_that_is_gone_disables_the_subscription(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("answered 410", status=410, gone=True)
    subscription = await desk.subscribe()
    await desk.becomes(await desk.owe(subscription), "given_up")
    found = await desk.store.get(subscription.id)
    assert found is not None
    assert (found.state, found.reason) == ("disabled", "the endpoint is gone: answered 410")


async def test_nothing_is_sent_after_a_removal(desk: Desk) -> None:
    subscription = await desk.subscribe()
    await desk.store.remove(subscription.id)
    delivery = await desk.owe(subscription)
    await desk.becomes(delivery, "cancelled")
    assert desk.channel.sent == []


async def test_a_test_event_that_is_answered_makes_the_subscription_active(desk: Desk) -> None:
    subscription = await desk.subscribe(state="pending")
    delivery = owed_message("confirm", subscription.id, "1", NOW)
    await desk.log.owe([delivery])
    await desk.becomes(delivery, "delivered")
    found = await desk.store.get(subscription.id)
    assert found is not None
    assert found.state == "active"


async def test_an_answer_from_an_endpoint_that_was_replaced_meanwhile_activates_nothing(desk: Desk) -> None:
    subscription = await desk.subscribe(state="pending", url="https://slow.example/")
    desk.channel.hang = True
    await desk.log.owe([owed_message("confirm", subscription.id, "1", NOW)])
    await until(lambda: bool(desk.channel.sent))
    moved = WebhookEndpoint(type="webhook", url="https://other.example/")
    await desk.store.update(subscription.id, lambda old: old.model_copy(update={"channel": moved}))
    deliverer = desk.consumer.handler.__self__  # type: ignore[attr-defined]
    await deliverer._activate(subscription)
    found = await desk.store.get(subscription.id)
    assert found is not None
    assert found.state == "pending"


async def test_a_slow_endpoint_does_not_hold_back_another(desk: Desk) -> None:
    desk.channel.hang = True
    slow = await desk.subscribe("slow", url="https://slow.example/")
    for _ in range(25):
        await desk.owe(slow)
    quick = await desk.subscribe("quick")
    delivery = await desk.owe(quick)
    await desk.becomes(delivery, "delivered")
    assert len(set(desk.channel.sent)) == 3


async def test_a_delivery_is_sent_once_though_its_queue_entry_came_twice(desk: Desk) -> None:
    delivery = await desk.owe(await desk.subscribe())
    await desk.becomes(delivery, "delivered")
    await desk.bus.redis.xadd(
        desk.bus.names.deliveries,
        {"id": delivery.id, "subscription": delivery.subscription, "report": delivery.report or ""},
    )
    last = (await desk.bus.redis.xinfo_stream(desk.bus.names.deliveries))["last-generated-id"]

    async def all_settled() -> bool:
        [group] = await desk.bus.redis.xinfo_groups(desk.bus.names.deliveries)
        return bool(group["last-delivered-id"] == last and group["pending"] == 0)

    await until(all_settled)
    assert desk.channel.sent == [delivery.id]
