"""A feed's subscription at a WebSub hub: ingest asks for it, api answers the hub and takes what it sends."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from shared.names import Names
from shared.redis_client import RedisClient, at_once

PushState = Literal["asked", "active", "failed", "refused", "dropped"]
"""asked: the hub has not yet verified it; dropped: by us, because it left something out."""

KEPT_SECONDS = 90 * 86400
PATH = "/websub"
_METHODS = frozenset(("sha1", "sha256", "sha384", "sha512"))


@dataclass(frozen=True, slots=True)
class Push:
    """One subscription. `secret` signs what the hub sends; `key` is in the callback's address, known to the hub only.

    `since` is when the hub verified it first, `until` when the lease ends.
    """

    hub: str
    topic: str
    secret: str
    key: str
    state: PushState
    asked: datetime
    since: datetime | None = None
    until: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        """Return whether the hub sends what is new."""
        return self.state == "active" and self.until is not None and self.until > now

    def opens(self, key: str) -> bool:
        """Return whether the key in the address of a request is ours."""
        return hmac.compare_digest(self.key.encode(), key.encode())

    def is_signed(self, body: bytes, signature: str) -> bool:
        """Return whether X-Hub-Signature ("sha256=…", or another method of WebSub's) is this body's."""
        method, _, given = signature.partition("=")
        if method not in _METHODS:
            return False
        right = hmac.new(self.secret.encode(), body, getattr(hashlib, method)).hexdigest()
        return hmac.compare_digest(right.encode(), given.strip().lower().encode())


def callback(public_url: str, feed_id: str, key: str) -> str:
    """Return the address that the hub is given."""
    return f"{public_url}{PATH}/{feed_id}/{key}"


async def load_push(redis: RedisClient, names: Names, feed_id: str) -> Push | None:
    """Return a feed's subscription, None if it has none."""
    found: Any = await redis.hgetall(names.push(feed_id))
    if not found:
        return None
    values: dict[str, Any] = {name.decode(): value.decode() for name, value in found.items()}
    for name in values.keys() & {"asked", "since", "until"}:
        values[name] = datetime.fromtimestamp(float(values[name]), UTC)
    try:
        return Push(**values)
    except TypeError:
        # Half a record: somebody changed a subscription that was just forgotten.
        return None


async def change_push(redis: RedisClient, names: Names, feed_id: str, **changes: str | datetime) -> None:
    """Write some fields of a subscription; it is forgotten when nobody renews it for months."""
    key = names.push(feed_id)
    written = [
        part
        for name, value in changes.items()
        for part in (name, value.timestamp() if isinstance(value, datetime) else value)
    ]
    await at_once(redis, ("HSET", key, *written), ("EXPIRE", key, KEPT_SECONDS))
