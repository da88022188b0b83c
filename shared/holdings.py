"""All that is held about a subscription beside itself: deliveries, digests that wait, what was told of stories."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.delivery import Delivery
from shared.subscriptions import Subscription, public_view

_JSON = TypeAdapter(list[Delivery])
ALL = -1


async def held_about(bus: Bus, subscription: Subscription) -> dict[str, Any]:
    """Return all of it as JSON; secrets are left out, and so is what cannot be led back to the subscription."""
    newest = await DeliveryLog(bus).newest(subscription.id, ALL)
    return {
        "subscription": dict(public_view(subscription)),
        "deliveries": _JSON.dump_python(newest, mode="json"),
        "stories_told": await _told(bus, subscription.id, newest),
    }


async def erase_held(bus: Bus, subscription_id: str) -> None:
    """Delete all of it. The subscription itself is removed first, so that nothing new is written."""
    names, deliveries = bus.names, await DeliveryLog(bus).newest(subscription_id, ALL)
    told = await _told(bus, subscription_id, deliveries)
    pipe = bus.redis.pipeline(transaction=False)
    for story in told:
        pipe.hdel(names.told(story), subscription_id)
    for delivery in deliveries:
        for key in (names.delivery, names.digest, names.digest_content):
            pipe.delete(key(delivery.id))
        if delivery.report:
            pipe.hdel(names.revised(delivery.report), subscription_id)
        if delivery.digest:
            pipe.delete(names.digest(delivery.digest))
            pipe.zrem(names.digests_due, f"{delivery.digest} {subscription_id}")
    async for member, _ in bus.redis.zscan_iter(names.digests_due, match=f"* {subscription_id} *"):
        # To the second channel.
        pipe.delete(names.digest(member.decode().partition(" ")[0]))
        pipe.zrem(names.digests_due, member)
    pipe.delete(names.deliveries_of(subscription_id))
    await pipe.execute()


async def _told(bus: Bus, subscription_id: str, deliveries: Sequence[Delivery]) -> dict[str, str]:
    """What was told by story, as it is kept."""
    stories = dict.fromkeys(delivery.story for delivery in deliveries if delivery.story)
    pipe = bus.redis.pipeline(transaction=False)
    for story in stories:
        pipe.hget(bus.names.told(story), subscription_id)
    found = zip(stories, await pipe.execute(), strict=True)
    return {story: raw.decode() for story, raw in found if raw}
