"""A delivery and all that is needed to perform it; decides whether it is still wanted, and by which channel."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from services.notify.core.lanes import Lane
from services.notify.core.letter import Letter
from services.notify.core.message import matched_part
from services.notify.core.recent import Recent
from shared.decision import silent_until
from shared.delivery import MOVE_KINDS, Delivery
from shared.events import TaggedReport
from shared.matching.document import Document
from shared.subscriptions import CompiledFilter, Matched, Subscription, as_fallback, find_match

MATCHES_KEPT = 200
LETTERS_KEPT = 20
PAUSED_SECONDS = 300.0
NEWS = ("report", "digest")
"""What is sent only to an active subscription, and never in its quiet hours."""


class Cancelled(Exception):
    """Nobody wants this delivery any more; the message says why."""


class SwitchedOff(Cancelled):
    """It was for an endpoint that is given up; `subscription` may have a second channel."""

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(f"the subscription is {subscription.state}")
        self.subscription = subscription


@dataclass(slots=True)
class Wanting:
    """A subscription with its filter made ready. `wish` is the same for all who want the same, `part` what all its
    webhooks say, `lane` that of its endpoint: both are noted here when they are first needed."""

    subscription: Subscription
    compiled: CompiledFilter
    wish: str
    part: bytes | None = None
    lane: Lane[Any] | None = None


@dataclass(slots=True)
class Telling:
    """A report with its words made ready. `part` is what every subscriber's webhook says of it."""

    tagged: TaggedReport
    document: Document
    part: bytes | None = None
    matches: Recent[str, tuple[Matched, bytes]] = field(default_factory=lambda: Recent(MATCHES_KEPT))
    letters: Recent[tuple[object, ...], Letter] = field(default_factory=lambda: Recent(LETTERS_KEPT))
    traceparent: str | None = None
    fetched_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.fetched_at = self.tagged.report.fetched_at

    def match(self, wanting: Wanting) -> tuple[Matched, bytes]:
        """Return why the report is wanted, and the same as a part of a webhook; by nothing, if a revision since
        then matches no more. Many want the same: it is worked out once."""
        known = self.matches.get(wanting.wish)
        if known is None:
            matched = find_match(wanting.compiled, self.tagged, self.document) or Matched((), ())
            known = self.matches.put(wanting.wish, (matched, matched_part(matched)))
        return known


class Case(NamedTuple):
    """A delivery and all that is needed to perform it, as it was at `at`; None for what is gone."""

    delivery: Delivery
    wanting: Wanting | None
    telling: Telling | None
    at: float


def is_early(delivery: Delivery, now: datetime) -> bool:
    """Return whether it waits for another moment: it was queued twice."""
    return bool(delivery.next_attempt_at and delivery.next_attempt_at > now + timedelta(seconds=1))


def rests_until(delivery: Delivery, subscription: Subscription, now: datetime) -> datetime | None:
    """Return until when it waits: for a pause, for quiet hours, for whoever has not agreed to it yet."""
    if delivery.to_fallback and delivery.kind != "confirm" and not subscription.fallback_confirmed:
        # Its owner named another second channel meanwhile, which has not answered.
        return now + timedelta(seconds=PAUSED_SECONDS)
    if delivery.kind not in NEWS:
        return None
    if subscription.state == "paused":
        return now + timedelta(seconds=PAUSED_SECONDS)
    return silent_until(subscription.schedule, now)


def addressed(delivery: Delivery, wanting: Wanting | None) -> Wanting:
    """Return the subscription with the channel that this delivery goes to; raise Cancelled if nobody wants it."""
    if wanting is None:
        raise Cancelled("the subscription was removed")
    subscription = wanting.subscription
    if delivery.to_fallback:
        return _by_fallback(delivery, wanting)
    if delivery.kind in NEWS:
        if subscription.state not in ("active", "paused"):
            # Pending again, if a test has been asked for since.
            raise SwitchedOff(subscription)
        return wanting
    if delivery.kind == "confirm" and subscription.state != "pending":
        raise Cancelled("the subscription is confirmed already")
    if delivery.kind in MOVE_KINDS and subscription.move is None:
        raise Cancelled("the change of address was called off, or is done")
    if delivery.kind == "move_to" and subscription.move:
        # The one message that goes to an address before it is the subscription's.
        moved = subscription.model_copy(update={"channel": subscription.move.channel})
        return Wanting(moved, wanting.compiled, wanting.wish)
    return wanting


def _by_fallback(delivery: Delivery, wanting: Wanting) -> Wanting:
    subscription = as_fallback(wanting.subscription)
    if subscription is None or (delivery.kind == "confirm" and subscription.fallback_confirmed):
        raise Cancelled("the second channel has answered already, or is gone")
    return Wanting(subscription, wanting.compiled, wanting.wish)
