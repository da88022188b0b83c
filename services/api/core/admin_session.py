"""Who has shown the admin token once: a cookie that only we can make, and that ends."""

import hashlib
import hmac
from datetime import datetime, timedelta

LIFE = timedelta(hours=12)


def make_session(server_key: bytes, admin_token: str, now: datetime) -> str:
    """Return the cookie's value, `<end, in seconds>.<64 hex digits>`. Another token makes it worthless."""
    end = str(int((now + LIFE).timestamp()))
    return f"{end}.{_signature(server_key, admin_token, end)}"


def is_session(value: str, server_key: bytes, admin_token: str, now: datetime) -> bool:
    """Return whether we made this cookie for this token, and it has not ended."""
    end, _, signature = value.partition(".")
    if not (value.isascii() and end.isdigit()):
        return False
    ours = hmac.compare_digest(signature, _signature(server_key, admin_token, end))
    return ours and now.timestamp() < int(end)


def _signature(server_key: bytes, admin_token: str, end: str) -> str:
    return hmac.new(server_key, f"admin:{end}:{admin_token}".encode(), hashlib.sha256).hexdigest()
