"""What a sign-up makes, and what may be done with a subscription in which state. Knows no clock and no chance."""

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email

from services.api.core.countries import what_is_right
from services.api.core.problem import Conflict, FieldError
from services.api.core.wording import listed
from shared.matching.query import parse_query
from shared.subscriptions import Endpoint, State, Subscription, WebhookEndpoint, Wish, hash_token

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class Keys(NamedTuple):
    """The random part of a new subscription."""

    id: str
    manage_token: str
    secret: str


def make_keys(sixty_eight_bytes: bytes) -> Keys:
    """Return id, manage token and webhook secret made of 68 random bytes (12, 24 and 32 of them)."""
    first, second, third = sixty_eight_bytes[:12], sixty_eight_bytes[12:36], sixty_eight_bytes[36:68]
    token = base64.urlsafe_b64encode(second).decode()
    return Keys(f"sub_{first.hex()}", f"tok_{token}", make_secret(third))


def make_secret(thirty_two_bytes: bytes) -> str:
    """Return a secret as Standard Webhooks writes it."""
    return f"whsec_{base64.b64encode(thirty_two_bytes).decode()}"


def new_subscription(wish: Wish, keys: Keys, now: datetime) -> Subscription:
    """Return the pending subscription that a wish makes; only a webhook has a secret."""
    return Subscription(
        **wish.model_dump(),
        id=keys.id,
        token_hash=hash_token(keys.manage_token),
        secret=keys.secret if isinstance(wish.channel, WebhookEndpoint) else None,
        created_at=now,
        changed_at=now,
    )


def check_topics(wanted: Sequence[str], known: Sequence[str]) -> list[FieldError]:
    """Return an error that names the known topics if one is not among them."""
    unknown = [topic for topic in wanted if topic not in known]
    if not unknown:
        return []
    names = listed([repr(topic[:60]) for topic in unknown], "and")
    return [FieldError("filter.topics", f"unknown topic {names}; known are {listed(known, 'and')}")]


def check_countries(wanted: Sequence[str], field: str = "filter.countries") -> list[FieldError]:
    """Return an error for each code that no country has, with what to write instead."""
    return [
        FieldError(field, f"no country has the code {code[:20]!r}; {right}")
        for code in wanted
        if (right := what_is_right(code))
    ]


def check_query(query: str | None, topics: Sequence[str]) -> list[FieldError]:
    """Return an error for each topic: and country: of a query (one that can be read) that would never match."""
    named: dict[str, list[str]] = {"topic": [], "country": []}
    for fact in parse_query(query).facts if query else ():
        kind, _, name = fact.partition(":")
        named[kind].append(name)
    unknown = [error._replace(field="filter.query") for error in check_topics(named["topic"], topics)]
    return unknown + check_countries(named["country"], "filter.query")


def check_languages(wanted: Sequence[str]) -> list[FieldError]:
    """Return an error for each language that is no code: it would never match."""
    return [
        FieldError("filter.languages", f"{code[:40]!r} is no language code; write e.g. en, uk or ar")
        for code in wanted
        if not _LANGUAGE.fullmatch(code)
    ]


def mail_address(address: str) -> str:
    """Return the address normalised; raise ValueError that says what is wrong. Nothing is looked up."""
    try:
        found = validate_email(address, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as e:
        raise ValueError(str(e)) from e
    return found.ascii_email or found.normalized


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
    """Return the subscription in another state, without a reason."""
    return subscription.model_copy(update={"state": state, "reason": "", "changed_at": now})


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
    if subscription.state != "pending" or isinstance(subscription.channel, WebhookEndpoint):
        return subscription
    return moved(subscription, "active", now)


def must_ask_again(subscription: Subscription) -> bool:
    """Return whether a test is a confirmation: the endpoint has not answered yet, or was given up."""
    return subscription.state in ("pending", "disabled")


def check_new_channel(old: Endpoint, new: Endpoint) -> list[FieldError]:
    """Return an error if the change is to another mail address.

    The key in a confirmation mail does not say to whom it was sent: with one from an earlier address, somebody
    could confirm in another's name.
    """
    if new == old or isinstance(new, WebhookEndpoint):
        return []
    return [FieldError("channel", "a subscription cannot be moved to another mail address; make a new one")]
