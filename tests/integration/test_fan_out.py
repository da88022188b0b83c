"""What becomes of a report, on a real Redis: told once, held for a digest, held back, told again when it changed."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.notify.adapters.cases import Cases
from services.notify.adapters.digests import Digests
from services.notify.adapters.fan_out import FanOut
from services.notify.core.case import Wanting
from services.notify.core.channel import Sent, WebhookMessage
from shared.bus import Bus
from shared.consumer import Consumer
from shared.decision import news_of, terms_of
from shared.deliveries import DeliveryLog
from shared.delivery import Delivery
from shared.digest import Digest, DigestReady
from shared.endpoints import WebhookEndpoint
from shared.events import Story, TaggedReport
from shared.holdings import erase_held
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import CompiledFilter, Filter, Subscription, document_of
from tests.builders import make_report, make_tagged, store_reports
from tests.delivering import make_deliverer
from tests.processes import until

NOW = datetime.now(UTC).replace(microsecond=0)


def make_subscription(name: str = "a", **more: Any) -> Subscription:
    values = {
        "id": f"sub_{name}",
        "filter": Filter(topics=("displacement", "aid")),
        "channel": WebhookEndpoint(type="webhook", url="https://ok.example/"),
        "state": "active",
        "token_hash": "",
        "secret": "whsec_" + "A" * 44,
        "created_at": NOW - timedelta(days=1),
        "changed_at": NOW,
    }
    return Subscription.model_validate(values | more)


def seen_now(title: str = "Families cross the river", story: str = "", **more: Any) -> TaggedReport:
    """A report seen just now, on displacement."""
    report = make_report(title, published_at=NOW, fetched_at=NOW, **more)
    tagged = make_tagged(report, displacement=("fled",))
    return tagged.model_copy(update={"story": Story(id=story or report.id, position=1, sources=1)})


def revised(tagged: TaggedReport, **changes: Any) -> TaggedReport:
    revision = {"revision": tagged.report.revision + 1, **changes}
    return tagged.model_copy(update={"report": tagged.report.model_copy(update=revision)})


class Teller:
    """notify's deciding half."""

    def __init__(self, bus: Bus) -> None:
        self.bus, self.fan_out, self.log = bus, FanOut(bus), DeliveryLog(bus)

    async def tell(self, tagged: TaggedReport, *subscriptions: Subscription) -> None:
        await store_reports(self.bus, [tagged])
        news = news_of(tagged, document_of(tagged))
        await self.fan_out.tell(news, [terms_of(each) for each in subscriptions])

    async def queued(self) -> list[str]:
        rows = await self.bus.redis.xrange(self.bus.names.deliveries)
        return [fields[b"id"].decode() for _, fields in rows]

    async def deliveries(self, subscription: Subscription) -> list[Delivery]:
        """The oldest first; those of one second in any order."""
        return (await self.log.newest(subscription.id))[::-1]

    async def decisions(self, subscription: Subscription) -> list[str]:
        return sorted(delivery.decision for delivery in await self.deliveries(subscription))

    async def digest(self, delivery_id: str, subscription: Subscription) -> Digest:
        delivery = await self.log.get(delivery_id)
        assert delivery is not None
        wanting = Wanting(subscription, CompiledFilter.of(subscription.filter), "")
        # As another process would: what one has in memory is no help to it.
        found = await Digests(self.bus).find(delivery, wanting)
        assert found is not None
        return found[1]


@dataclass
class FakeChannel:
    """Remembers what it was given."""

    sent: list[WebhookMessage] = field(default_factory=list)

    async def send(self, message: WebhookMessage, endpoint: WebhookEndpoint) -> Sent:
        self.sent.append(message)
        return Sent(204, "taken")


async def deliver(teller: Teller, channel: FakeChannel) -> None:
    """Do what notify does with what is queued."""
    bus, stream = teller.bus, teller.bus.names.deliveries
    deliverer = make_deliverer(bus, Cases(bus), channel, (1.0,))
    consumer = Consumer(bus, stream, "notify", deliverer.on_deliveries, batch=10)
    await consumer.ensure_group()
    await bus.broker.start()

    async def all_settled() -> bool:
        [[last, _]] = await bus.redis.xrevrange(stream, count=1)
        [group] = await bus.redis.xinfo_groups(stream)
        return bool(group["last-delivered-id"] == last and not group["pending"])

    await until(all_settled)
    await consumer.stop()


@pytest.fixture
def teller(bus: Bus) -> Teller:
    return Teller(bus)


