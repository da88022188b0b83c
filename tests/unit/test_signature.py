"""Our signatures, checked by the receivers' own library."""

import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from services.notify.core.signature import SecretError, new_secret, sign, signed_headers

SECRET = new_secret(bytes(range(32)))
OTHER = new_secret(bytes(range(32, 64)))
BODY = '{"type":"report.matched","data":{"title":"Евакуація"}}'.encode()


def headers(*secrets: str, timestamp: int | None = None) -> dict[str, str]:
    return signed_headers(secrets, "dlv_1", timestamp or int(time.time()), BODY)


def test_a_receiver_verifies_what_we_sign() -> None:
    assert Webhook(SECRET).verify(BODY, headers(SECRET))["type"] == "report.matched"


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


@pytest.mark.parametrize("size", [0, 23, 65])
def test_a_secret_of_the_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(SecretError):
        new_secret(bytes(size))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!", "whsec_ü"])
def test_a_broken_secret_is_named_but_not_shown(secret: str) -> None:
    with pytest.raises(SecretError, match="a webhook secret is"):
        sign(secret, "dlv_1", 1, BODY)


def test_an_id_with_a_full_stop_is_refused() -> None:
    with pytest.raises(ValueError, match="full stop"):
        sign(SECRET, "a.b", 1, BODY)
