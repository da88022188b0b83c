"""What may be done with a subscription in which state, and what it is then. Knows no clock and no chance."""

from datetime import datetime, timedelta
from typing import Literal

from services.api.core.problem import Conflict
from shared.endpoints import EmailEndpoint, WebhookEndpoint
from shared.subscriptions import Move, State, Subscription
from shared.webhook_keys import make_secret, scheme_of

OVERLAP = timedelta(hours=24)


def moved(subscription: Subscription, state: State, now: datetime) -> Subscription:
    """Return it in another state, without a reason; one that is switched on tells what comes from now on."""
    since = now if state == "active" else subscription.since
    changes = {"state": state, "reason": "", "changed_at": now, "since": since}
    return subscription.model_copy(update=changes)


def paused(subscription: Subscription, now: datetime) -> Subscription:
    """Return it paused; raise Conflict unless it is active (or paused already)."""
    if subscription.state == "paused":
        return subscription
    if subscription.state != "active":
        raise Conflict(f"only an active subscription can be paused; this one is {subscription.state}")
    return moved(subscription, "paused", now)


def resumed(subscription: Subscription, now: datetime) -> Subscription:
    """Return it active again; raise Conflict unless it was paused: its owner has never answered otherwise."""
    if subscription.state == "active":
        return subscription
    if subscription.state == "pending":
        raise Conflict(
            "it is pending: confirm it by the mail, or let the webhook answer the test event with 2xx"
        )
    if subscription.state == "disabled":
        raise Conflict("it is disabled; ask for a test, and it is active again once that is answered")
    return moved(subscription, "active", now)


def confirmed(subscription: Subscription, now: datetime) -> Subscription:
    """Return it active if it was pending on a mail; in any other state it stays as it is."""
    if subscription.state != "pending" or not isinstance(subscription.channel, EmailEndpoint):
        return subscription
    return moved(subscription, "active", now)


def snoozed(subscription: Subscription, now: datetime, *, days: int) -> Subscription:
    """Return it silent for so many days; none ends that."""
    until = now + timedelta(days=days) if days else None
    schedule = subscription.schedule.model_copy(update={"snooze_until": until})
    return subscription.model_copy(update={"schedule": schedule, "changed_at": now})


def fallback_confirmed(subscription: Subscription, now: datetime) -> Subscription:
    """Return it with its second channel answered."""
    return subscription.model_copy(update={"fallback_confirmed": True, "changed_at": now})


def fallback_ended(subscription: Subscription, now: datetime) -> Subscription:
    """Return it without a second channel."""
    ended = {"fallback": None, "fallback_confirmed": False, "changed_at": now}
    return subscription.model_copy(update=ended)


def feed_moved(subscription: Subscription, _: datetime) -> Subscription:
    """Return it with a new address of its feed; the old one opens nothing any more."""
    return subscription.model_copy(update={"feed_number": subscription.feed_number + 1})


def must_ask_again(subscription: Subscription) -> bool:
    """Return whether a test is a confirmation: the endpoint has not answered yet, or was given up."""
    return subscription.state in ("pending", "disabled")


def asked_to_move(subscription: Subscription, new: EmailEndpoint, now: datetime) -> Subscription:
    """Return it with a change of mail address that both addresses have to agree to.

    For a webhook or a chat room whoever has the manage token agrees. An address that has not confirmed yet cannot
    agree: the key in a confirmation mail does not say to whom it was sent, so raise Conflict.
    """
    from_mail = isinstance(subscription.channel, EmailEndpoint)
    if subscription.state == "pending" and from_mail:
        raise Conflict(
            "the mail address has not been confirmed yet: confirm it first, or make a new subscription"
        )
    move = Move(channel=new, asked_at=now, agreed=() if from_mail else ("from",))
    return subscription.model_copy(update={"move": move, "changed_at": now})


def agreed_to_move(subscription: Subscription, now: datetime, *, side: Literal["from", "to"]) -> Subscription:
    """Return it with one address's consent; with both it has the new address."""
    move = subscription.move
    if move is None:
        return subscription
    agreed: tuple[Literal["from", "to"], ...] = (*(each for each in move.agreed if each != side), side)
    if len(agreed) < 2:
        return subscription.model_copy(update={"move": move.model_copy(update={"agreed": agreed})})
    moved_to: dict[str, object] = {"channel": move.channel, "move": None, "changed_at": now}
    if not isinstance(subscription.fallback, WebhookEndpoint):
        moved_to["secret"] = None
    if subscription.state in ("pending", "disabled"):
        moved_to |= {"state": "active", "reason": "", "since": now}
    return subscription.model_copy(update=moved_to)


def rotated(subscription: Subscription, thirty_two_bytes: bytes, now: datetime) -> Subscription:
    """Return it with a new secret, beside which the old one signs for a day; raise Conflict if it has none."""
    if subscription.secret is None:
        raise Conflict("only a webhook has a secret")
    changes = {
        "secret": make_secret(thirty_two_bytes, scheme_of(subscription.secret)),
        "former_secret": subscription.secret,
        "former_secret_until": now + OVERLAP,
        "changed_at": now,
    }
    return subscription.model_copy(update=changes)
