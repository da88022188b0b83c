"""A delivery, one report (or message) owed to one subscription, and an attempt, one try at it. Pure."""

import hashlib
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.events import Moment

Kind = Literal["report", "digest", "confirm", "test", "move_from", "move_to"]
DeliveryState = Literal["pending", "held", "not_sent", "delivered", "given_up", "cancelled"]
"""held: waits for its digest; not_sent: it matched, and is not sent for the reason in `decision`."""


class Delivery(BaseModel):
    """One report, or one confirmation or test, owed to one subscription."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Kind
    subscription: str
    report: str | None = None
    state: DeliveryState = "pending"
    attempts: int = 0
    created_at: Moment
    next_attempt_at: Moment | None = None
    decision: str = Field(default="now", description="A verdict of `shared.decision`.")
    digest: str | None = Field(default=None, description="The delivery that carries it, if that is a digest.")
    refers_to: str | None = Field(
        default=None, description="The report told before: of the same story, or this one's earlier revision."
    )
    is_update: bool = False
    story: str | None = None


class Attempt(BaseModel):
    """One try at a delivery."""

    model_config = ConfigDict(frozen=True)

    at: Moment
    outcome: Literal["delivered", "failed", "given_up", "cancelled"]
    detail: str = ""
    status: int | None = None
    duration_ms: int = 0
    next_attempt_at: Moment | None = None


def delivery_id(subscription_id: str, report_id: str) -> str:
    """sha256(subscription, report): a match owes one delivery however often it is found. It is the webhook-id."""
    return "dlv_" + hashlib.sha256(f"{subscription_id}\n{report_id}".encode()).hexdigest()[:24]


def owed_report(subscription_id: str, report_id: str, now: datetime) -> Delivery:
    """Return the delivery that a match owes."""
    return Delivery(
        id=delivery_id(subscription_id, report_id),
        kind="report",
        subscription=subscription_id,
        report=report_id,
        created_at=now,
    )


def owed_message(kind: Kind, subscription_id: str, unique: str, now: datetime) -> Delivery:
    """Return the delivery of a confirmation or test; `unique` makes its id differ from earlier ones."""
    return Delivery(
        id=delivery_id(subscription_id, f"{kind}:{unique}"),
        kind=kind,
        subscription=subscription_id,
        created_at=now,
    )


def digest_id(subscription_id: str, due: datetime) -> str:
    """sha256(subscription, the moment it is due): whatever is held until then goes into one digest."""
    return delivery_id(subscription_id, f"digest:{due.timestamp():.0f}")


def update_id(subscription_id: str, report_id: str, revision: int) -> str:
    """sha256(subscription, report, revision): a revision is an update once."""
    return delivery_id(subscription_id, f"{report_id}:{revision}")
