"""Standard Webhooks over `id.timestamp.body`: v1 is HMAC-SHA256, v1a is ed25519.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
from binascii import b2a_base64

from shared.webhook_keys import key_bytes, private_key, scheme_of


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature, `v1,` or `v1a,` and base64. `timestamp` is in whole seconds, of this attempt.

    Raise ValueError if the id holds a full stop: it would make the signed content ambiguous.
    """
    if "." in message_id:
        raise ValueError(f"message id {message_id!r} holds a full stop")
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    if scheme_of(secret) == "v1a":
        signature = private_key(secret).sign(signed)
    else:
        signature = hmac.digest(key_bytes(secret), signed, "sha256")
    return f"{scheme_of(secret)},{b2a_base64(signature, newline=False).decode()}"


def signed_headers(secrets: tuple[str, ...], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers; while a secret is being replaced there are two signatures in one of them."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join([sign(secret, message_id, timestamp, body) for secret in secrets]),
    }
