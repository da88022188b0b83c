"""Sends again what a subscription did not get: what failed, or all that was missed, since a moment."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from services.api.core.problem import Conflict
from services.api.core.search import Search, find_hit
from shared.bus import Bus
from shared.deliveries import KEPT_OFF_THE_LOG_SECONDS, KEPT_PER_SUBSCRIPTION, DeliveryLog
from shared.delivery import Delivery, owed_report
from shared.report_store import Place, ReportStore
from shared.subscriptions import Subscription

What = Literal["failed", "missed"]

REPORTS_LOOKED_AT = 100_000
FAILED = ("given_up", "cancelled")


async def replay(
    bus: Bus, subscription: Subscription, what: What, since: datetime, until: datetime | None = None
) -> int:
    """Return how many are sent again: all that failed, or also what came while nothing was sent at all.

    Each keeps its id, so that a receiver knows what it has. What was held back by a decision (a story told already, a
    limit) is not missed, and neither is what waits.
    """
    if subscription.state != "active":
        raise Conflict(f"the subscription is {subscription.state}: nothing is sent")
    log = DeliveryLog(bus)
    newest = await log.newest(subscription.id, -1)
    known_from = datetime.now(UTC) - timedelta(seconds=KEPT_OFF_THE_LOG_SECONDS)
    if what == "missed" and since < known_from and _is_cut(newest, since):
        raise Conflict(
            f"this alert had so many deliveries that what arrived before {known_from:%d %B, %H:%M} UTC is not known any"
            " more, and would come twice: name a later moment"
        )
    failed = [
        each
        for each in newest
        if since <= each.created_at
        and (until is None or each.created_at <= until)
        and each.kind in ("report", "digest")
        and each.state in FAILED
        # Nothing was left to tell the second channel.
        and not (each.to_fallback and each.state == "cancelled")
    ]
    if what == "failed":
        await log.retry_now(failed)
        return len(failed)
    # From when it should have been told: so it is marked as late.
    missed = [
        owed_report(subscription.id, place.report_id, datetime.fromtimestamp(place.moment / 1_000_000, UTC))
        async for place in _matching(bus, subscription, since, until)
    ]
    await log.retry_now(failed)
    owed = await log.owe(missed)
    # What has fallen off the log may have failed as well.
    known = await log.many([each.id for each in missed])
    fallen = [each for each in known if each and each.state in FAILED]
    await log.retry_now(fallen)
    return len(failed) + owed + len(fallen)


def _is_cut(newest: Sequence[Delivery], since: datetime) -> bool:
    """Whether what was owed after a moment may have fallen off a log."""
    if len(newest) < KEPT_PER_SUBSCRIPTION:
        return False
    # One that was sent again says when it should have been told first; it was put there before it was tried.
    oldest = newest[-1]
    return (oldest.log[-1].at if oldest.log else oldest.created_at) > since


async def _matching(
    bus: Bus, subscription: Subscription, since: datetime, until: datetime | None
) -> AsyncIterator[Place]:
    """The places of the reports that were tagged in that time and match, the newest first."""
    search, store = Search.of(subscription.filter), ReportStore(bus.redis, bus.names)
    after, looked_at = _just_after(until) if until else None, 0
    async for stored in store.newest(search.topic, after, REPORTS_LOOKED_AT):
        if stored.place.moment < since.timestamp() * 1_000_000:
            return
        if stored.tagged and find_hit(search, stored.tagged):
            yield stored.place
        looked_at += 1
    if looked_at >= REPORTS_LOOKED_AT:
        raise Conflict(
            f"more than {REPORTS_LOOKED_AT:,} reports came since then: name a later moment, or some fewer hours"
        )


def _just_after(moment: datetime) -> Place:
    """Where what was tagged later ends, and the rest begins."""
    return Place(int(moment.timestamp() * 1_000_000) + 1, "")
