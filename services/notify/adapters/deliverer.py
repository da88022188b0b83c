"""Performs one delivery: look up -> decide -> render -> send -> write down how it went.

What follows an attempt (delivered, later, given up) is written in the script that acknowledges the queue entry.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from services.notify.adapters.cases import Case, Cases, Recent, Wanting
from services.notify.adapters.renderer import Renderer, Unsendable
from services.notify.core.channel import DeliveryError, MailSender, Sent, WebhookSender
from services.notify.core.outcome import after_failure, after_success
from shared.bus import Bus, Entry, Outcome
from shared.decision import silent_until
from shared.deliveries import after_attempt, put_off
from shared.delivery import Attempt, Delivery
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import EmailEndpoint, Subscription, WebhookEndpoint

log = structlog.get_logger()

BUSY_SECONDS = 0.2
QUICK_SECONDS = 0.25
PATIENCE_SECONDS = 1.0
ENDPOINTS_KEPT = 10_000
LONGEST_TURN = 60.0
PAUSED_SECONDS = 300.0
NEWS = ("report", "digest")
"""What is sent only to an active subscription, and never in its quiet hours."""


class Traffic:
    """What one endpoint is being sent: at most so many attempts at once.

    At an endpoint that answers quickly the next one waits a moment for its turn. At a slow one it does not: it would
    hold a worker that others need. It is put off instead, to a turn at the pace that the endpoint has shown.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._slots = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._seconds = 0.05
        self._turn = 0.0

    async def enter(self) -> bool:
        """Take a slot, and return whether there was one to be had."""
        if self._slots.locked() and (self._seconds > QUICK_SECONDS or self._waiting >= self._at_once):
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            self._seconds = max(self._seconds, PATIENCE_SECONDS)
            return False
        finally:
            self._waiting -= 1
        return True

    def leave(self, seconds: float) -> None:
        """Give the slot back after an attempt that took so long."""
        self._slots.release()
        self._seconds += (seconds - self._seconds) / 8

    def next_turn(self, now: float) -> float:
        """Return the seconds until one more may be tried."""
        self._turn = max(self._turn, now) + self._seconds / self._at_once
        return min(self._turn - now, LONGEST_TURN) + BUSY_SECONDS


class Cancelled(Exception):
    """Nobody wants this delivery any more; the message says why."""


