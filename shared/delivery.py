"""A delivery, one report (or message) owed to one subscription, and an attempt, one try at it. Pure."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from shared.events import Moment

Kind = Literal["report", "confirm", "test", "notice"]
DeliveryState = Literal["pending", "delivered", "given_up", "cancelled"]
AttemptOutcome = Literal["delivered", "failed", "given_up", "cancelled"]

ATTEMPTS_KEPT = 20


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a delivery. `detail` is what went wrong, or the first words of the answer."""

    at: Moment
    outcome: AttemptOutcome
    detail: str = ""
    status: int | None = None
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One report, or one confirmation, test or notice, owed to one subscription; `log` has the newest attempt first."""

    id: str
    kind: Kind
    subscription: str
    created_at: Moment
    report: str | None = None
    state: DeliveryState = "pending"
    attempts: int = 0
    next_attempt_at: Moment | None = None
    note: str = ""
    log: tuple[Attempt, ...] = ()

    def after(
        self, attempt: Attempt, state: DeliveryState, next_attempt_at: datetime | None = None
    ) -> "Delivery":
        """Return the delivery with one more attempt on its log."""
        counted = self.attempts + (attempt.outcome != "cancelled")
        log = (attempt, *self.log[: ATTEMPTS_KEPT - 1])
        # Written out: `replace` takes longer than all the rest.
        return Delivery(
            self.id,
            self.kind,
            self.subscription,
            self.created_at,
            self.report,
            state,
            counted,
            next_attempt_at,
            self.note,
            log,
        )

    def anew(self) -> "Delivery":
        """Return the delivery at the start of its schedule, its log as it is."""
        return replace(self, state="pending", attempts=0, next_attempt_at=None)


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


def owed_message(kind: Kind, subscription_id: str, unique: str, now: datetime, note: str = "") -> Delivery:
    """Return the delivery of a confirmation, test or notice; `unique` makes its id differ from earlier ones."""
    return Delivery(
        id=delivery_id(subscription_id, f"{kind}:{unique}"),
        kind=kind,
        subscription=subscription_id,
        created_at=now,
        note=note,
    )


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def written(delivery: Delivery) -> str:
    """Return a delivery as Redis keeps it: a JSON array, because a million may be waiting. The id is in the key."""
    fields: list[Any] = [
        delivery.kind,
        delivery.subscription,
        delivery.report or "",
        delivery.state,
        delivery.attempts,
        _seconds(delivery.created_at),
        _seconds(delivery.next_attempt_at) if delivery.next_attempt_at else 0,
        [
            [_seconds(each.at), each.outcome, each.detail, each.status or 0, each.duration_ms]
            for each in delivery.log
        ],
    ]
    return _encode([*fields, delivery.note] if delivery.note else fields)


def read(delivery_id: str, raw: bytes | None) -> Delivery | None:
    """Return the delivery that is kept under this id, or None if there is none."""
    if raw is None:
        return None
    kind, subscription, report, state, attempts, created, next_attempt, log, *note = json.loads(raw)
    return Delivery(
        id=delivery_id,
        kind=kind,
        subscription=subscription,
        created_at=_moment(created),
        report=report or None,
        state=state,
        attempts=attempts,
        next_attempt_at=_moment(next_attempt) if next_attempt else None,
        note=note[0] if note else "",
        log=tuple(
            Attempt(_moment(at), outcome, detail, status or None, duration_ms)
            for at, outcome, detail, status, duration_ms in log
        ),
    )


def _seconds(moment: datetime) -> float:
    return round(moment.timestamp(), 1)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
