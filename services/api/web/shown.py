"""What pages say of a subscription."""

from typing import Any

from services.api.adapters.feeds import read_titles
from services.api.core.problem import NotFound
from services.api.core.wording import (
    endpoint_in_words,
    filter_in_words,
    schedule_in_words,
    state_in_words,
)
from services.api.web.parts import Parts
from shared.catalogue import followable
from shared.endpoints import EmailEndpoint
from shared.subscriptions import Subscription


async def found(parts: Parts, subscription_id: str) -> Subscription:
    """Return the subscription; raise NotFound."""
    subscription = await parts.desk.store.get(subscription_id)
    if subscription is None:
        raise NotFound("This subscription was removed. Set a new alert if you want its messages again.")
    return subscription


async def described(parts: Parts, subscription: Subscription) -> dict[str, Any]:
    """Return it in words, by the names that templates use."""
    topics = followable(await parts.topics())
    sources = await read_titles(parts.bus, subscription.filter.sources)
    return {
        "subscription": subscription,
        "is_mail": isinstance(subscription.channel, EmailEndpoint),
        "wanted": filter_in_words(subscription.filter, topics, sources),
        "schedule": schedule_in_words(subscription.schedule),
        "endpoint": endpoint_in_words(subscription.channel),
        "fallback": endpoint_in_words(subscription.fallback) if subscription.fallback else None,
        "state": state_in_words(subscription),
    }