async def test_a_match_for_an_endpoint_that_keeps_others_waiting_queues_up_behind_those(
    teller: Teller,
) -> None:
    waits, goes, redis, names = (
        make_subscription("w"),
        make_subscription("g"),
        teller.bus.redis,
        teller.bus.names,
    )
    await redis.hset(names.waits, mapping={waits.id: "dead", goes.id: "well"})
    await redis.zadd(names.endpoints_held, {"dead": 1e12})
    await teller.tell(seen_now(), waits, goes)
    [[waiting], [queued]] = [await teller.deliveries(each) for each in (waits, goes)]
    assert await redis.lrange(names.held("dead"), 0, -1) == [waiting.id.encode()]
    assert await teller.queued() == [queued.id]


async def test_a_match_is_told_once_however_often_the_report_is_read(teller: Teller) -> None:
    subscription, tagged = make_subscription(), seen_now()
    await teller.tell(tagged, subscription)
    await teller.tell(tagged, subscription)
    assert len(await teller.queued()) == 1


async def test_two_processes_that_tell_one_story_at_once_tell_it_once(redis_url: str, teller: Teller) -> None:
    subscriptions = [make_subscription(str(number)) for number in range(50)]
    stories = [seen_now(story="s") for _ in range(4)]
    await asyncio.gather(*(teller.tell(tagged, *subscriptions) for tagged in stories))
    assert len(await teller.queued()) == 50
    assert await teller.decisions(subscriptions[7]) == ["now", "same_story", "same_story", "same_story"]


async def test_a_story_is_told_again_when_a_topic_that_was_asked_for_is_new(teller: Teller) -> None:
    subscription, first, second = make_subscription(), seen_now(story="s"), seen_now(story="s")
    more = make_tagged(second.report, displacement=("fled",), aid=("hundred",))
    await teller.tell(first, subscription)
    await teller.tell(more.model_copy(update={"story": second.story}), subscription)
    assert await teller.decisions(subscription) == ["now", "now"]
    assert {each.refers_to for each in await teller.deliveries(subscription)} == {None, first.report.id}


async def test_a_revision_is_an_update_only_if_headline_or_figures_changed(teller: Teller) -> None:
    subscription = make_subscription()
    unwanting = make_subscription("b", updates=False)
    tagged = seen_now(text="Some 300 fled on 4 boats.")
    polished = revised(tagged, text="About 300 fled, on 4 boats, at 14:05.")
    counted = revised(polished, text="Some 450 fled on 4 boats.")
    for each in (tagged, polished, counted, counted):
        await teller.tell(each, subscription, unwanting)
    assert len(await teller.queued()) == 3
    assert [each.is_update for each in await teller.deliveries(unwanting)] == [False]
    [update] = [each for each in await teller.deliveries(subscription) if each.is_update]
    assert update.refers_to == tagged.report.id


async def test_an_older_revision_that_is_read_again_is_no_update(teller: Teller) -> None:
    subscription, first = make_subscription(), seen_now(text="Some 300 fled.")
    second = revised(first, text="Some 450 fled.")
    for each in (first, second, first):
        await teller.tell(each, subscription)
    assert len(await teller.queued()) == 2


async def test_what_is_held_becomes_one_digest_when_it_is_due(teller: Teller) -> None:
    subscription = make_subscription(schedule={"mode": "daily", "at": "08:00", "timezone": "Asia/Kathmandu"})
    for number in range(3):
        await teller.tell(seen_now(f"Report {number}", story="s" if number else ""), subscription)
    held = [each for each in await teller.deliveries(subscription) if each.state == "held"]
    assert await teller.queued() == []
    assert await teller.fan_out.queue_digests(NOW) == 0
    assert await teller.fan_out.queue_digests(NOW + timedelta(days=1)) == 1
    assert await teller.fan_out.queue_digests(NOW + timedelta(days=1)) == 0
    assert await teller.queued() == [held[0].digest]
    digest = await teller.digest(str(held[0].digest), subscription)
    assert (digest.count, [topic.topic for topic in digest.topics]) == (2, ["displacement"])
    assert (digest.due.minute, digest.due.hour) == (15, 2)


async def test_a_digest_is_built_once(teller: Teller) -> None:
    subscription = make_subscription(schedule={"mode": "hourly"})
    tagged = seen_now()
    await teller.tell(tagged, subscription)
    await teller.fan_out.queue_digests(NOW + timedelta(hours=2))
    [digest_id] = await teller.queued()
    first = await teller.digest(digest_id, subscription)
    await store_reports(teller.bus, [revised(tagged, title="Another headline")])
    assert await teller.digest(digest_id, subscription) == first


