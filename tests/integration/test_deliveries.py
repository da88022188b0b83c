"""Deliveries on a real Redis: owed once, tried by the schedule, given up, cancelled; nobody held up."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.notify.adapters.active import ActiveSubscriptions
from services.notify.adapters.cases import Cases
from services.notify.adapters.deliverer import Deliverer, Job
from services.notify.adapters.fan_out import FanOut
from services.notify.adapters.mail_budget import MailBudget
from services.notify.core.channel import DeliveryError, MailMessage, Sent, WebhookMessage
from services.notify.core.lanes import CLOSED_AFTER, Held, Lane, Lanes
from services.notify.core.outcome import after_success
from shared.bus import Bus
from shared.consumer import Consumer
from shared.dead_letters import DeadLetters
from shared.deliveries import (
    WAITS_SECONDS,
    DeliveryLog,
    after_attempt,
    endpoint_id,
    hold_for_digest,
    put_off,
)
from shared.delivery import (
    MOVE_KINDS,
    TO_FALLBACK,
    TOLD_BY_FALLBACK,
    Attempt,
    Delivery,
    digest_id,
    owed_message,
    owed_report,
)
from shared.endpoints import ChatEndpoint, EmailEndpoint, WebhookEndpoint
from shared.entries import Entry
from shared.holdings import erase_held
from shared.redis_client import at_once
from shared.schedule import Schedule
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Filter, State, Subscription
from tests.builders import make_tagged, store_reports
from tests.delivering import make_deliverer
from tests.processes import until

NOW = datetime.now(UTC)
SCHEDULE = (0.01, 0.01)


@dataclass
class FakeChannel:
    """Remembers what it was given; fails as it is told."""

    failure: DeliveryError | None = None
    failure_of_second: DeliveryError | None = None
    hang: bool = False
    sent: list[str] = field(default_factory=list)
    to: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(
        self, message: WebhookMessage | MailMessage, endpoint: WebhookEndpoint | EmailEndpoint
    ) -> Sent:
        self.sent.append(message.id)
        self.bodies.append(message.body if isinstance(message, WebhookMessage) else b"")
        self.to.append(endpoint.url if isinstance(endpoint, WebhookEndpoint) else endpoint.address)
        if self.hang and isinstance(endpoint, WebhookEndpoint) and "slow" in endpoint.url:
            await self.go_on.wait()
        failure = self.failure_of_second if self.to[-1].startswith("https://second") else self.failure
        if failure:
            raise failure
        return Sent(204, "taken")


@dataclass
class Desk:
    """notify's delivering half, with a fake channel at its end."""

    bus: Bus
    channel: FakeChannel
    store: SubscriptionStore
    log: DeliveryLog
    consumer: Consumer
    deliverer: Deliverer
    active: ActiveSubscriptions

    async def subscribe(
        self, name: str = "s", state: State = "active", url: str = "https://ok.example/", **more: object
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
            **more,
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
            await self.log.release_due(datetime.now(UTC) + timedelta(hours=1), 10, 1)
            found = await self.log.get(delivery.id)
            return found is not None and found.state == state

        await until(is_so, 20)

    async def has_failed_since(self, url: str, ago: timedelta) -> None:
        """As if all processes had seen it fail for so long."""
        key = self.bus.names.failing(endpoint_id(url))
        await self.bus.redis.set(key, (datetime.now(UTC) - ago).timestamp())
        for lane in self.lanes():
            lane.failing_since = 0

    async def stored(self, subscription: Subscription) -> Subscription:
        found = await self.store.get(subscription.id)
        assert found is not None
        return found

    def lanes(self) -> list[Lane[Any]]:
        return list(self.deliverer.endpoints._lanes._kept.values())

    def reopen(self) -> None:
        """Ask the endpoint again at once, and go on doing so."""
        for lane in self.lanes():
            lane.open_from, lane.failures = 0, -100

    async def outcomes(self, subscription: Subscription) -> list[str]:
        [delivery] = await self.log.newest(subscription.id)
        return [attempt.outcome for attempt in reversed(delivery.log)]


@pytest.fixture
async def desk(bus: Bus) -> AsyncIterator[Desk]:
    channel, subscriptions = FakeChannel(), SubscriptionStore(bus)
    cases = Cases(bus)
    deliverer = make_deliverer(bus, cases, channel, SCHEDULE)
    active = ActiveSubscriptions(bus, subscriptions, deliverer.changed)
    background = [active.follow(), deliverer.hold_what_cannot_go()]
    following = asyncio.gather(*background)
    consumer = Consumer(bus, bus.names.deliveries, "notify", deliverer.on_deliveries, batch=10)
    await consumer.ensure_group()
    await bus.broker.start()
    yield Desk(bus, channel, subscriptions, DeliveryLog(bus), consumer, deliverer, active)
    following.cancel()
    await consumer.stop()


async def test_an_entry_that_names_no_delivery_is_a_dead_letter_at_once(desk: Desk) -> None:
    for fields in ({"id": b"\xff"}, {"nothing": "ours"}):
        await desk.bus.redis.xadd(desk.bus.names.deliveries, fields)
    letters = DeadLetters(desk.bus.redis, desk.bus.names)

    async def both() -> bool:
        return [(each.deliveries, "not ours" in each.reason) async for each in letters.list()] == [
            (1, True)
        ] * 2

    await until(both)


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
    for command in put_off(bus.names, delivery, NOW + timedelta(seconds=60), NOW):
        await bus.redis.execute_command(*command)
    assert (await log.queue_due(NOW), await log.waiting()) == (0, 1)
    assert await log.queue_due(NOW + timedelta(seconds=62)) == 1
    [(_, fields)] = await bus.redis.xrange(bus.names.deliveries)
    assert (fields[b"id"].decode(), await log.waiting()) == (delivery.id, 0)


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
    await desk.deliverer.ledger.standing.activate(subscription)
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
    assert len(set(desk.channel.sent)) == 2


async def test_a_delivery_is_sent_once_though_its_queue_entry_came_twice(desk: Desk) -> None:
    delivery = await desk.owe(await desk.subscribe())
    await desk.becomes(delivery, "delivered")
    await desk.bus.redis.xadd(
        desk.bus.names.deliveries,
        {"id": delivery.id},
    )
    last = (await desk.bus.redis.xinfo_stream(desk.bus.names.deliveries))["last-generated-id"]

    async def all_settled() -> bool:
        [group] = await desk.bus.redis.xinfo_groups(desk.bus.names.deliveries)
        return bool(group["last-delivered-id"] == last and group["pending"] == 0)

    await until(all_settled)
    assert desk.channel.sent == [delivery.id]


SECOND = {
    "fallback": WebhookEndpoint(type="webhook", url="https://second.example/"),
    "fallback_confirmed": True,
    "fallback_after": 15,
}


async def test_an_endpoint_that_failed_for_days_is_switched_off_and_the_second_channel_is_told(
    desk: Desk,
) -> None:
    desk.channel.failure = DeliveryError("answered 500", status=500)
    subscription = await desk.subscribe(**SECOND)
    await desk.has_failed_since("https://ok.example/", timedelta(days=4, hours=23))
    await desk.becomes(await desk.owe(subscription), "given_up")
    assert (await desk.stored(subscription)).state == "active"
    desk.reopen()
    await desk.has_failed_since("https://ok.example/", timedelta(days=5))
    await desk.becomes(await desk.owe(subscription), "cancelled")
    found = await desk.stored(subscription)
    assert found.state == "disabled"
    assert "every attempt since" in found.reason
    await until(lambda: "https://second.example/" in desk.channel.to)
    [notice] = [each for each in await desk.log.newest(subscription.id) if each.kind == "notice"]
    assert "answered 500" in notice.note


async def test_the_second_channel_is_told_of_what_an_endpoint_that_is_gone_has_missed(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("answered 410", status=410, gone=True)
    subscription = await desk.subscribe(**SECOND)
    missed = await desk.owe(subscription)
    await desk.becomes(missed, "given_up")
    assert (await desk.stored(subscription)).state == "disabled"
    [[member, due]] = await desk.bus.redis.zrange(desk.bus.names.digests_due, 0, -1, withscores=True)
    assert await desk.bus.redis.lrange(desk.bus.names.digest(member.split()[0].decode()), 0, -1) == [
        missed.id.encode()
    ]
    await FanOut(desk.bus).queue_digests(datetime.fromtimestamp(due, UTC))
    digest = await desk.log.get(member.split()[0].decode())
    assert digest
    await desk.becomes(digest, "delivered")


@pytest.mark.parametrize("state", ["disabled", "pending"])
async def test_the_second_channel_is_told_of_all_that_waited_when_the_first_was_switched_off(
    desk: Desk, state: State
) -> None:
    subscription = await desk.subscribe(**SECOND, state=state)
    owed = [await desk.owe(subscription) for _ in range(3)]
    for each in owed:
        await desk.becomes(each, "cancelled")
    assert await FanOut(desk.bus).queue_digests(datetime.now(UTC) + timedelta(minutes=16)) == 1
    await until(lambda: "https://second.example/" in desk.channel.to)
    assert json.loads(desk.channel.bodies[-1])["data"]["digest"]["count"] == 3


async def test_one_that_was_just_switched_on_again_is_not_switched_off_for_what_was_before(
    desk: Desk,
) -> None:
    desk.channel.failure = DeliveryError("answered 500", status=500)
    subscription = await desk.subscribe()
    await desk.becomes(await desk.owe(subscription), "given_up")
    [lane] = desk.lanes()
    # As another process has left it: a test has passed there since.
    lane.failing_since, lane.said_failing_at = time.time() - 6 * 86400, time.time()
    await desk.bus.redis.delete(desk.bus.names.failing(lane.name))
    desk.reopen()
    await desk.becomes(await desk.owe(subscription), "given_up")
    assert (await desk.stored(subscription)).state == "active"


async def test_a_mail_about_a_move_that_was_called_off_is_not_sent(desk: Desk) -> None:
    subscription = await desk.subscribe()
    for kind in MOVE_KINDS:
        asks = owed_message(kind, subscription.id, "now", NOW)
        await desk.log.owe([asks])
        await desk.becomes(asks, "cancelled")
    assert desk.channel.sent == []


async def test_a_second_channel_that_is_gone_is_taken_off_the_alert(desk: Desk) -> None:
    subscription = await desk.subscribe(**SECOND | {"fallback_confirmed": False})
    desk.channel.failure_of_second = DeliveryError("answered 410", status=410, gone=True)
    asks = owed_message("confirm", subscription.id, "now", NOW, TO_FALLBACK)
    await desk.log.owe([asks])
    await desk.becomes(asks, "given_up")
    found = await desk.stored(subscription)
    assert (found.state, found.fallback) == ("active", None)
    assert found.reason == "its second channel was taken off: the endpoint is gone: answered 410"


async def test_a_second_channel_that_fails_for_days_is_taken_off_as_well(desk: Desk) -> None:
    desk.channel.failure = desk.channel.failure_of_second = DeliveryError("answered 500", status=500)
    subscription = await desk.subscribe(**SECOND)
    await desk.becomes(await desk.owe(subscription), "given_up")
    await desk.has_failed_since("https://second.example/", timedelta(days=6))
    assert await FanOut(desk.bus).queue_digests(datetime.now(UTC) + timedelta(minutes=31)) == 1

    async def taken_off() -> bool:
        return (await desk.stored(subscription)).fallback is None

    await until(taken_off)
    assert (await desk.stored(subscription)).state == "active"


async def test_one_success_ends_a_row_of_failures(desk: Desk) -> None:
    subscription = await desk.subscribe()
    await desk.has_failed_since("https://ok.example/", timedelta(days=5))
    await desk.becomes(await desk.owe(subscription), "delivered")
    assert await desk.bus.redis.exists(desk.bus.names.failing(endpoint_id("https://ok.example/"))) == 0


async def test_what_the_first_channel_missed_goes_to_the_second_as_a_digest_marked_late(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("answered 500", status=500)
    subscription = await desk.subscribe(**SECOND)
    for _ in range(2):
        await desk.becomes(await desk.owe(subscription), "given_up")
        # How a closed lane catches up is another test's.
        desk.reopen()
    assert await FanOut(desk.bus).queue_digests(datetime.now(UTC) + timedelta(minutes=15)) == 1
    await until(lambda: "https://second.example/" in desk.channel.to)
    [digest] = [each for each in await desk.log.newest(subscription.id) if each.kind == "digest"]
    await desk.becomes(digest, "delivered")
    body = json.loads(desk.channel.bodies[-1])
    assert body["data"]["digest"]["count"] == 2
    assert "late" in body["data"]["subscription"]["name"]
    assert body["data"]["late"] is True


async def attempted(desk: Desk, delivery: Delivery) -> datetime:
    """When it is tried again, after the first attempt has failed."""

    async def is_so() -> bool:
        found = await desk.log.get(delivery.id)
        return bool(found and found.attempts)

    await until(is_so)
    found = await desk.log.get(delivery.id)
    assert found
    assert found.next_attempt_at
    return found.next_attempt_at


async def test_the_second_channel_does_not_wait_for_an_attempt_that_is_hours_away(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("answered 503", status=503, retry_after=36000, overloaded=True)
    subscription, start = await desk.subscribe(**SECOND), datetime.now(UTC)
    assert await attempted(desk, await desk.owe(subscription)) > start + timedelta(hours=9)
    assert await FanOut(desk.bus).queue_digests(start + timedelta(minutes=14)) == 0
    assert await FanOut(desk.bus).queue_digests(start + timedelta(minutes=31)) == 1
    await until(lambda: "https://second.example/" in desk.channel.to)


async def test_whoever_is_erased_is_told_nothing_by_the_second_channel(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("answered 503", status=503, retry_after=36000)
    subscription, other = await desk.subscribe(**SECOND), await desk.subscribe("other", **SECOND)
    for each in (subscription, other):
        desk.reopen()
        await attempted(desk, await desk.owe(each))
    await desk.store.remove(subscription.id)
    await erase_held(desk.bus, subscription.id)
    assert await FanOut(desk.bus).queue_digests(datetime.now(UTC) + timedelta(minutes=31)) == 1
    assert await desk.log.newest(subscription.id) == []


async def test_what_arrives_before_the_second_channel_is_told_is_not_told_there(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("answered 503", status=503, retry_after=3000)
    subscription = await desk.subscribe(**SECOND)
    back, missed = await desk.owe(subscription), await desk.owe(subscription)
    for each in (back, missed):
        desk.reopen()
        await attempted(desk, each)
    found = await desk.log.get(back.id)
    assert found
    for command in after_attempt(
        desk.bus.names, after_success(found, Sent(204, ""), datetime.now(UTC), 1), 3600, []
    ):
        await desk.bus.redis.execute_command(*command)
    assert await FanOut(desk.bus).queue_digests(datetime.now(UTC) + timedelta(minutes=31)) == 1
    await until(lambda: "https://second.example/" in desk.channel.to)
    assert json.loads(desk.channel.bodies[-1])["data"]["digest"]["count"] == 1


async def test_a_second_channel_that_has_not_answered_yet_is_told_when_it_has(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("answered 500", status=500, permanent=True)
    subscription = await desk.subscribe(**SECOND)
    await desk.becomes(await desk.owe(subscription), "given_up")
    other = EmailEndpoint(type="email", address="second@example.org")

    async def change(**to: object) -> None:
        await desk.store.update(subscription.id, lambda old: old.model_copy(update=to))
        desk.deliverer.changed(subscription.id)

    await change(fallback=other, fallback_confirmed=False)
    assert await FanOut(desk.bus).queue_digests(datetime.now(UTC) + timedelta(minutes=31)) == 1
    await until(lambda: desk.log.waiting(), 20)
    assert other.address not in desk.channel.to
    desk.channel.failure = None
    await change(fallback_confirmed=True)
    [digest] = [each for each in await desk.log.newest(subscription.id) if each.kind == "digest"]
    await desk.becomes(digest, "delivered")
    assert desk.channel.to[-1] == other.address


async def test_what_a_receiver_wants_never_is_no_failure_and_is_told_nowhere_else(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("answered 400 (webhook-delivery: abort-message)", unwanted=True)
    subscription = await desk.subscribe(**SECOND)
    await desk.has_failed_since("https://ok.example/", timedelta(days=6))
    old = owed_report(subscription.id, (await desk.owe(subscription)).report or "", NOW)
    tried = replace(old, id="dlv_old").after(
        Attempt(NOW - timedelta(days=9), "failed", "answered 500"), "pending"
    )
    await desk.log.owe([tried])
    await desk.becomes(tried, "given_up")
    for _ in range(CLOSED_AFTER):
        await desk.becomes(await desk.owe(subscription), "given_up")
    assert (await desk.stored(subscription)).state == "active"
    assert desk.lanes()[0].failures == 0
    assert await desk.bus.redis.zcard(desk.bus.names.digests_due) == 0


async def test_the_second_channel_is_told_of_what_waits_for_an_endpoint_that_is_not_asked(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("no answer within 15 s", overloaded=True)
    subscription = await desk.subscribe(**SECOND)
    await desk.has_failed_since("https://ok.example/", timedelta(minutes=15))
    owed = [await desk.owe(subscription) for _ in range(12)]

    async def told() -> bool:
        return all(each and each.note for each in await desk.log.many([one.id for one in owed]))

    await until(told)
    assert len(desk.channel.sent) < 12
    assert await FanOut(desk.bus).queue_digests(datetime.now(UTC) + timedelta(minutes=15)) == 1
    await until(lambda: "https://second.example/" in desk.channel.to)
    assert json.loads(desk.channel.bodies[-1])["data"]["digest"]["count"] == 12
    desk.channel.failure, desk.lanes()[0].open_from = None, 0
    for each in owed:
        await desk.becomes(each, "delivered")
    caught_up = [json.loads(body)["data"] for body in desk.channel.bodies if b'"report.matched"' in body]
    assert [data.get("late") for data in caught_up[-12:]] == [True] * 12


async def test_only_what_waits_for_an_endpoint_that_is_left_in_peace_is_told_meanwhile(desk: Desk) -> None:
    subscription = await desk.subscribe(**SECOND)
    delivery = await desk.owe(subscription)
    [case] = await desk.deliverer.cases.find([delivery.id], time.monotonic())
    assert case
    assert case.wanting
    lane: Lane[Any] = desk.deliverer.endpoints.lane(subscription.channel)
    lane.failing_since, lane.open_from = time.time() - 7200, time.monotonic() - 1
    # Open, with too much in it: another process may have reached it since then.
    assert desk.deliverer.ledger.told_while_waiting(lane, case, case.wanting) == []
    lane.open_from = time.monotonic() + 60
    assert desk.deliverer.ledger.told_while_waiting(lane, case, case.wanting) != []


@pytest.mark.parametrize(
    ("minutes", "failure", "count"),
    [
        (15, DeliveryError("the mail server took longer than 20 s"), 1),
        (0, DeliveryError("the mail server took longer than 20 s"), 1),
        (0, DeliveryError("answered 550: no such user", permanent=True, status=550, only_this=True), 1),
        (0, DeliveryError("answered 450: later", status=450, only_this=True), 1),
    ],
)
async def test_the_second_channel_is_told_of_mails_that_the_relay_does_not_take(
    desk: Desk, minutes: int, failure: DeliveryError, count: int
) -> None:
    desk.channel.failure = failure
    subscription = await desk.subscribe(**SECOND)
    mail = EmailEndpoint(type="email", address="duty@example.org")
    await desk.store.update(subscription.id, lambda old: old.model_copy(update={"channel": mail}))
    desk.deliverer.courier.mail_budget = MailBudget(desk.bus, 100)
    await desk.has_failed_since("mail", timedelta(minutes=minutes))
    await desk.becomes(await desk.owe(subscription), "given_up")
    assert await desk.bus.redis.zcard(desk.bus.names.digests_due) == count
    assert (await desk.stored(subscription)).state == "active"


async def test_a_digest_that_the_first_channel_missed_goes_to_the_second_with_all_it_holds(
    desk: Desk,
) -> None:
    desk.channel.failure = DeliveryError("answered 500", status=500)
    subscription, due = await desk.subscribe(**SECOND), datetime.now(UTC)
    await desk.has_failed_since("https://ok.example/", timedelta(minutes=15))
    for tagged in (make_tagged(displacement=("fled",)) for _ in range(2)):
        await store_reports(desk.bus, [tagged])
        held = replace(owed_report(subscription.id, tagged.report.id, due), state="held", next_attempt_at=due)
        await desk.log.owe([held])
        names, first = desk.bus.names, digest_id(subscription.id, due)
        await at_once(desk.bus.redis, *hold_for_digest(names, held.id, first, due, subscription.id))
    assert await FanOut(desk.bus).queue_digests(due) == 1
    missed = await desk.log.get(first)
    assert missed
    await desk.becomes(missed, "given_up")
    assert await FanOut(desk.bus).queue_digests(datetime.now(UTC) + timedelta(minutes=15)) == 1
    await until(lambda: "https://second.example/" in desk.channel.to)
    assert json.loads(desk.channel.bodies[-1])["data"]["digest"]["count"] == 2


async def test_what_is_held_together_is_held_though_another_process_has_settled_the_first(bus: Bus) -> None:
    deliverer = make_deliverer(bus, Cases(bus), FakeChannel(), SCHEDULE)
    consumer = Consumer(bus, bus.names.deliveries, "notify", deliverer.on_deliveries, batch=10)
    await consumer.ensure_group()
    for number in range(3):
        await bus.redis.xadd(bus.names.deliveries, {"id": f"dlv_{number}"})
    [(_, rows)] = await bus.redis.xreadgroup("notify", "one", {bus.names.deliveries: ">"})
    jobs = tuple(Job(Entry(bus.names.deliveries, raw.decode(), fields)) for raw, fields in rows)
    await bus.redis.xack(bus.names.deliveries, "notify", rows[0][0])
    lane: Lane[Any] = deliverer.endpoints.lane(WebhookEndpoint(type="webhook", url="https://ok.example/"))
    lane.open_from = time.monotonic() + 3000
    deliverer._consumer = consumer
    deliverer._hold([Held(lane, jobs, 0)])

    async def nothing_is_in_hand() -> bool:
        return (await bus.redis.xpending(bus.names.deliveries, "notify"))["pending"] == 0

    await until(nothing_is_in_hand)
    assert await bus.redis.lrange(bus.names.held(lane.name), 0, -1) == [b"dlv_1", b"dlv_2"]
    [(_, look_at)] = await bus.redis.zrange(bus.names.endpoints_held, 0, -1, withscores=True)
    assert look_at < time.time() + 32, "others may try it sooner than this process does"


async def test_a_chat_is_sent_one_message_at_a_time_and_about_one_a_second(bus: Bus) -> None:
    chat = ChatEndpoint(type="chat", service="slack", url="https://hooks.slack.com/services/x")
    lane: Lane[str] = make_deliverer(bus, Cases(bus), FakeChannel(), SCHEDULE).endpoints.lane(chat)
    lanes, starts, now = Lanes[str](10), list[float](), 0.0
    for item in "abcde":
        lanes.put(lane, item)
    while len(starts) < 5:
        while turn := lanes.next_turn(now):
            starts.append(now)
            assert lanes.next_turn(now) is None
            turn[0].succeeded()
            lanes.done(turn[0])
        list(lanes.overflow(now))
        now += 0.25
    assert starts == [0, 0, 1, 2, 3]


async def test_one_process_keeps_none_waiting_for_an_endpoint_that_is_well_elsewhere(bus: Bus) -> None:
    log, names = DeliveryLog(bus), bus.names
    await bus.redis.xgroup_create(names.deliveries, "notify", id="0", mkstream=True)
    await bus.redis.set(names.well("well"), 1)
    for endpoint in ("well", "dead"):
        await bus.redis.xadd(names.deliveries, {"id": "dlv_1"})
        [(_, [(raw, _)])] = await bus.redis.xreadgroup("notify", "one", {names.deliveries: ">"})
        assert await log.hold("notify", [(raw.decode(), "dlv_1", endpoint, 1e12, f"sub_{endpoint}")]) == 1
    assert await bus.redis.hgetall(names.waits) == {b"sub_dead": b"dead"}
    assert await bus.redis.zscore(names.endpoints_held, "well") < time.time() + 2
    assert 0 < await bus.redis.ttl(names.waits) <= WAITS_SECONDS


async def test_one_that_waits_for_its_endpoint_is_queued_again_once(bus: Bus) -> None:
    log, names = DeliveryLog(bus), bus.names
    failed = owed_report("sub_a", "report", NOW).after(Attempt(NOW, "failed"), "pending")
    await log.owe([failed])
    await bus.redis.xtrim(names.deliveries, maxlen=0, approximate=False)
    await bus.redis.rpush(names.held("dead"), failed.id)
    for _ in range(2):
        await log.retry_now([failed], "dead")
        assert await bus.redis.xlen(names.deliveries) == 1
    assert not await bus.redis.exists(names.held("dead"))


async def test_a_test_is_what_a_closed_endpoint_is_tried_by(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("answered 500", status=500)
    subscription = await desk.subscribe()
    owed = [await desk.owe(subscription) for _ in range(30)]

    async def all_wait() -> bool:
        return await desk.log.waiting() == len(owed)

    await until(all_wait)
    desk.channel.failure, asked = None, owed_message("test", subscription.id, "now", NOW)
    await desk.log.owe([asked])
    await until(lambda: desk.channel.sent[CLOSED_AFTER:][:1] == [asked.id], 5)


async def test_a_change_while_rows_are_in_hand_marks_nothing_for_the_endpoint_it_had(desk: Desk) -> None:
    lane = desk.deliverer.endpoints.lane(WebhookEndpoint(type="webhook", url="https://ok.example/"))
    desk.deliverer._to_hold = [(lane, ("1-1", "dlv_1", "dead", 1.0, each)) for each in ("sub_a", "sub_b")]
    desk.deliverer.changed("sub_a")
    assert [row[4] for _, row in desk.deliverer._to_hold] == ["", "sub_b"]


async def test_what_goes_on_coming_puts_no_endpoint_off(bus: Bus) -> None:
    log, names = DeliveryLog(bus), bus.names
    await bus.redis.xgroup_create(names.deliveries, "notify", id="0", mkstream=True)
    for look_at in (1000, 2000):
        entry = await bus.redis.xadd(names.deliveries, {"id": "dlv_1"})
        await bus.redis.xreadgroup("notify", "one", {names.deliveries: ">"})
        await log.hold("notify", [(entry.decode(), "dlv_1", "dead", look_at, "")])
        assert await bus.redis.zscore(names.endpoints_held, "dead") == 1000


async def test_what_is_held_just_as_its_endpoint_becomes_well_does_not_stay_there(bus: Bus) -> None:
    deliverer, names = make_deliverer(bus, Cases(bus), FakeChannel(), SCHEDULE), bus.names
    consumer = Consumer(bus, names.deliveries, "notify", deliverer.on_deliveries, batch=10)
    await consumer.ensure_group()
    await bus.redis.xadd(names.deliveries, {"id": "dlv_1"})
    [(_, [(raw, fields)])] = await bus.redis.xreadgroup("notify", "one", {names.deliveries: ">"})
    lane: Lane[Any] = deliverer.endpoints.lane(WebhookEndpoint(type="webhook", url="https://ok.example/"))
    lane.succeeded()
    deliverer._consumer = consumer
    deliverer._hold([Held(lane, (Job(Entry(names.deliveries, raw.decode(), fields)),), 0)])

    async def it_is_queued_again() -> bool:
        return [each[b"id"] for _, each in await bus.redis.xrange(names.deliveries)] == [b"dlv_1", b"dlv_1"]

    await until(it_is_queued_again)
    assert not await bus.redis.zcard(names.endpoints_held)


async def test_what_changes_while_it_is_read_is_not_known_afterwards(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription, cases = await desk.subscribe(), Cases(desk.bus)
    read = desk.bus.redis.hmget

    async def changed_meanwhile(*args: Any) -> Any:
        rows = await read(*args)
        cases.changed(subscription.id)
        return rows

    monkeypatch.setattr(desk.bus.redis, "hmget", changed_meanwhile)
    assert await cases.wanting(subscription.id, time.monotonic())
    assert cases.last_known(subscription.id) is None
    monkeypatch.undo()
    assert await cases.wanting(subscription.id, time.monotonic())
    assert cases.last_known(subscription.id)
    cases.changed(subscription.id)
    assert cases.last_known(subscription.id) is None


async def test_a_dead_endpoint_is_left_in_peace_and_catches_up_when_it_is_back(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("no answer within 15 s", overloaded=True)
    subscription = await desk.subscribe()
    owed = [await desk.owe(subscription) for _ in range(30)]

    async def held() -> bool:
        return await desk.bus.redis.llen(desk.bus.names.held(endpoint_id("https://ok.example/"))) > 20

    await until(held)
    assert len(desk.channel.sent) == CLOSED_AFTER
    desk.channel.failure = None
    [lane] = desk.lanes()
    lane.open_from = 0
    for each in owed:
        await desk.becomes(each, "delivered")
    assert await desk.log.waiting() == 0
    assert await desk.bus.redis.exists(desk.bus.names.well(lane.name))


async def test_reports_for_an_endpoint_that_keeps_others_waiting_are_not_queued(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("no answer within 15 s", overloaded=True)
    subscription, names = await desk.subscribe(), desk.bus.names
    waiting = names.held(endpoint_id("https://ok.example/"))
    owed = list[Delivery]()

    async def one_more_tells_what_becomes_of_the_next() -> bool:
        owed.append(await desk.owe(subscription))
        return bool(await desk.bus.redis.hexists(names.waits, subscription.id))

    await until(one_more_tells_what_becomes_of_the_next)
    queued, held = await desk.bus.redis.xlen(names.deliveries), await desk.bus.redis.llen(waiting)
    owed.append(await desk.owe(subscription))
    assert await desk.bus.redis.xlen(names.deliveries) == queued
    assert await desk.bus.redis.llen(waiting) == held + 1
    desk.channel.failure = None
    [lane] = desk.lanes()
    lane.open_from = 0
    for each in owed:
        await desk.becomes(each, "delivered")
    assert not await desk.bus.redis.zcard(names.endpoints_held)
    queued = await desk.bus.redis.xlen(names.deliveries)
    await desk.becomes(await desk.owe(subscription), "delivered")
    assert await desk.bus.redis.xlen(names.deliveries) == queued + 1


async def test_a_subscription_that_has_changed_does_not_wait_for_the_endpoint_it_had(desk: Desk) -> None:
    subscription, names = await desk.subscribe(), desk.bus.names
    await desk.bus.redis.zadd(names.endpoints_held, {"dead": 1e12})
    await desk.bus.redis.hset(names.waits, subscription.id, "dead")
    owed = await desk.owe(subscription)
    assert await desk.bus.redis.lrange(names.held("dead"), 0, -1) == [owed.id.encode()]
    moved = WebhookEndpoint(type="webhook", url="https://other.example/")
    await desk.store.update(subscription.id, lambda old: old.model_copy(update={"channel": moved}))

    async def forgotten() -> bool:
        return not await desk.bus.redis.hexists(names.waits, subscription.id)

    await until(forgotten)
    await desk.owe(subscription)
    await until(lambda: desk.channel.to == ["https://other.example/"])


async def test_what_waits_for_a_dead_endpoint_goes_to_the_one_that_replaced_it(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("no answer within 15 s", overloaded=True)
    subscription = await desk.subscribe()
    owed = [await desk.owe(subscription) for _ in range(30)]

    async def all_wait() -> bool:
        return await desk.log.waiting() == len(owed)

    await until(all_wait)
    desk.channel.failure = None
    moved = WebhookEndpoint(type="webhook", url="https://other.example/")
    await desk.store.update(subscription.id, lambda old: old.model_copy(update={"channel": moved}))
    await until(lambda: desk.channel.to.count("https://other.example/") >= 27)


async def test_all_that_waits_is_told_to_the_second_channel_once_it_is_time(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("answered 500", status=500)
    subscription = await desk.subscribe(**SECOND)
    owed = [await desk.owe(subscription) for _ in range(30)]

    async def all_wait() -> bool:
        return await desk.log.waiting() == len(owed)

    await until(all_wait)
    await desk.has_failed_since("https://ok.example/", timedelta(minutes=16))
    [lane] = desk.lanes()
    lane.open_from = 0
    owed.append(await desk.owe(subscription))

    async def all_told() -> bool:
        found = await desk.log.many([each.id for each in owed if each.id not in desk.channel.sent])
        return all(each and each.note == TOLD_BY_FALLBACK for each in found)

    await until(all_told)


async def test_what_is_erased_while_it_is_on_its_way_stays_so(desk: Desk) -> None:
    desk.channel.hang = True
    subscription = await desk.subscribe("slow", url="https://slow.example/")
    owed = await desk.owe(subscription)
    await until(lambda: bool(desk.channel.sent))
    await desk.store.remove(subscription.id)
    await erase_held(desk.bus, subscription.id)
    desk.channel.go_on.set()
    await until(lambda: not desk.consumer.in_hand)
    assert await desk.log.get(owed.id) is None


async def test_one_that_takes_few_a_second_is_asked_for_before_it_may_take_the_next(desk: Desk) -> None:
    subscription, names = await desk.subscribe(), desk.bus.names
    await desk.becomes(await desk.owe(subscription), "delivered")
    [lane] = desk.lanes()
    await desk.bus.redis.zadd(names.endpoints_held, {lane.name: 1e12})
    await desk.bus.redis.hset(names.waits, subscription.id, lane.name)
    await desk.owe(subscription)
    lane.rate = 0.4
    lane.start(time.monotonic())
    lane.under_way -= 1
    assert lane.opens_at(0) > time.monotonic() + 1
    desk.deliverer._refill(lane)
    await until(lambda: len(desk.channel.sent) == 2, 20)


async def test_what_another_process_held_is_asked_for_as_soon_as_its_endpoint_answers(desk: Desk) -> None:
    subscription, names, endpoint = await desk.subscribe(), desk.bus.names, endpoint_id("https://ok.example/")
    await desk.bus.redis.zadd(names.endpoints_held, {endpoint: 0})
    await desk.bus.redis.hset(names.waits, subscription.id, endpoint)
    owed = [await desk.owe(subscription) for _ in range(30)]
    assert await desk.log.waiting() == 30
    assert await desk.log.release_due(datetime.now(UTC), 5, 1000) == 5

    async def all_delivered() -> bool:
        found = await desk.log.many([each.id for each in owed])
        return all(each and each.state == "delivered" for each in found)

    await until(all_delivered, 20)
    assert not await desk.bus.redis.zcard(names.endpoints_held)


async def test_none_is_sent_after_a_removal_but_those_under_way(desk: Desk) -> None:
    desk.channel.hang = True
    subscription = await desk.subscribe("slow", url="https://slow.example/")
    owed = [await desk.owe(subscription) for _ in range(30)]
    await until(lambda: bool(desk.channel.sent))
    await until(lambda: len(desk.active.wanted) == 1)
    await desk.store.remove(subscription.id)
    await until(lambda: len(desk.active.wanted) == 0)
    begun = len(desk.channel.sent)
    desk.channel.go_on.set()
    for each in owed[begun:]:
        await desk.becomes(each, "cancelled")
    assert len(desk.channel.sent) == begun


async def test_what_waited_for_an_endpoint_that_hangs_goes_to_the_one_that_replaced_it(desk: Desk) -> None:
    desk.channel.hang = True
    subscription = await desk.subscribe("slow", url="https://slow.example/")
    owed = [await desk.owe(subscription)]
    await until(lambda: bool(desk.channel.sent))
    owed += [await desk.owe(subscription) for _ in range(10)]
    [lane] = desk.lanes()
    await until(lambda: len(lane.queue) == 10)
    assert not any(job.ready for job in lane.queue), "looked up before its turn"
    await until(lambda: len(desk.active.wanted) == 1)
    moved = WebhookEndpoint(type="webhook", url="https://other.example/")
    await desk.store.update(subscription.id, lambda old: old.model_copy(update={"channel": moved}))
    await until(lambda: desk.deliverer.cases.last_known(subscription.id) is None)
    desk.channel.go_on.set()
    for each in owed:
        await desk.becomes(each, "delivered")
    assert desk.channel.to == ["https://slow.example/"] + ["https://other.example/"] * 10


async def test_what_was_not_taken_is_not_counted_as_a_mail_of_the_hour(desk: Desk) -> None:
    desk.channel.failure = DeliveryError("the mail server answered 451: later", status=451, only_this=True)
    subscription = await desk.subscribe()
    mail = EmailEndpoint(type="email", address="duty@example.org")
    await desk.store.update(subscription.id, lambda old: old.model_copy(update={"channel": mail}))
    await desk.becomes(await desk.owe(subscription), "given_up")
    assert len(desk.channel.sent) == 3
    budget = MailBudget(desk.bus, 2)
    assert [await budget.take(mail.address) for _ in range(2)] == [0, 0]


async def late_ones(desk: Desk) -> list[bool]:
    return [json.loads(body)["data"].get("late", False) for body in desk.channel.bodies]


async def test_what_came_in_quiet_hours_is_not_late_when_they_end(desk: Desk) -> None:
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    quiet = {"from": f"{now - 3 * hour:%H:%M}", "to": f"{now - timedelta(minutes=2):%H:%M}"}
    schedule = Schedule.model_validate({"quiet_hours": quiet})
    for name, more in (("quiet", {"schedule": schedule}), ("loud", {})):
        subscription = await desk.subscribe(name, url=f"https://{name}.example/", **more)
        report = make_tagged(displacement=("fled",))
        await store_reports(desk.bus, [report])
        waited = owed_report(subscription.id, report.report.id, now - 2 * hour)
        await desk.log.owe([waited])
        await desk.becomes(waited, "delivered")
    assert await late_ones(desk) == [False, True]


async def test_one_address_gets_no_more_than_its_share_of_an_hour(desk: Desk) -> None:
    mail = EmailEndpoint(type="email", address="duty@example.org")
    subscription = await desk.subscribe()
    await desk.store.update(subscription.id, lambda old: old.model_copy(update={"channel": mail}))
    budget = MailBudget(desk.bus, 2)
    assert [await budget.take(address) for address in ("Duty@example.org", mail.address)] == [0, 0]
    assert 3590 < await budget.take(mail.address) <= 3600
    await budget.give_back(mail.address)
    assert await budget.take(mail.address) == 0, "who was turned away has not used any"
    await desk.owe(subscription)

    async def waits() -> bool:
        return await desk.log.waiting() == 1

    await until(waits)
    assert desk.channel.sent == []
    [waiting] = await desk.log.newest(subscription.id)
    assert waiting.next_attempt_at
    assert waiting.next_attempt_at > datetime.now(UTC) + timedelta(seconds=3500)
    assert waiting.log == ()
    desk.deliverer.courier.mail_budget = MailBudget(desk.bus, 100)
    await desk.log.retry_now([waiting])
    await desk.becomes(waiting, "delivered")
