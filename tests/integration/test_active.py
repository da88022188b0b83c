"""The active subscriptions, kept in memory while they change."""

import asyncio
from datetime import UTC, datetime

from services.notify.adapters.active import ActiveSubscriptions
from shared.bus import Bus
from shared.endpoints import WebhookEndpoint
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Filter, Subscription, document_of
from tests.builders import make_report, make_tagged

NOW = datetime(2026, 5, 1, tzinfo=UTC)
REPORT = document_of(make_tagged(make_report(title="Ferry aground")))


def make_subscription(name: str, query: str) -> Subscription:
    return Subscription(
        id=name,
        filter=Filter(query=query),
        channel=WebhookEndpoint(type="webhook", url="https://example.org/hook"),
        state="active",
        token_hash="",
        created_at=NOW,
        changed_at=NOW,
    )


def found(active: ActiveSubscriptions) -> set[str]:
    return {terms.id for terms in active.wanted.find(REPORT)}


async def test_what_is_not_ours_on_the_stream_of_changes_stops_nothing(bus: Bus):
    store, stream = SubscriptionStore(bus), bus.names.subscription_changes
    active = ActiveSubscriptions(bus, store)
    for fields in ({"id": b"\xff"}, {"nothing": "ours"}):
        await bus.redis.xadd(stream, fields)
    await store.add(make_subscription("ours", "ferry"))
    following = asyncio.create_task(active.follow())
    while found(active) != {"ours"}:
        await asyncio.sleep(0.01)
        assert not following.done()
    following.cancel()


async def test_reports_are_matched_and_changes_seen_while_subscriptions_are_compacted(bus: Bus):
    active = ActiveSubscriptions(bus, SubscriptionStore(bus))
    for number in range(2_700):
        active.wanted.put(make_subscription(f"s{number}", f"nothing{number} OR place{number}"))
        if number % 290 == 0:
            active.wanted.make_ready()
    for name in ("early", "gone", "dropped"):
        active.wanted.put(make_subscription(name, "ferry"))
    active.wanted.drop("dropped")
    assert found(active) == {"early", "gone"}
    assert active.wanted.is_scattered
    compacting, turns = asyncio.create_task(active.compact()), 0
    while not compacting.done():
        await asyncio.sleep(0)
        if turns == 0:
            active.wanted.put(make_subscription("late", "ferry"))
            active.wanted.drop("gone")
        assert found(active) == {"early", "late"}
        turns += 1
    assert turns > 2
    assert not active.wanted.is_scattered
    assert found(active) == {"early", "late"}
