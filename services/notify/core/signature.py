"""Standard Webhooks over `id.timestamp.body`: v1 is HMAC-SHA256, v1a is ed25519.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from binascii import b2a_base64
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256

from shared.webhook_keys import key_bytes, private_key, scheme_of

SIGNERS_KEPT = 10_000
_BLOCK = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


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


@lru_cache(SIGNERS_KEPT)
def _signer(secret: str) -> Callable[[bytes], bytes]:
    v1a = scheme_of(secret) == "v1a"
    scheme, sign = (b"v1a,", private_key(secret).sign) if v1a else (b"v1,", _hmac_sha256(key_bytes(secret)))

    def signature(signed: bytes) -> bytes:
        return scheme + b2a_base64(sign(signed), newline=False)

    return signature


def _hmac_sha256(key: bytes) -> Callable[[bytes], bytes]:
    """RFC 2104, the key taken in once: `hmac.digest` does that, and looks its algorithm up, at each message."""
    block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    inner, outer = sha256(block.translate(_INNER)), sha256(block.translate(_OUTER))

    def digest(message: bytes) -> bytes:
        first, last = inner.copy(), outer.copy()
        first.update(message)
        last.update(first.digest())
        return last.digest()

    return digest
