"""Looks up what deliveries need: themselves, their subscriptions, their reports. What is known is not read again."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from services.notify.core.case import Case, Telling, Wanting
from services.notify.core.recent import Recent
from shared import tracing
from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.delivery import Delivery
from shared.events import TaggedReport
from shared.matching.document import Document
from shared.report_store import read_stored
from shared.subscriptions import CompiledFilter, Subscription, document_of

REPORTS_KEPT = 512
SUBSCRIPTIONS_KEPT = 10_000
FRESH_SECONDS = 0.2

Known = tuple[Wanting | None, float]
"""A subscription, None if there is none, and when it was that."""


Found = TypeVar("Found")


class Gathered(Generic[Found]):
    """Looks things up by their ids. Hundreds may ask at once: they are looked up together."""

    def __init__(self, look: Callable[[Sequence[str]], Coroutine[Any, Any, Mapping[str, Found]]]) -> None:
        self._look = look
        self._asked: dict[str, None] = {}
        self._looking: asyncio.Task[Mapping[str, Found]] | None = None

    async def get(self, key: str) -> Found:
        self._asked[key] = None
        if self._looking is None:
            self._looking = asyncio.create_task(self._take())
        return (await asyncio.shield(self._looking))[key]

    async def _take(self) -> Mapping[str, Found]:
        asked, self._asked, self._looking = list(self._asked), {}, None
        return await self._look(asked)


class Cases:
    """Finds the cases of deliveries. What was just matched, or parsed before, is not read again."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._names = bus.names
        self._log = DeliveryLog(bus)
        self._reports: Recent[str, Telling] = Recent(REPORTS_KEPT)
        self._wishes: Recent[bytes, Wanting] = Recent(SUBSCRIPTIONS_KEPT)
        self._changed: Recent[str, float] = Recent(SUBSCRIPTIONS_KEPT)
        self._current: Recent[str, Known] = Recent(SUBSCRIPTIONS_KEPT)
        self._subscriptions = Gathered(self._look)
        self._deliveries = Gathered(self._find_all)

    def remember(self, tagged: TaggedReport, document: Document) -> None:
        """Keep a report that was just matched: its deliveries come next."""
        self._reports.put(tagged.report.id, Telling(tagged, document, traceparent=tracing.here()))

    async def find(self, ids: Sequence[str], at: float) -> list[Case | None]:
        """Return the case of each delivery that is still pending. Two round trips, however many they are."""
        deliveries = await self._log.many(ids)
        pending = [each for each in deliveries if each and each.state == "pending"]
        # What was read a moment ago will do; it counts as old from then.
        wanting = {
            each: self._fresh(each, at + FRESH_SECONDS / 2) for each in {d.subscription for d in pending}
        }
        telling = {each: self._reports.get(each) for each in {d.report for d in pending} if each}
        unsure = [each for each, known in wanting.items() if known is None]
        unknown = [each for each, known in telling.items() if known is None]
        if unsure or unknown:
            pipe = self._bus.redis.pipeline(transaction=False)
            for report in unknown:
                pipe.hmget(self._names.report(report), "event", tracing.FIELD)
            if unsure:
                pipe.hmget(self._names.subscriptions, unsure)
            answers = await pipe.execute()
            telling |= {each: self._telling(*raw) for each, raw in zip(unknown, answers, strict=False)}
            wanting |= self._take(unsure, answers[-1], at) if unsure else {}
        return [_case(each, wanting, telling) for each in deliveries]

    async def find_soon(self, delivery_id: str) -> Case | None:
        """Return the case of a delivery that is still pending."""
        return await self._deliveries.get(delivery_id)

    def changed(self, subscription_id: str) -> None:
        """A subscription is not any more what it was."""
        self._changed.put(subscription_id, time.monotonic())
        self._current.drop(subscription_id)

    def is_current(self, case: Case, now: float) -> bool:
        """Return whether the case's subscription is known to be as it was found."""
        return now - case.at < FRESH_SECONDS and not self._has_changed(case.delivery.subscription, case.at)

    async def wanting(self, subscription_id: str, at: float) -> Wanting | None:
        """Return a subscription as it is, or was a moment ago."""
        if known := self._fresh(subscription_id, at):
            return known[0]
        return (await self._subscriptions.get(subscription_id))[0]

    def last_known(self, subscription_id: str) -> Wanting | None:
        """Return a subscription as it was when it was last read, if nobody has said since that it has changed."""
        known = self._current.peek(subscription_id)
        return known[0] if known else None

    async def _look(self, asked: Sequence[str]) -> dict[str, Known]:
        at = time.monotonic()
        return self._take(asked, await self._bus.redis.hmget(self._names.subscriptions, asked), at)

    async def _find_all(self, ids: Sequence[str]) -> dict[str, Case | None]:
        return dict(zip(ids, await self.find(ids, time.monotonic()), strict=True))

    def _has_changed(self, subscription_id: str, since: float) -> bool:
        changed = self._changed.get(subscription_id)
        return changed is not None and changed >= since

    def _fresh(self, subscription_id: str, at: float) -> Known | None:
        known = self._current.get(subscription_id)
        return known if known and at - known[1] <= FRESH_SECONDS else None

    def _take(self, asked: Sequence[str], rows: Sequence[bytes | None], at: float) -> dict[str, Known]:
        found = {each: (self._wanting(raw), at) for each, raw in zip(asked, rows, strict=True)}
        for each, known in found.items():
            # What has changed while it was read may be what it was before.
            if not self._has_changed(each, at):
                self._current.put(each, known)
        return found

    def _wanting(self, raw: bytes | None) -> Wanting | None:
        known = self._wishes.get(raw) if raw else None
        if raw is None or known:
            return known
        try:
            subscription = Subscription.model_validate_json(raw)
        except ValidationError:
            self._bus.counters.add("subscriptions_unreadable")
            return None
        wanted = subscription.filter
        return self._wishes.put(
            raw, Wanting(subscription, CompiledFilter.of(wanted), wanted.model_dump_json())
        )

    def _telling(self, raw: bytes | None, trace: bytes | None) -> Telling | None:
        tagged = read_stored(raw)
        if tagged is None:
            return None
        telling = Telling(tagged, document_of(tagged), traceparent=trace.decode() if trace else None)
        return self._reports.put(tagged.report.id, telling)


def _case(
    delivery: Delivery | None, wanting: Mapping[str, Known | None], telling: Mapping[str, Telling | None]
) -> Case | None:
    if delivery is None or delivery.state != "pending" or not (known := wanting[delivery.subscription]):
        return None
    return Case(delivery, known[0], telling.get(delivery.report or ""), known[1])
