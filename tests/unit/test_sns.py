"""Messages of Amazon SNS: only what the holder of Amazon's key has signed is believed."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from services.api.core.sns import SnsError, certificate_url, check_signature

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PLACE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem"


def certificate(now: datetime = NOW) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), x509.random_serial_number())
    until = now + timedelta(days=30)
    return (
        builder.not_valid_before(now - timedelta(days=1))
        .not_valid_after(until)
        .sign(KEY, SHA256())
        .public_bytes(Encoding.PEM)
    )


def signed(version: str = "2", **fields: str) -> dict[str, str]:
    """A message as SNS sends it: what is signed are these fields in this order."""
    message = {
        "Message": "{}",
        "MessageId": "m1",
        "Timestamp": "2026-03-01T00:00:00.000Z",
        "TopicArn": "arn:aws:sns:eu-west-1:1:t",
        "Type": "Notification",
    } | fields
    text = "".join(f"{name}\n{message[name]}\n" for name in sorted(message))
    signature = KEY.sign(text.encode(), padding.PKCS1v15(), SHA256() if version == "2" else SHA1())
    more = {"SignatureVersion": version, "SigningCertURL": PLACE}
    return message | more | {"Signature": base64.b64encode(signature).decode()}


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Subject": "Bounce"},
        {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": "https://x.example/"},
    ],
)
def test_what_sns_signed_is_believed(version: str, fields: dict[str, str]) -> None:
    check_signature(signed(version, **fields), certificate(), NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"Message": "{} "},
        {"Type": "SubscriptionConfirmation"},
        {"Subject": "added"},
        {"Signature": ""},
        {"Signature": "?"},
        {"SignatureVersion": "3"},
    ],
)
def test_what_was_changed_is_not(change: dict[str, str]) -> None:
    with pytest.raises(SnsError):
        check_signature(signed() | change, certificate(), NOW)


def test_a_certificate_out_of_date_proves_nothing() -> None:
    with pytest.raises(SnsError, match="out of date"):
        check_signature(signed(), certificate(), NOW + timedelta(days=31))


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem",
        "https://x@sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
        "https://mybucket.s3.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a",
        "https://169.254.169.254/a.pem",
        "",
        None,
    ],
)
def test_a_certificate_is_fetched_from_amazon_only(url: str | None) -> None:
    with pytest.raises(SnsError):
        certificate_url({"SigningCertURL": url})


def test_an_address_of_amazon_is_taken() -> None:
    assert certificate_url({"SigningCertURL": PLACE}) == PLACE
