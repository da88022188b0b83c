"""A delivery, one report (or message) owed to one subscription, and an attempt, one try at it. Pure."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from pydantic_core import from_json, to_json

from shared.events import Moment

Kind = Literal["report", "digest", "confirm", "test", "notice", "move_from", "move_to"]
MOVE_KINDS = ("move_from", "move_to")
"""The questions whether an alert may move to another address."""
DeliveryState = Literal["pending", "held", "not_sent", "delivered", "given_up", "cancelled"]
"""held: waits for its digest; not_sent: it matched, and is not sent for the reason in `decision`."""
AttemptOutcome = Literal["delivered", "failed", "given_up", "cancelled"]

ATTEMPTS_KEPT = 20
TO_FALLBACK = "fallback"
"""What the note of a delivery to the second channel begins with."""
TOLD_BY_FALLBACK = "told by the fallback"


# Neither is ever changed. They are not frozen because making a frozen one takes three times as long, and each of
# thousands a second is made twice.
@dataclass(slots=True)
class Attempt:
    """One try at a delivery. `detail` is what went wrong, or the first words of the answer."""

    at: Moment
    outcome: AttemptOutcome
    detail: str = ""
    status: int | None = None
    duration_ms: int = 0


@dataclass(slots=True)
class Delivery:
    """One report, or one confirmation, test or notice, owed to one subscription.

    `attempts` counts those since it was last queued, by a retry or a replay; `log` has the newest twenty of all, the
    newest first.
    """

    id: str
    kind: Kind
    subscription: str
    created_at: Moment
    report: str | None = None
    state: DeliveryState = "pending"
    attempts: int = 0
    next_attempt_at: Moment | None = None
    log: tuple[Attempt, ...] = ()
    revision: int = 1
    decision: str = "now"
    """A verdict of `shared.decision`."""
    digest: str | None = None
    """The delivery that carries it, if that is a digest."""
    refers_to: str | None = None
    """The report told before: of the same story, or this one's earlier revision."""
    is_update: bool = False
    note: str = ""
    story: str | None = None

    @property
    def to_fallback(self) -> bool:
        """Whether it goes to the subscription's second channel."""
        return self.note.startswith(TO_FALLBACK)

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
            log,
            self.revision,
            self.decision,
            self.digest,
            self.refers_to,
            self.is_update,
            self.note,
            self.story,
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


def digest_id(subscription_id: str, due: datetime) -> str:
    """sha256(subscription, the moment it is due): whatever is held until then goes into one digest."""
    return delivery_id(subscription_id, f"digest:{due.timestamp():.0f}")


def update_id(subscription_id: str, report_id: str, revision: int) -> str:
    """sha256(subscription, report, revision): a revision is an update once."""
    return delivery_id(subscription_id, f"{report_id}:{revision}")


def written(delivery: Delivery) -> bytes:
    """Return a delivery as Redis keeps it: a JSON array, short because a million may be waiting. The id is its key.

    Words are letters, times are seconds since it was made, and what most deliveries do not have stands at the end and
    is left out. `settle_matches.lua` and `queue_digests.lua` write the same.
    """
    made = round(delivery.created_at.timestamp(), 1)
    due = delivery.next_attempt_at
    fields: list[Any] = [
        _CODES[delivery.kind],
        delivery.subscription,
        delivery.report or "",
        _CODES[delivery.state],
        delivery.attempts,
        made,
        round(due.timestamp() - made, 1) if due else 0,
        [
            (
                round(each.at.timestamp() - made, 1),
                _CODES[each.outcome],
                each.detail,
                each.status or 0,
                each.duration_ms,
            )
            for each in delivery.log
        ],
        delivery.revision,
    ]
    # A story begins with a report, whose name it has.
    story = "" if delivery.story == delivery.report else delivery.story or ""
    rare = (story, delivery.decision, delivery.digest, delivery.refers_to, delivery.is_update, delivery.note)
    if rare != _USUAL:
        fields += [each or "" for each in rare]
    return to_json(fields)


_USUAL = ("", "now", None, None, False, "")
_CODES = {
    "report": "r",
    "digest": "d",
    "confirm": "c",
    "test": "t",
    "notice": "n",
    "move_from": "f",
    "move_to": "m",
    "pending": "p",
    "held": "h",
    "not_sent": "n",
    "delivered": "d",
    "given_up": "g",
    "cancelled": "c",
    "failed": "f",
}
_KINDS: dict[str, Kind] = {_CODES[kind]: kind for kind in get_args(Kind)}
_STATES: dict[str, DeliveryState] = {_CODES[state]: state for state in get_args(DeliveryState)}
_OUTCOMES: dict[str, AttemptOutcome] = {_CODES[outcome]: outcome for outcome in get_args(AttemptOutcome)}


def read(delivery_id: str, raw: bytes | None) -> Delivery | None:
    """Return the delivery that is kept under this id, or None if there is none."""
    if raw is None:
        return None
    kind, subscription, report, state, attempts, made, due, log, revision, *rare = from_json(raw)
    story, decision, digest, refers_to, is_update, note = rare or _USUAL
    return Delivery(
        delivery_id,
        _KINDS[kind],
        subscription,
        _moment(made),
        report or None,
        _STATES[state],
        attempts,
        _moment(made + due) if due else None,
        # Lua writes an empty list as an empty object.
        tuple(
            Attempt(_moment(made + at), _OUTCOMES[outcome], detail, status or None, duration_ms)
            for at, outcome, detail, status, duration_ms in log
        )
        if log
        else (),
        revision,
        decision,
        digest or None,
        refers_to or None,
        bool(is_update),
        note,
        story or report or None,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
