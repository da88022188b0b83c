"""What a sign-up makes, and what may be done with a subscription in which state. Knows no clock and no chance."""

import base64
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Literal, NamedTuple

from email_validator import EmailNotValidError, validate_email

from services.api.core.problem import Conflict, FieldError
from services.api.core.wording import listed
from shared.countries import country_names, find_country
from shared.matching.tokens import tokens
from shared.subscriptions import (
    EmailEndpoint,
    Move,
    State,
    Subscription,
    WebhookEndpoint,
    Wish,
    hash_token,
)
from shared.webhook_keys import make_secret, public_key, scheme_of

OVERLAP = timedelta(hours=24)
_MEANT = {"EL": "GR"}

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


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


def shown_key(secret: str | None) -> dict[str, str]:
    """Return what its owner verifies signatures with: {"secret": …}, {"public_key": …}, or nothing."""
    if secret is None:
        return {}
    return {"secret": secret} if scheme_of(secret) == "v1" else {"public_key": public_key(secret)}


def check_topics(wanted: Sequence[str], known: Sequence[str]) -> list[FieldError]:
    """Return an error that names the known topics if one is not among them."""
    unknown = [topic for topic in wanted if topic not in known]
    if not unknown:
        return []
    names = listed([repr(topic[:60]) for topic in unknown], "and")
    return [FieldError("filter.topics", f"unknown topic {names}; known are {listed(known, 'and')}")]


def check_languages(wanted: Sequence[str]) -> list[FieldError]:
    """Return an error for each language that is no code: it would never match."""
    return [
        FieldError("filter.languages", f"{code[:40]!r} is no language code; write e.g. en, uk or ar")
        for code in wanted
        if not _LANGUAGE.fullmatch(code)
    ]


def check_countries(wanted: Sequence[str]) -> list[FieldError]:
    """Return an error for each code that no country has."""
    return [FieldError("filter.countries", _no_country(code)) for code in wanted if not _is_country(code)]


def check_query(query: str | None, topics: Sequence[str]) -> list[FieldError]:
    """Return an error for each topic: and country: in a query that there is not, with its position."""
    errors = []
    for token in tokens(query) if query else ():
        if token.field == "country" and not _is_country(token.phrase.upper()):
            errors.append(f"{_no_country(token.phrase)}, at character {token.position + 1}")
        elif token.field == "topic" and token.phrase.lower() not in topics:
            known = listed(topics, "and")
            where = f"at character {token.position + 1}"
            errors.append(f"unknown topic {token.phrase[:60]!r} {where}; known are {known}")
    return [FieldError("filter.query", error) for error in errors]


def _is_country(code: str) -> bool:
    return code in country_names()


def _no_country(code: str) -> str:
    right = find_country(code) or _MEANT.get(code.upper())
    return f"{code[:20]!r} is no country: write {right or 'its code, as in SD for Sudan'}"


def mail_address(address: str) -> str:
    """Return the address normalised; raise ValueError that says what is wrong. Nothing is looked up."""
    try:
        found = validate_email(address, check_deliverability=False)
    except EmailNotValidError as e:
        raise ValueError(str(e)) from e
    return found.ascii_email or f"{found.local_part}@{found.ascii_domain}"


def source_of(host: str) -> str:
    """Return what counts as one source of requests: an IPv4 address, or the /64 that an IPv6 address is in."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and not address.ipv4_mapped:
        return address.exploded[:19]
    return str(getattr(address, "ipv4_mapped", None) or address)


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


def must_ask_again(subscription: Subscription) -> bool:
    """Return whether a test is a confirmation: the endpoint has not answered yet, or was given up."""
    return subscription.state in ("pending", "disabled")


def asked_to_move(subscription: Subscription, new: EmailEndpoint, now: datetime) -> Subscription:
    """Return it with a change of mail address that both addresses have to agree to.

    For a webhook whoever has the manage token agrees. An address that has not confirmed yet cannot agree: the key in
    a confirmation mail does not say to whom it was sent, so raise Conflict.
    """
    from_webhook = isinstance(subscription.channel, WebhookEndpoint)
    if subscription.state == "pending" and not from_webhook:
        raise Conflict(
            "the mail address has not been confirmed yet: confirm it first, or make a new subscription"
        )
    move = Move(channel=new, asked_at=now, agreed=("from",) if from_webhook else ())
    return subscription.model_copy(update={"move": move, "changed_at": now})


def agreed_to_move(subscription: Subscription, side: Literal["from", "to"], now: datetime) -> Subscription:
    """Return it with one address's consent; with both it has the new address."""
    move = subscription.move
    if move is None:
        return subscription
    agreed: tuple[Literal["from", "to"], ...] = (*(each for each in move.agreed if each != side), side)
    if len(agreed) < 2:
        return subscription.model_copy(update={"move": move.model_copy(update={"agreed": agreed})})
    moved_to: dict[str, object] = {"channel": move.channel, "move": None, "secret": None, "changed_at": now}
    if subscription.state in ("pending", "disabled"):
        moved_to |= {"state": "active", "reason": "", "since": now}
    return subscription.model_copy(update=moved_to)
