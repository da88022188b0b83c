"""Decide what a delivery is after an attempt. Knows no clock and no store."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from services.notify.core.channel import DeliveryError, Sent
from services.notify.core.schedule import next_attempt
from shared.delivery import Attempt, Delivery, delivery_id
from shared.subscriptions import Subscription

WRITING_SECONDS = 30


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


def has_failed_long_enough(since: datetime, now: datetime, patience: timedelta) -> bool:
    """Return whether an endpoint that never succeeded since then is to be given up."""
    return now - since >= patience


def is_for_fallback(
    delivery: Delivery, subscription: Subscription, since: datetime, next_chance: datetime | None
) -> bool:
    """Return whether a delivery that has failed since then is to be told to the second channel, each once.

    It is if nothing will be tried again (`next_chance` None), or only when it has failed for too long by then: whoever
    waited for that attempt would tell of it hours late.
    """
    patience = timedelta(minutes=subscription.fallback_after)
    return (
        delivery.kind in ("report", "digest")
        and delivery.note == ""
        and subscription.fallback is not None
        and subscription.fallback_confirmed
        and (next_chance is None or has_failed_long_enough(since, next_chance, patience))
    )


def fallback_digest(subscription: Subscription, moment: datetime) -> tuple[str, datetime]:
    """Return the id of the digest to the second channel that is open at a moment, and when it is due.

    There is one in every `fallback_after` minutes, counted from 1970: all processes put into the same. One that is
    about to be made is left alone: what is put into it now may be written when it has been made.
    """
    window = subscription.fallback_after * 60
    due = (int(moment.timestamp() + WRITING_SECONDS) // window + 1) * window
    return delivery_id(subscription.id, f"fallback:{due}"), datetime.fromtimestamp(due, UTC)
