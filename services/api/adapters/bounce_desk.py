"""Stops mails to addresses that bounce or complain: at once if it is for good, after three in a week otherwise."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from services.api.core.bounces import SOFT_DAYS, SOFT_LIMIT, Bounce
from shared.bus import Bus
from shared.endpoints import EmailEndpoint, Endpoint
from shared.redis_client import at_once
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import State, Subscription

log = structlog.get_logger()

_WORDS = {
    "hard": "mail to this address does not arrive",
    "complaint": "a mail to this address was reported as spam",
    "soft": f"mail to this address did not arrive {SOFT_LIMIT} times within {SOFT_DAYS} days",
}


class BounceDesk:
    """Applies bounces to all subscriptions of their addresses."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._store = SubscriptionStore(bus)

    async def take(self, bounces: Sequence[Bounce]) -> int:
        """Return how many subscriptions were stopped or paused."""
        stopped = 0
        for bounce in bounces:
            self._bus.counters.add("bounces", kind=bounce.kind)
            if bounce.kind != "soft" or await self._is_too_many(bounce.address):
                stopped += await self._stop(bounce)
        return stopped

    async def _is_too_many(self, address: str) -> bool:
        who = hashlib.sha256(address.encode()).hexdigest()[:24]
        key, now = self._bus.names.limit("bounced", who), datetime.now(UTC).timestamp()
        _, _, count, _ = await at_once(
            self._bus.redis,
            ("ZREMRANGEBYSCORE", key, "-inf", now - SOFT_DAYS * 86400),
            ("ZADD", key, now, f"{now:.6f}"),
            ("ZCARD", key),
            ("EXPIRE", key, SOFT_DAYS * 86400),
        )
        return bool(count >= SOFT_LIMIT)

    async def _stop(self, bounce: Bounce) -> int:
        hit = [each for each in await self._store.all() if _mails_to(each, bounce.address)]
        for subscription in hit:
            await self._store.update(subscription.id, lambda each: _without(each, bounce))
        log.info("bounce", kind=bounce.kind, subscriptions=len(hit))
        return len(hit)


def _mails_to(subscription: Subscription, address: str) -> bool:
    return _is(subscription.channel, address) or _is(subscription.fallback, address)


def _is(channel: Endpoint | None, address: str) -> bool:
    return isinstance(channel, EmailEndpoint) and channel.address.lower() == address


def _without(subscription: Subscription, bounce: Bounce) -> Subscription:
    """A subscription that mails no more to the address: stopped or paused, or without its second channel."""
    changes: dict[str, object] = {}
    if _is(subscription.fallback, bounce.address) and bounce.kind != "soft":
        changes = {"fallback": None, "fallback_confirmed": False}
    state: State = "paused" if bounce.kind == "soft" else "disabled"
    goes_on = subscription.state in ("pending", "active", "paused") and subscription.state != state
    if _is(subscription.channel, bounce.address) and goes_on:
        reason = _WORDS[bounce.kind] + (f": {bounce.reason}" if bounce.reason else "")
        changes |= {"state": state, "reason": reason}
    return (
        subscription.model_copy(update=changes | {"changed_at": datetime.now(UTC)})
        if changes
        else subscription
    )
