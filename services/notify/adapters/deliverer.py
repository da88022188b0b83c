"""Performs one delivery: look up -> decide -> render -> send -> write down how it went.

What follows an attempt (delivered, later, given up) is written in the script that acknowledges the queue entry.
"""

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from services.notify.adapters.renderer import Renderer, Unsendable
from services.notify.core.channel import DeliveryError, MailSender, Sent, WebhookSender
from services.notify.core.outcome import after_failure, after_success
from shared.bus import Bus, Entry, Outcome
from shared.deliveries import DeliveryLog, after_attempt, put_off
from shared.delivery import Attempt, Delivery
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import EmailEndpoint, Subscription, WebhookEndpoint

log = structlog.get_logger()

BUSY_SECONDS = 1.0
PAUSED_SECONDS = 300.0


class Cancelled(Exception):
    """Nobody wants this delivery any more; the message says why."""


@dataclass
class Deliverer:
    """The handler of `deliveries.v1`. At most `per_endpoint` attempts at one endpoint at once, in this process."""

    bus: Bus
    subscriptions: SubscriptionStore
    deliveries: DeliveryLog
    renderer: Renderer
    webhooks: WebhookSender
    mails: MailSender
    schedule: tuple[float, ...]
    per_endpoint: int
    _in_flight: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def on_delivery(self, entry: Entry) -> Outcome:
        """Make one attempt, unless the delivery is done, unwanted, or its endpoint has all it may have."""
        delivery = await self.deliveries.get(entry.field("id").decode())
        if delivery is None or delivery.state != "pending":
            return Outcome()
        subscription = await self.subscriptions.get(delivery.subscription)
        endpoint = _endpoint_name(subscription)
        if self._in_flight[endpoint] >= self.per_endpoint:
            return self._put_off(delivery, BUSY_SECONDS)
        if subscription and subscription.state == "paused" and delivery.kind == "report":
            return self._put_off(delivery, PAUSED_SECONDS)
        with self._slot(endpoint):
            return await self._attempt(delivery, subscription)

    async def _attempt(self, delivery: Delivery, subscription: Subscription | None) -> Outcome:
        started = time.monotonic()
        try:
            wanted = _still_wanted(delivery, subscription)
            sent = await self._send(delivery, wanted)
        except (Cancelled, Unsendable) as e:
            return self._written(
                delivery, "cancelled", Attempt(at=_now(), outcome="cancelled", detail=str(e))
            )
        except DeliveryError as e:
            return await self._failed(delivery, wanted, e, _milliseconds(started))
        return await self._succeeded(delivery, wanted, sent, _milliseconds(started))

    async def _send(self, delivery: Delivery, subscription: Subscription) -> Sent:
        channel = subscription.channel
        if isinstance(channel, WebhookEndpoint):
            return await self.webhooks.send(await self.renderer.webhook(delivery, subscription), channel)
        return await self.mails.send(await self.renderer.mail(delivery, subscription), channel)

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
        if error.gone:
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

    @contextmanager
    def _slot(self, endpoint: str) -> Iterator[None]:
        self._in_flight[endpoint] += 1
        try:
            yield
        finally:
            self._in_flight[endpoint] -= 1
            if not self._in_flight[endpoint]:
                del self._in_flight[endpoint]

    async def _activate(self, asked: Subscription) -> None:
        def answered(subscription: Subscription) -> Subscription:
            # Its owner may have named another endpoint meanwhile, which has not answered.
            if subscription.state != "pending" or subscription.channel != asked.channel:
                return subscription
            return subscription.model_copy(update={"state": "active", "reason": "", "changed_at": _now()})

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


def _still_wanted(delivery: Delivery, subscription: Subscription | None) -> Subscription:
    if subscription is None:
        raise Cancelled("the subscription was removed")
    if delivery.kind == "report" and subscription.state != "active":
        raise Cancelled(f"the subscription is {subscription.state}")
    if delivery.kind == "confirm" and subscription.state != "pending":
        raise Cancelled("the subscription is confirmed already")
    return subscription


def _endpoint_name(subscription: Subscription | None) -> str:
    if subscription is None:
        return ""
    channel = subscription.channel
    return "mail" if isinstance(channel, EmailEndpoint) else channel.url


def _now() -> datetime:
    return datetime.now(UTC)


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
