"""Sends again what a subscription did not get: what failed, or all that was missed, since a moment."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Literal

from services.api.core.problem import Conflict
from services.api.core.search import Search, find_hit
from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.delivery import Delivery, owed_report
from shared.report_store import Place, ReportStore
from shared.subscriptions import Subscription

What = Literal["failed", "missed"]

REPORTS_LOOKED_AT = 10_000
CHUNK = 200


class Replays:
    """Queues deliveries again; each keeps its id, so that a receiver knows what it has."""

    def __init__(self, bus: Bus) -> None:
        self._log = DeliveryLog(bus)
        self._reports = ReportStore(bus.redis, bus.names)

    async def replay(
        self, subscription: Subscription, what: What, since: datetime, until: datetime | None = None
    ) -> int:
        """Return how many are sent again: all that failed, or also what came while nothing was sent at all.

        What was held back by a decision (a story told already, a limit) is not missed, and neither is what waits.
        """
        if subscription.state != "active":
            raise Conflict(f"the subscription is {subscription.state}: nothing is sent")
        failed = [
            each
            for each in await self._log.newest(subscription.id, -1)
            if since <= each.created_at
            and (until is None or each.created_at <= until)
            and each.kind in ("report", "digest")
            and each.state in ("given_up", "cancelled")
        ]
        await self._log.retry_now(failed)
        if what == "failed":
            return len(failed)
        return len(failed) + await self._owe_missed(subscription, since, until)

    async def _owe_missed(self, subscription: Subscription, since: datetime, until: datetime | None) -> int:
        owed, missed = 0, list[Delivery]()
        async for place in self._matching(subscription, since, until):
            # From when it should have been told: so it is marked as late.
            moment = datetime.fromtimestamp(place.moment / 1_000_000, UTC)
            missed.append(owed_report(subscription.id, place.report_id, moment))
            if len(missed) == CHUNK:
                owed += await self._log.owe(missed)
                missed = []
        return owed + await self._log.owe(missed)

    async def _matching(
        self, subscription: Subscription, since: datetime, until: datetime | None
    ) -> AsyncIterator[Place]:
        """The places of the reports that were tagged in that time and match, the newest first."""
        search = Search.of(subscription.filter)
        after = _just_after(until) if until else None
        async for stored in self._reports.newest(search.topic, after, REPORTS_LOOKED_AT):
            if stored.place.moment < since.timestamp() * 1_000_000:
                return
            if stored.tagged and find_hit(search, stored.tagged):
                yield stored.place


def _just_after(moment: datetime) -> Place:
    """Where what was tagged later ends, and the rest begins."""
    return Place(int(moment.timestamp() * 1_000_000) + 1, "")