async def test_two_who_build_a_digest_at_once_tell_the_same(teller: Teller) -> None:
    subscription = make_subscription(schedule={"mode": "hourly"})
    await teller.tell(seen_now(), subscription)
    await teller.fan_out.queue_digests(NOW + timedelta(hours=2))
    [digest_id] = await teller.queued()
    changed = subscription.model_copy(update={"filter": Filter(query="families")})
    first, second = await asyncio.gather(
        teller.digest(digest_id, subscription), teller.digest(digest_id, changed)
    )
    assert first == second


async def test_one_content_is_kept_for_all_who_are_owed_the_same(teller: Teller) -> None:
    readers = [make_subscription(id=f"sub_{number}", schedule={"mode": "hourly"}) for number in range(5)]
    for _ in range(3):
        await teller.tell(seen_now(), *readers)
    await teller.fan_out.queue_digests(NOW + timedelta(hours=2))
    found = [await teller.digest(each, readers[0]) for each in await teller.queued()]
    contents = {each.model_copy(update={"id": ""}).model_dump_json() for each in found}
    assert (len(contents), len({each.id for each in found})) == (1, 5)
    assert len(await teller.bus.redis.keys(teller.bus.names.digest_content("*"))) == len(readers) + 1


async def test_what_comes_too_late_for_a_digest_goes_into_the_next(teller: Teller) -> None:
    subscription = make_subscription(schedule={"mode": "hourly"})
    await teller.tell(seen_now(), subscription)
    await teller.fan_out.queue_digests(NOW + timedelta(hours=2))
    await teller.tell(seen_now(), subscription)
    digests = {each.digest for each in await teller.deliveries(subscription) if each.state == "held"}
    assert len(digests) == 2
    assert await teller.fan_out.queue_digests(NOW + timedelta(hours=3)) == 1


async def test_what_is_over_the_limit_of_an_hour_waits_for_its_end(teller: Teller) -> None:
    subscription = make_subscription(schedule={"at_most_per_hour": 2})
    await asyncio.gather(*(teller.tell(seen_now(), subscription) for _ in range(5)))
    assert len(await teller.queued()) == 2
    assert await teller.decisions(subscription) == ["now"] * 2 + ["over_limit"] * 3


async def test_a_digest_goes_out_as_one_webhook(teller: Teller) -> None:
    subscription = make_subscription(schedule={"mode": "hourly"})
    await SubscriptionStore(teller.bus).add(subscription)
    for number in range(2):
        await teller.tell(seen_now(f"Report {number}"), subscription)
    await teller.fan_out.queue_digests(NOW + timedelta(hours=2))
    channel = FakeChannel()
    await deliver(teller, channel)
    [message] = channel.sent
    body = DigestReady.model_validate_json(message.body)
    assert (body.data.digest.count, body.data.digest.id) == (2, message.id)
    delivery = await teller.log.get(message.id)
    assert delivery is not None
    assert delivery.state == "delivered"
    assert not await teller.bus.redis.exists(teller.bus.names.digest_content(message.id))


@pytest.mark.parametrize("silent", ["quiet", "snoozed"])
async def test_what_was_owed_before_waits_for_the_end_of_the_silence(teller: Teller, silent: str) -> None:
    subscription = make_subscription()
    await teller.tell(seen_now(), subscription)
    local = NOW - timedelta(minutes=5), NOW + timedelta(minutes=30)
    quiet = {"from": f"{local[0]:%H:%M}", "to": f"{local[1]:%H:%M}"}
    schedule = {"quiet_hours": quiet} if silent == "quiet" else {"snooze_until": NOW + timedelta(minutes=30)}
    await SubscriptionStore(teller.bus).add(make_subscription(schedule=schedule))
    channel = FakeChannel()
    await deliver(teller, channel)
    assert channel.sent == []
    assert await teller.log.queue_due(NOW + timedelta(minutes=28)) == 0
    assert await teller.log.queue_due(NOW + timedelta(minutes=31)) == 1


async def test_nothing_of_a_digest_is_left_when_its_subscription_is_removed(teller: Teller) -> None:
    subscription = make_subscription(schedule={"mode": "hourly"})
    store = SubscriptionStore(teller.bus)
    await store.add(subscription)
    await teller.tell(seen_now(), subscription)
    await store.remove(subscription.id)
    await erase_held(teller.bus, subscription.id)
    assert await teller.fan_out.queue_digests(NOW + timedelta(days=2)) == 0
    left = [key async for key in teller.bus.redis.scan_iter(f"{teller.bus.names.prefix}*")]
    assert not [key for key in left if b"digest" in key or b"deliver" in key]
