"""Writes down how attempts went: the delivery with its log, and what follows for its subscription."""

import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from services.notify.adapters.endpoints import Endpoints
from services.notify.adapters.renderer import Unsendable
from services.notify.adapters.standing import Standing
from services.notify.core.case import Cancelled, Case, SwitchedOff, Wanting
from services.notify.core.channel import DeliveryError, Sent
from services.notify.core.lanes import Lane
from services.notify.core.outcome import (
    after_failure,
    after_success,
    cancelled,
    fallback_digest,
    has_failed_long_enough,
    is_for_fallback,
)
from shared.bus import Bus
from shared.deliveries import after_attempt, hold_for_digest, put_off, rewritten, wait_for
from shared.delivery import TO_FALLBACK, TOLD_BY_FALLBACK, Delivery
from shared.endpoints import EmailEndpoint
from shared.entries import Outcome
from shared.redis_client import Command
from shared.subscriptions import Subscription

log = structlog.get_logger()


@dataclass
class Ledger:
    """Returns what is written with the acknowledgement of an attempt."""

    bus: Bus
    endpoints: Endpoints
    standing: Standing
    schedule: tuple[float, ...]
    disable_after_days: float
    _log: structlog.typing.FilteringBoundLogger = field(default_factory=log.bind)

    def put_off(self, delivery: Delivery, until: datetime) -> Outcome:
        """It waits, and that was no attempt."""
        return Outcome(put_off(self.bus.names, delivery, until, _now()))

    def not_now(self, delivery: Delivery, until: datetime) -> Outcome:
        """It waits, and its owner sees until when."""
        waits = replace(delivery, next_attempt_at=until)
        return Outcome([rewritten(self.bus.names, waits), *wait_for(self.bus.names, waits)])

    def told_while_waiting(self, lane: Lane[Any], case: Case, wanting: Wanting) -> list[Command]:
        """Return what tells the second channel of what waits for an endpoint that is failing and not asked."""
        delivery, subscription, now = case.delivery, wanting.subscription, _now()
        closed_for = lane.open_from - time.monotonic()
        # What is only too much at once may be for an endpoint that has been well elsewhere since.
        if closed_for <= 0 or delivery.to_fallback:
            return []
        since = datetime.fromtimestamp(lane.failing_since or now.timestamp(), UTC)
        if not is_for_fallback(delivery, subscription, since, now + timedelta(seconds=closed_for)):
            return []
        told, commands = self._told_late(delivery, subscription, since, now)
        return [rewritten(self.bus.names, told), *commands]

    def cancelled(self, delivery: Delivery, reason: Cancelled | Unsendable) -> Outcome:
        """Nobody wants it any more; a second channel is told of what an endpoint that is switched off has missed."""
        now, more = _now(), list[Command]()
        ended = cancelled(delivery, str(reason), now)
        if isinstance(reason, SwitchedOff) and is_for_fallback(ended, reason.subscription, now, None):
            ended, more = self._told_late(ended, reason.subscription, now, now)
        return self._written(ended, "none", more)

    def succeeded(
        self, lane: Lane[Any], case: Case, subscription: Subscription, sent: Sent, duration_ms: int
    ) -> Outcome:
        """It was delivered."""
        delivery, channel, now = case.delivery, subscription.channel.type, _now()
        if case.telling and delivery.kind == "report" and not delivery.attempts:
            seconds = (now - case.telling.fetched_at).total_seconds()
            self.bus.counters.observe("delivered_seconds", (seconds,), channel=channel)
        delivered = after_success(delivery, sent, now, duration_ms)
        return self._written(delivered, channel, self.endpoints.after_success(lane))

    async def answered(self, delivery: Delivery, subscription: Subscription, sent: Sent) -> None:
        """Note what an answer says of the endpoint: that it is there, or wants no more."""
        if delivery.kind == "confirm" and not isinstance(subscription.channel, EmailEndpoint):
            confirm = self.standing.confirm_fallback if delivery.to_fallback else self.standing.activate
            await confirm(subscription)
        if sent.enough:
            reason = "the endpoint asked for nothing more (webhook-delivery: disable)"
            await self.standing.disable(subscription, reason)

    async def failed(
        self,
        lane: Lane[Any],
        delivery: Delivery,
        subscription: Subscription,
        error: DeliveryError,
        duration_ms: int,
    ) -> Outcome:
        """It failed: once more later, or given up; an endpoint that is gone, or fails for days, is switched off."""
        now, more = _now(), list[Command]()
        failed = after_failure(delivery, self.schedule, error, now, random.random(), duration_ms)
        if error.gone and delivery.kind != "move_to":
            await self.standing.disable(subscription, f"the endpoint is gone: {error}")
        elif delivery.kind == "confirm":
            await self.standing.explain_pending(subscription.id, str(error))
        if delivery.kind != "confirm":
            since = await self._failing_since(lane, failed, error, now)
            # No address is switched off because the relay is down.
            is_its_own = not (error.unwanted or isinstance(subscription.channel, EmailEndpoint))
            patience = timedelta(days=self.disable_after_days)
            if is_its_own and has_failed_long_enough(since, now, patience):
                # What this process remembers may be a minute old, and a test have passed meanwhile.
                lane.failing_since = 0.0
                since = await self._failing_since(lane, failed, error, now)
                if has_failed_long_enough(since, now, patience):
                    reason = f"every attempt since {since:%d %B %Y} has failed; the last: {error}"
                    await self.standing.disable(subscription, reason)
            if error.unwanted:
                more = self.endpoints.after_success(lane)
            elif not delivery.to_fallback and is_for_fallback(
                failed, subscription, since, failed.next_attempt_at
            ):
                failed, more = self._told_late(failed, subscription, since, now)
        return self._written(failed, subscription.channel.type, more)

    async def _failing_since(
        self, lane: Lane[Any], failed: Delivery, error: DeliveryError, now: datetime
    ) -> datetime:
        """Since when the endpoint fails; since when this is not taken, where the rest is or nothing will be."""
        if error.only_this or error.gone:
            return failed.log[-1].at
        return datetime.fromtimestamp(await self.endpoints.failing_since(lane, now.timestamp()), UTC)

    def _told_late(
        self, delivery: Delivery, subscription: Subscription, since: datetime, now: datetime
    ) -> tuple[Delivery, list[Command]]:
        """The delivery, noted, and what puts it into the next digest to the second channel after it has failed for long
        enough. If it arrives before that, the digest leaves it out."""
        enough = since + timedelta(minutes=subscription.fallback_after)
        digest, due = fallback_digest(subscription, max(now, enough) if delivery.state == "pending" else now)
        told = f"{subscription.id} {TO_FALLBACK}"
        commands = hold_for_digest(self.bus.names, delivery.id, digest, due, told)
        return replace(delivery, note=TOLD_BY_FALLBACK), commands

    def _written(self, delivery: Delivery, channel: str, more: Sequence[Command] = ()) -> Outcome:
        attempt = delivery.log[0]
        self.bus.counters.add("attempts", outcome=attempt.outcome, channel=channel)
        # A line for each of thousands a second is for whoever looks for one; what went wrong is for everybody.
        level = logging.DEBUG if attempt.outcome == "delivered" else logging.INFO
        if self._log.is_enabled_for(level):
            self._log.log(
                level,
                attempt.outcome,
                delivery=delivery.id,
                report=delivery.report,
                subscription=delivery.subscription,
                attempt=delivery.attempts,
                detail=attempt.detail,
            )
        return Outcome(after_attempt(self.bus.names, delivery, self.bus.kept_seconds, more))


def _now() -> datetime:
    return datetime.now(UTC)
