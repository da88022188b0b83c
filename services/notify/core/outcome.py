"""Decide what a delivery is after an attempt. Knows no clock and no store."""

from collections.abc import Sequence
from datetime import datetime

from services.notify.core.schedule import next_attempt
from shared.delivery import Delivery


def after_success(delivery: Delivery) -> Delivery:
    """Return the delivery, done."""
    return delivery.model_copy(
        update={"state": "delivered", "attempts": delivery.attempts + 1, "next_attempt_at": None}
    )


def after_failure(
    delivery: Delivery,
    schedule: Sequence[float],
    now: datetime,
    jitter: float,
    permanent: bool,
    retry_after: float | None,
) -> Delivery:
    """Return the delivery with its next attempt, or given up if the failure is for good or the schedule ran out."""
    attempts = delivery.attempts + 1
    due = None if permanent else next_attempt(attempts, schedule, now, jitter, retry_after)
    state = "pending" if due else "given_up"
    return delivery.model_copy(update={"state": state, "attempts": attempts, "next_attempt_at": due})
