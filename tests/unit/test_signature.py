"""Our signatures, checked by the receivers' own library."""

import base64
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from services.notify.core.signature import signed_lines
from shared.webhook_keys import SecretError, make_secret, public_key

SECRET = make_secret(bytes(range(32)))
OTHER = make_secret(bytes(range(32, 64)))
BODY = '{"type":"report.matched","data":{"title":"Евакуація"}}'.encode()


def headers(*secrets: str, timestamp: int | None = None) -> dict[str, str]:
    lines = signed_lines(secrets, "dlv_1", timestamp or int(time.time()), BODY)
    return dict(line.decode().split(": ", 1) for line in lines)


def test_a_receiver_verifies_what_we_sign() -> None:
    assert Webhook(SECRET).verify(BODY, headers(SECRET))["type"] == "report.matched"


@pytest.mark.parametrize("size", [1, 63, 64, 65, 200])
def test_a_receiver_verifies_with_a_key_of_any_size(size: int) -> None:
    secret = "whsec_" + base64.b64encode(bytes(range(size))).decode()
    Webhook(secret).verify(BODY, headers(secret))


def test_a_changed_body_is_not_verified() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", headers(SECRET))


def test_another_secret_is_not_verified() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(BODY, headers(SECRET))


def test_an_old_timestamp_is_not_verified() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers(SECRET, timestamp=int(time.time()) - 3600))


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_while_a_secret_is_replaced_both_verify(secret: str) -> None:
    Webhook(secret).verify(BODY, headers(OTHER, SECRET))


def test_a_new_secret_shows_its_kind() -> None:
    assert SECRET.startswith("whsec_")


@pytest.mark.parametrize("size", [0, 31, 33, 65])
def test_a_secret_of_the_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(SecretError):
        make_secret(bytes(size))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!", "whsec_ü"])
def test_a_broken_secret_is_named_but_not_shown(secret: str) -> None:
    with pytest.raises(SecretError, match="a webhook secret is"):
        signed_lines((secret,), "dlv_1", 1, BODY)


def test_an_id_with_a_full_stop_is_refused() -> None:
    with pytest.raises(ValueError, match="full stop"):
        signed_lines((SECRET,), "a.b", 1, BODY)


def verifies(key: str, sent: dict[str, str], body: bytes = BODY) -> bool:
    """As a receiver would: the specification's words on v1a, by another library's verifier."""
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.removeprefix("whpk_")))
    content = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + body
    for signature in sent["webhook-signature"].split(" "):
        scheme, _, written = signature.partition(",")
        try:
            public.verify(base64.b64decode(written), content)
            return scheme == "v1a"
        except InvalidSignature:
            continue
    return False


PRIVATE, NEXT_PRIVATE = make_secret(bytes(range(32)), "v1a"), make_secret(bytes(range(1, 33)), "v1a")


def test_a_private_key_signs_what_its_public_key_verifies() -> None:
    assert PRIVATE.startswith("whsk_")
    assert verifies(public_key(PRIVATE), headers(PRIVATE))
    assert not verifies(public_key(PRIVATE), headers(PRIVATE), BODY + b" ")
    assert not verifies(public_key(PRIVATE), headers(PRIVATE) | {"webhook-timestamp": "1"})
    assert not verifies(public_key(NEXT_PRIVATE), headers(PRIVATE))


@pytest.mark.parametrize("secret", [PRIVATE, NEXT_PRIVATE])
def test_while_a_private_key_is_replaced_both_public_keys_verify(secret: str) -> None:
    assert verifies(public_key(secret), headers(NEXT_PRIVATE, PRIVATE))
