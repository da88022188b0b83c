"""The life of a subscription: what a sign-up makes, what its owner may change, what may be done in which state.

Knows no clock and no chance.
"""

import base64
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from services.api.core.problem import Conflict
from shared.endpoints import EmailEndpoint, Endpoint, Strict, WebhookEndpoint
from shared.schedule import Schedule
from shared.subscriptions import (
    NAME_LIMIT,
    Filter,
    Move,
    State,
    Subscription,
    Wish,
    hash_token,
    signing_secrets,
)
from shared.webhook_keys import make_secret, public_key, scheme_of


class Change(Strict):
    """New values; what is left out stays as it is."""

    name: str | None = Field(default=None, max_length=NAME_LIMIT, examples=["Border crossings"])
    filter: Filter | None = None
    channel: Endpoint | None = Field(
        default=None, description="A new endpoint must answer first: the subscription is pending until then."
    )
    schedule: Schedule | None = None
    one_per_story: bool | None = None
    updates: bool | None = None
    fallback: Endpoint | None = Field(default=None, description="null takes it away.")
    fallback_after: int | None = Field(default=None, ge=1, le=1440)

    @model_validator(mode="after")
    def _says_something(self) -> "Change":
        if not self.named:
            raise ValueError(f"nothing to change: name at least one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def named(self) -> set[str]:
        """The fields that are to change."""
        return {
            name for name in self.model_fields_set if name == "fallback" or getattr(self, name) is not None
        }

    def applied(self, subscription: Subscription) -> Wish:
        """Return the wish as it will be."""
        old = {name: getattr(subscription, name) for name in Wish.model_fields}
        return Wish(**old | {name: getattr(self, name) for name in self.named})


class Keys(NamedTuple):
    """The random part of a new subscription."""

    id: str
    manage_token: str
    secret_bytes: bytes


def make_keys(sixty_eight_bytes: bytes) -> Keys:
    """Return id, manage token and webhook secret made of 68 random bytes (12, 24 and 32 of them)."""
    first, second, third = sixty_eight_bytes[:12], sixty_eight_bytes[12:36], sixty_eight_bytes[36:68]
    token = base64.urlsafe_b64encode(second).decode()
    return Keys(f"sub_{first.hex()}", f"tok_{token}", third)


def new_subscription(wish: Wish, keys: Keys, now: datetime) -> Subscription:
    """Return the pending subscription that a wish makes; only a webhook has a secret."""
    return Subscription(
        **wish.model_dump(),
        id=keys.id,
        token_hash=hash_token(keys.manage_token),
        secret=secret_for(wish, keys.secret_bytes),
        created_at=now,
        changed_at=now,
    )


def secret_for(wish: Wish, thirty_two_bytes: bytes, had: str | None = None) -> str | None:
    """Return the secret that signs a wish's webhooks, the one it had if that is of the right kind; or None."""
    hooks = [each for each in (wish.channel, wish.fallback) if isinstance(each, WebhookEndpoint)]
    if not hooks:
        return had
    return (
        had
        if had and scheme_of(had) == hooks[0].signature
        else make_secret(thirty_two_bytes, hooks[0].signature)
    )


def shown_key(secret: str | None) -> dict[str, str]:
    """Return what its owner verifies signatures with: {"secret": …}, {"public_key": …}, or nothing."""
    if secret is None:
        return {}
    return {"secret": secret} if scheme_of(secret) == "v1" else {"public_key": public_key(secret)}


OVERLAP = timedelta(hours=24)
SECRETS_KEPT = 9


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
    """Return it with a new secret, beside which the old one signs for a day, and those that still did.

    Raise Conflict if it has none.
    """
    if subscription.secret is None:
        raise Conflict("only a webhook has a secret")
    changes = {
        "secret": make_secret(thirty_two_bytes, scheme_of(subscription.secret)),
        "former_secret": " ".join(signing_secrets(subscription, now)[:SECRETS_KEPT]),
        "former_secret_until": now + OVERLAP,
        "changed_at": now,
    }
    return subscription.model_copy(update=changes)
