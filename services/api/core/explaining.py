"""Why a report reached a subscriber, or why it did not: what was written down, or else what would be decided now."""

from datetime import datetime
from typing import Literal, get_args

from pydantic import BaseModel, Field

from shared.decision import Decision
from shared.delivery import Delivery
from shared.events import Moment
from shared.matching.explanation import Explanation
from shared.schedule import zone_of
from shared.subscriptions import Subscription

Outcome = Literal[
    "delivered", "on_its_way", "given_up", "cancelled",
    "in_digest", "held_by_quiet_hours", "over_the_limit",
    "same_story", "same_news", "no_updates",
    "paused", "pending", "disabled", "snoozed", "expired", "older_than_subscription", "not_matched", "not_yet",
]  # fmt: skip

_WORDS: dict[str, str] = {
    "delivered": "It was delivered.",
    "on_its_way": "It is on its way: {detail}.",
    "given_up": "It could not be delivered, and no more is tried.",
    "cancelled": "It was cancelled before it was delivered.",
    "in_digest": "It waits for the digest that is due {due}.",
    "held_by_quiet_hours": "It is held by the quiet hours until {due}.",
    "over_the_limit": "More came in that hour than are wanted at once; it waits for the digest that is due {due}.",
    "same_story": "The same story was told before, and no topic or country is new in it that was asked for.",
    "same_news": "It was told before, and this revision changes neither its headline nor a figure.",
    "no_updates": "It was told before, and updates are not wanted.",
    "paused": "The subscription is paused: {detail}",
    "pending": "The subscription waits for its owner's answer.",
    "disabled": "The subscription is switched off: {detail}",
    "snoozed": "It came while the subscription was snoozed.",
    "expired": "It came after the subscription had expired.",
    "older_than_subscription": "It came before the subscription was made, switched on or changed last.",
    "not_matched": "The filter does not hold for it.",
    "not_yet": "The filter holds for it, and nothing is written about it: it has just come, or long ago.",
}

_IN_DIGEST: dict[str, Outcome] = {"quiet": "held_by_quiet_hours", "over_limit": "over_the_limit"}
# Most decisions and states are called what becomes of a report by them.
_CALLED: dict[str, Outcome] = {name: name for name in get_args(Outcome)}
_CALLED["older"] = "older_than_subscription"


class ReportExplained(BaseModel):
    """What became of a report for one subscription, and why."""

    report: str
    subscription: str
    outcome: Outcome
    reason: str = Field(description="The same in a sentence.")
    due: Moment | None = Field(default=None, description="When it is sent.")
    refers_to: str | None = Field(default=None, description="The report by which it was told before.")
    delivery: Delivery | None = None
    filter: Explanation = Field(description="Each part of the filter: whether it held, and how near it came.")


def explain_record(
    report: str, subscription: Subscription, record: Delivery, digest: Delivery | None, clause: Explanation
) -> ReportExplained:
    """Return what was decided, as it is written down; `digest` is the delivery that carried it, once that is due."""
    carrier = digest or record
    if record.state == "not_sent":
        outcome = _CALLED[record.decision]
    elif carrier.state == "held":
        outcome = _IN_DIGEST.get(record.decision, "in_digest")
    else:
        outcome = "on_its_way" if carrier.state == "pending" else _CALLED[carrier.state]
    due = carrier.next_attempt_at
    return ReportExplained(
        report=report,
        subscription=subscription.id,
        outcome=outcome,
        reason=_reason(outcome, subscription, due, f"{carrier.attempts} attempts so far"),
        due=due,
        refers_to=record.refers_to,
        delivery=carrier,
        filter=clause,
    )


def explain_decision(
    report: str, subscription: Subscription, decision: Decision, clause: Explanation
) -> ReportExplained:
    """Return what would be decided now, for a report of which nothing is written."""
    what = subscription.state if decision.verdict == "not_active" else decision.verdict
    outcome = _CALLED.get(what, "not_yet")
    return ReportExplained(
        report=report,
        subscription=subscription.id,
        outcome=outcome,
        reason=_reason(outcome, subscription, None, subscription.reason or "by its owner"),
        refers_to=decision.refers_to,
        filter=clause,
    )


def _reason(outcome: Outcome, subscription: Subscription, due: datetime | None, detail: str) -> str:
    zone = zone_of(subscription.schedule.timezone)
    when = f"{due.astimezone(zone):%d %B at %H:%M} ({zone.key})" if due else ""
    return _WORDS[outcome].format(due=when, detail=detail)
