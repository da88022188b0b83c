"""What a sign-up makes: an id, a token, a secret, a pending subscription. Knows no clock and no chance."""

import base64
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from shared.endpoints import WebhookEndpoint
from shared.subscriptions import Subscription, Wish, hash_token
from shared.webhook_keys import make_secret, public_key, scheme_of


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


def source_of(host: str) -> str:
    """Return what counts as one source of requests: an IPv4 address, or the /64 that an IPv6 address is in."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and not address.ipv4_mapped:
        return address.exploded[:19]
    return str(getattr(address, "ipv4_mapped", None) or address)
