"""Decide what a delivery is after an attempt. Knows no clock and no store."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.notify.core.channel import DeliveryError, Sent
from services.notify.core.schedule import next_attempt
from shared.delivery import Attempt, Delivery


def after_success(delivery: Delivery, sent: Sent, now: datetime, duration_ms: int) -> Delivery:
    """Return the delivery, done."""
    attempt = Attempt(now, "delivered", sent.detail, sent.status, duration_ms)
    return delivery.after(attempt, "delivered")


def after_failure(
    delivery: Delivery,
    schedule: Sequence[float],
    error: DeliveryError,
    now: datetime,
    jitter: float,
    duration_ms: int,
) -> Delivery:
    """Return the delivery with its next attempt, or given up if the failure is for good or the schedule ran out."""
    due = None
    if not error.permanent:
        due = next_attempt(delivery.attempts + 1, schedule, now, jitter, error.retry_after)
    attempt = Attempt(now, "failed" if due else "given_up", str(error), error.status, duration_ms)
    return delivery.after(attempt, "pending" if due else "given_up", due)


def cancelled(delivery: Delivery, reason: str, now: datetime) -> Delivery:
    """Return the delivery that nobody wants any more; the reason is on its log."""
    return delivery.after(Attempt(now, "cancelled", reason), "cancelled")


def has_failed_long_enough(since: datetime, now: datetime, days: float) -> bool:
    """Return whether an endpoint that never succeeded since then is to be given up."""
    return now - since >= timedelta(days=days)
