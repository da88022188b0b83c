"""Standard Webhooks over `id.timestamp.body`: v1 is HMAC-SHA256, v1a is ed25519.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
from binascii import b2a_base64
from collections.abc import Callable
from functools import lru_cache, partial

from shared.webhook_keys import KEYS_KEPT, key_bytes, private_key, scheme_of


def signed_lines(secrets: tuple[str, ...], message_id: str, timestamp: int, body: bytes) -> list[bytes]:
    """Return the three header lines; while a secret is being replaced there are two signatures in one of them.

    `timestamp` is in whole seconds, of this attempt. Raise SecretError, and ValueError if the id holds a full stop:
    it would make the signed content ambiguous.
    """
    if "." in message_id:
        raise ValueError(f"message id {message_id!r} holds a full stop")
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return [
        f"webhook-id: {message_id}".encode(),
        b"webhook-timestamp: %d" % timestamp,
        b"webhook-signature: " + b" ".join([_signer(secret)(signed) for secret in secrets]),
    ]


@lru_cache(KEYS_KEPT)
def _signer(secret: str) -> Callable[[bytes], bytes]:
    if scheme_of(secret) == "v1a":
        return partial(_signature, b"v1a,", private_key(secret).sign)
    return partial(_signature, b"v1,", partial(hmac.digest, key_bytes(secret), digest="sha256"))


def _signature(scheme: bytes, sign: Callable[[bytes], bytes], signed: bytes) -> bytes:
    return scheme + b2a_base64(sign(signed), newline=False)
