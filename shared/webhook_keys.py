"""Keys of webhooks, as Standard Webhooks writes them: `whsec_` shared, `whsk_` private (ed25519), `whpk_` public."""

import base64
import binascii
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Scheme = Literal["v1", "v1a"]

KEY_BYTES = 32
_PREFIXES: dict[Scheme, str] = {"v1": "whsec_", "v1a": "whsk_"}


class SecretError(ValueError):
    """A webhook secret that cannot sign. The message never holds the secret."""


def make_secret(thirty_two_bytes: bytes, scheme: Scheme = "v1") -> str:
    """Return the secret made of 32 random bytes; raise SecretError if there are more or fewer."""
    if len(thirty_two_bytes) != KEY_BYTES:
        raise SecretError(f"a webhook secret is made of {KEY_BYTES} bytes, not {len(thirty_two_bytes)}")
    return _PREFIXES[scheme] + base64.b64encode(thirty_two_bytes).decode()


def scheme_of(secret: str) -> Scheme:
    """Return how a secret signs."""
    return "v1a" if secret.startswith(_PREFIXES["v1a"]) else "v1"


def public_key(secret: str) -> str:
    """Return what verifies the signatures of a private key, `whpk_` and base64."""
    return "whpk_" + base64.b64encode(private_key(secret).public_key().public_bytes_raw()).decode()


def key_bytes(secret: str) -> bytes:
    """Return the bytes of a secret; raise SecretError."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIXES[scheme_of(secret)]), validate=True)
    except (binascii.Error, ValueError) as e:
        raise SecretError("a webhook secret is not base64") from e
    if not key:
        raise SecretError("a webhook secret is empty")
    return key


def private_key(secret: str) -> Ed25519PrivateKey:
    """Return the key that signs v1a; raise SecretError."""
    try:
        return Ed25519PrivateKey.from_private_bytes(key_bytes(secret))
    except ValueError as e:
        raise SecretError(f"a private key has {KEY_BYTES} bytes") from e