@dataclass
class Deliverer:
    """The handler of `deliveries.v1`. At most `per_endpoint` attempts at one endpoint at once, in this process."""

    bus: Bus
    subscriptions: SubscriptionStore
    cases: Cases
    renderer: Renderer
    webhooks: WebhookSender
    mails: MailSender
    schedule: tuple[float, ...]
    per_endpoint: int
    _endpoints: Recent[str, Traffic] = field(default_factory=lambda: Recent(ENDPOINTS_KEPT))

    async def on_delivery(self, entry: Entry) -> Outcome:
        """Make one attempt, unless the delivery is done, unwanted, or its endpoint has all it may have."""
        case = await self.cases.find(entry)
        if case is None or case.delivery.state != "pending":
            return Outcome()
        subscription = case.wanting.subscription if case.wanting else None
        if subscription and case.delivery.kind in NEWS:
            if subscription.state == "paused":
                return self._put_off(case.delivery, PAUSED_SECONDS)
            if until := silent_until(subscription.schedule, _now()):
                return self._put_off(case.delivery, (until - _now()).total_seconds())
        traffic = self._traffic(_endpoint_name(subscription))
        if not await traffic.enter():
            return self._put_off(case.delivery, traffic.next_turn(time.monotonic()))
        started = time.monotonic()
        try:
            return await self._attempt(case, started)
        finally:
            traffic.leave(time.monotonic() - started)

    def _traffic(self, endpoint: str) -> Traffic:
        return self._endpoints.get(endpoint) or self._endpoints.put(endpoint, Traffic(self.per_endpoint))

    async def _attempt(self, case: Case, started: float) -> Outcome:
        delivery = case.delivery
        try:
            wanting = _still_wanted(case)
            sent = await self._send(case, wanting)
        except (Cancelled, Unsendable) as e:
            attempt = Attempt(at=_now(), outcome="cancelled", detail=str(e))
            return self._written(delivery, "cancelled", attempt)
        except DeliveryError as e:
            return await self._failed(delivery, wanting.subscription, e, _milliseconds(started))
        return await self._succeeded(delivery, wanting.subscription, sent, _milliseconds(started))

    async def _send(self, case: Case, wanting: Wanting) -> Sent:
        channel = wanting.subscription.channel
        if isinstance(channel, WebhookEndpoint):
            return await self.webhooks.send(await self.renderer.webhook(case, wanting), channel)
        return await self.mails.send(await self.renderer.mail(case, wanting), channel)

    async def _succeeded(
        self, delivery: Delivery, subscription: Subscription, sent: Sent, duration_ms: int
    ) -> Outcome:
        if delivery.kind == "confirm" and isinstance(subscription.channel, WebhookEndpoint):
            await self._activate(subscription)
        attempt = Attempt(
            at=_now(), outcome="delivered", detail=sent.detail, status=sent.status, duration_ms=duration_ms
        )
        return self._written(after_success(delivery), subscription.channel.type, attempt)

    async def _failed(
        self, delivery: Delivery, subscription: Subscription, error: DeliveryError, duration_ms: int
    ) -> Outcome:
        now = _now()
        failed = after_failure(
            delivery, self.schedule, now, random.random(), error.permanent, error.retry_after
        )
        attempt = Attempt(
            at=now,
            outcome="failed" if failed.next_attempt_at else "given_up",
            detail=str(error),
            status=error.status,
            duration_ms=duration_ms,
            next_attempt_at=failed.next_attempt_at,
        )
        if error.gone and delivery.kind != "move_to":
            await self._disable(subscription.id, str(error))
        elif delivery.kind == "confirm":
            await self._explain_pending(subscription.id, str(error))
        return self._written(failed, subscription.channel.type, attempt)

    def _written(self, delivery: Delivery, channel: str, attempt: Attempt) -> Outcome:
        self.bus.counters.add("attempts", outcome=attempt.outcome, channel=channel)
        log.info(
            attempt.outcome,
            delivery=delivery.id,
            report=delivery.report,
            subscription=delivery.subscription,
            attempt=delivery.attempts,
            detail=attempt.detail[:200],
        )
        if attempt.outcome == "cancelled":
            delivery = delivery.model_copy(update={"state": "cancelled", "next_attempt_at": None})
        return Outcome(after_attempt(self.bus.names, delivery, attempt))

    def _put_off(self, delivery: Delivery, seconds: float) -> Outcome:
        return Outcome(put_off(self.bus.names, delivery, _now() + timedelta(seconds=seconds)))

    async def _activate(self, asked: Subscription) -> None:
        def answered(subscription: Subscription) -> Subscription:
            # Its owner may have named another endpoint meanwhile, which has not answered.
            if subscription.state != "pending" or subscription.channel != asked.channel:
                return subscription
            now = _now()
            return subscription.model_copy(
                update={"state": "active", "reason": "", "changed_at": now, "since": now}
            )

        await self.subscriptions.update(asked.id, answered)

    async def _disable(self, subscription_id: str, reason: str) -> None:
        await self.subscriptions.update(
            subscription_id,
            lambda subscription: subscription.model_copy(
                update={
                    "state": "disabled",
                    "reason": f"the endpoint is gone: {reason}",
                    "changed_at": _now(),
                }
            ),
        )

    async def _explain_pending(self, subscription_id: str, reason: str) -> None:
        await self.subscriptions.update(
            subscription_id,
            lambda subscription: (
                subscription.model_copy(update={"reason": f"the last try to reach you failed: {reason}"})
                if subscription.state == "pending"
                else subscription
            ),
        )


def _still_wanted(case: Case) -> Wanting:
    if case.wanting is None:
        raise Cancelled("the subscription was removed")
    state = case.wanting.subscription.state
    if case.delivery.kind in NEWS and state != "active":
        raise Cancelled(f"the subscription is {state}")
    if case.delivery.kind == "confirm" and state != "pending":
        raise Cancelled("the subscription is confirmed already")
    return case.wanting


def _endpoint_name(subscription: Subscription | None) -> str:
    if subscription is None:
        return ""
    channel = subscription.channel
    return "mail" if isinstance(channel, EmailEndpoint) else channel.url


def _now() -> datetime:
    return datetime.now(UTC)


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
