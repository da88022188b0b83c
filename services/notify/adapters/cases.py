"""Looks up what a delivery needs: itself, its subscription, its report. One round trip, and less for what is known."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.bus import Bus, Entry
from shared.deliveries import read_delivery
from shared.delivery import Delivery
from shared.events import TaggedReport
from shared.matching.text import Text
from shared.report_store import read_stored
from shared.subscriptions import CompiledFilter, Matched, Subscription, find_match, text_of

REPORTS_KEPT = 512
SUBSCRIPTIONS_KEPT = 10_000

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """The last so many things that were asked for."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        return None

    def put(self, key: Key, value: Value) -> Value:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return value


@dataclass(frozen=True, slots=True)
class Wanting:
    """A subscription with its filter made ready."""

    subscription: Subscription
    compiled: CompiledFilter


@dataclass(frozen=True, slots=True)
class Telling:
    """A report with its words made ready."""

    tagged: TaggedReport
    text: Text

    def match(self, wanting: Wanting) -> Matched:
        """Return why the report is wanted; by nothing, if a revision since then matches no more."""
        return find_match(wanting.compiled, self.tagged, self.text) or Matched((), ())


@dataclass(frozen=True, slots=True)
class Case:
    """A delivery and all that is needed to perform it; None for what is gone."""

    delivery: Delivery
    wanting: Wanting | None
    telling: Telling | None


class Cases:
    """Finds the case of a queue entry. What was just matched, or parsed before, is not read again."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._names = bus.names
        self._reports: Recent[str, Telling] = Recent(REPORTS_KEPT)
        self._wishes: Recent[bytes, Wanting] = Recent(SUBSCRIPTIONS_KEPT)

    def remember(self, tagged: TaggedReport, text: Text) -> None:
        """Keep a report that was just matched: its deliveries come next."""
        self._reports.put(tagged.report.id, Telling(tagged, text))

    async def find(self, entry: Entry) -> Case | None:
        """Return the case, or None if the delivery is not there any more."""
        delivery_id, report_id = entry.field("id").decode(), entry.fields.get(b"report", b"").decode()
        known = self._reports.get(report_id)
        pipe = self._bus.redis.pipeline(transaction=False)
        pipe.hgetall(self._names.delivery(delivery_id))
        pipe.hget(self._names.subscriptions, entry.field("subscription"))
        if report_id and known is None:
            pipe.hget(self._names.report(report_id), "event")
        raw_delivery, raw_subscription, *raw_report = await pipe.execute()
        delivery = read_delivery(raw_delivery)
        if delivery is None:
            return None
        wanting = self._wanting(raw_subscription) if raw_subscription else None
        if wanting and delivery.kind == "move_to" and (move := wanting.subscription.move):
            # The one message that goes to an address before it is the subscription's.
            moved = wanting.subscription.model_copy(update={"channel": move.channel})
            wanting = Wanting(moved, wanting.compiled)
        return Case(delivery, wanting, known or self._telling(raw_report))

    def _wanting(self, raw: bytes) -> Wanting:
        known = self._wishes.get(raw)
        if known is not None:
            return known
        subscription = Subscription.model_validate_json(raw)
        return self._wishes.put(raw, Wanting(subscription, CompiledFilter.of(subscription.filter)))

    def _telling(self, raw: list[bytes | None]) -> Telling | None:
        tagged = read_stored(raw[0]) if raw else None
        if tagged is None:
            return None
        return self._reports.put(tagged.report.id, Telling(tagged, text_of(tagged)))
