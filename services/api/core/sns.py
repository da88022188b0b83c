"""What Amazon SNS signs, and whether it did: how SES tells of bounces. Knows no clock and fetches nothing.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

_HOST = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?")
_HASHES = {"1": SHA1, "2": SHA256}
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}


class SnsError(ValueError):
    """A message that SNS did not sign; the text says what is wrong with it."""


def is_from_sns(message: Any) -> bool:
    """Return whether it is an envelope of SNS, which is signed. What SES says itself, as it is, is not."""
    return isinstance(message, Mapping) and message.get("Type") in _SIGNED


def certificate_url(message: Mapping[str, Any]) -> str:
    """Return where the certificate is, if that is Amazon's; raise SnsError: anybody may write an address there."""
    url = message.get("SigningCertURL")
    parts = urlsplit(url if isinstance(url, str) else "")
    if parts.scheme != "https" or not _HOST.fullmatch(parts.netloc) or not parts.path.endswith(".pem"):
        raise SnsError("its certificate is not at an address of Amazon SNS")
    return f"https://{parts.netloc}{parts.path}"


def check_signature(message: Mapping[str, Any], certificate: bytes, now: datetime) -> None:
    """Raise SnsError unless the message is signed by the key of this certificate (PEM), which is good at `now`."""
    try:
        found = x509.load_pem_x509_certificate(certificate)
        signature = base64.b64decode(str(message["Signature"]), validate=True)
        algorithm = _HASHES[str(message.get("SignatureVersion"))]()
    except (ValueError, KeyError, binascii.Error) as e:
        raise SnsError("its certificate or its signature cannot be read") from e
    key = found.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or not (
        found.not_valid_before_utc <= now <= found.not_valid_after_utc
    ):
        raise SnsError("its certificate is no good, or is out of date")
    try:
        key.verify(signature, _signed(message), padding.PKCS1v15(), algorithm)
    except InvalidSignature as e:
        raise SnsError("its signature is not Amazon's") from e


def _signed(message: Mapping[str, Any]) -> bytes:
    names = (name for name in _SIGNED[message["Type"]] if name in message)
    return "".join(f"{name}\n{message[name]}\n" for name in names).encode()
