"""Standard Webhooks v1: HMAC-SHA256 over `id.timestamp.body`.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac
from functools import lru_cache

PREFIX = "whsec_"
SECRET_BYTES = 32
KEYS_KEPT = 10_000


class SecretError(ValueError):
    """A webhook secret that cannot sign. The message never holds the secret."""


def new_secret(random_bytes: bytes) -> str:
    """Return the secret as its owner sees it, `whsec_` and base64; raise SecretError unless 24-64 bytes."""
    if not 24 <= len(random_bytes) <= 64:
        raise SecretError(f"a webhook secret has 24 to 64 bytes, not {len(random_bytes)}")
    return PREFIX + base64.b64encode(random_bytes).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature, `v1,` and base64. `timestamp` is in whole seconds, of this attempt.

    Raise ValueError if the id holds a full stop: it would make the signed content ambiguous.
    """
    if "." in message_id:
        raise ValueError(f"message id {message_id!r} holds a full stop")
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode()


def signed_headers(secrets: tuple[str, ...], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers; while a secret is being replaced there are two signatures in one of them."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, message_id, timestamp, body) for secret in secrets),
    }


@lru_cache(KEYS_KEPT)
def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as e:
        raise SecretError("a webhook secret is not base64") from e
    if not key:
        raise SecretError("a webhook secret is empty")
    return key
