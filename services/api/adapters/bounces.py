"""Stops mails to addresses that bounce or complain: at once if it is for good, after three in a week otherwise."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import structlog

from services.api.core.bounces import SOFT_DAYS, SOFT_LIMIT, Bounce
from shared.bus import Bus
from shared.deliveries import DeliveryLog, owed_notice
from shared.endpoints import EmailEndpoint, Endpoint
from shared.redis_client import at_once
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import State, Subscription, without_fallback

log = structlog.get_logger()

_WORDS = {
    "hard": "mail to this address does not arrive",
    "complaint": "a mail to this address was reported as spam",
    "soft": f"mail to this address did not arrive {SOFT_LIMIT} times within {SOFT_DAYS} days",
}


async def stop_bounced(bus: Bus, bounces: Sequence[Bounce]) -> int:
    """Apply bounces to all subscriptions of their addresses; return how many were stopped or paused."""
    store = SubscriptionStore(bus)
    final: dict[str, Bounce] = {}
    for bounce in bounces:
        bus.counters.add("bounces", kind=bounce.kind)
        if bounce.kind != "soft" or await _is_too_many(bus, bounce):
            final[bounce.address] = bounce
    # All of them in one walk: a message tells of up to a thousand, and there may be a hundred thousand alerts.
    hit = [each async for each in store.each() if _bounced(each, final)] if final else []
    changed = 0
    for before in hit:
        after = await store.update(before.id, lambda each: _without(each, final))
        changed += after is not None and after != before
        if after and after.state != before.state:
            await DeliveryLog(bus).owe(owed_notice(after))
    for bounce in final.values():
        # Whoever resumes their alert begins anew.
        await bus.redis.delete(bus.names.limit("bounced", bounce.address))
    log.info("bounces", told=len(bounces), subscriptions=changed)
    return changed


async def _is_too_many(bus: Bus, bounce: Bounce) -> bool:
    key, now = bus.names.limit("bounced", bounce.address), datetime.now(UTC).timestamp()
    _, _, count, _ = await at_once(
        bus.redis,
        ("ZREMRANGEBYSCORE", key, "-inf", now - SOFT_DAYS * 86400),
        # Services tell again what they believe was not heard.
        ("ZADD", key, "NX", now, bounce.id or f"{now:.6f}"),
        ("ZCARD", key),
        ("EXPIRE", key, SOFT_DAYS * 86400),
    )
    return bool(count >= SOFT_LIMIT)


def _bounced(subscription: Subscription, bounces: Mapping[str, Bounce]) -> bool:
    return any(_of(each, bounces) for each in (subscription.channel, subscription.fallback))


def _of(endpoint: Endpoint | None, bounces: Mapping[str, Bounce]) -> Bounce | None:
    return bounces.get(endpoint.address.lower()) if isinstance(endpoint, EmailEndpoint) else None


def _without(subscription: Subscription, bounces: Mapping[str, Bounce]) -> Subscription:
    """A subscription that mails no more to what bounced: stopped or paused, or without its second channel."""
    now = datetime.now(UTC)
    second, first = _of(subscription.fallback, bounces), _of(subscription.channel, bounces)
    if second:
        subscription = without_fallback(subscription, now, _reason(second))
    if first:
        state: State = "paused" if first.kind == "soft" else "disabled"
        # One that is pending stays so: what is paused can be resumed without an answer.
        if subscription.state == "active" or (subscription.state != "disabled" and state == "disabled"):
            changes = {"state": state, "reason": _reason(first), "changed_at": now}
            return subscription.model_copy(update=changes)
    return subscription


def _reason(bounce: Bounce) -> str:
    return _WORDS[bounce.kind] + (f": {bounce.reason}" if bounce.reason else "")
