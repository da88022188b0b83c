"""Everything that is held about a subscription beside itself: read out for its owner, and erased."""

from collections.abc import Sequence
from typing import Any

from shared.bus import Bus
from shared.deliveries import DeliveryLog, read_delivery
from shared.delivery import Delivery
from shared.subscriptions import Subscription, public_view

ALL = 0


class Holdings:
    """Deliveries, their attempts, digests that wait, and what was told of stories."""

    def __init__(self, bus: Bus) -> None:
        self._redis = bus.redis
        self._names = bus.names
        self._log = DeliveryLog(bus)

    async def of(self, subscription: Subscription) -> dict[str, Any]:
        """Return all of it as JSON; secrets are left out, and so is what cannot be led back to the subscription."""
        newest = await self._log.newest(subscription.id, ALL)
        told = await self._told(subscription.id, [delivery for delivery, _ in newest])
        return {
            "subscription": dict(public_view(subscription)),
            "deliveries": [
                {
                    **delivery.model_dump(mode="json"),
                    "attempts": [each.model_dump(mode="json") for each in attempts],
                }
                for delivery, attempts in newest
            ],
            "stories_told": told,
        }

    async def erase(self, subscription_id: str) -> None:
        """Delete all of it. The subscription itself is removed first, so that nothing new is written."""
        deliveries = await self._deliveries(subscription_id)
        told = await self._told(subscription_id, deliveries)
        pipe = self._redis.pipeline(transaction=False)
        for story in told:
            pipe.hdel(self._names.told(story), subscription_id)
        for delivery in deliveries:
            for key in (
                self._names.delivery,
                self._names.attempts_of,
                self._names.digest,
                self._names.digest_content,
            ):
                pipe.delete(key(delivery.id))
            pipe.zrem(self._names.deliveries_later, delivery.id)
            if delivery.digest:
                pipe.delete(self._names.digest(delivery.digest))
                pipe.zrem(self._names.digests_due, f"{delivery.digest} {subscription_id}")
        pipe.delete(self._names.deliveries_of(subscription_id))
        await pipe.execute()

    async def _deliveries(self, subscription_id: str) -> list[Delivery]:
        ids = await self._redis.zrange(self._names.deliveries_of(subscription_id), 0, -1)
        pipe = self._redis.pipeline(transaction=False)
        for raw in ids:
            pipe.hgetall(self._names.delivery(raw.decode()))
        return [found for raw in await pipe.execute() if (found := read_delivery(raw))]

    async def _told(self, subscription_id: str, deliveries: Sequence[Delivery]) -> dict[str, str]:
        """What was told by story, as it is kept."""
        stories = dict.fromkeys(delivery.story for delivery in deliveries if delivery.story)
        pipe = self._redis.pipeline(transaction=False)
        for story in stories:
            pipe.hget(self._names.told(story), subscription_id)
        found = zip(stories, await pipe.execute(), strict=True)
        return {story: raw.decode() for story, raw in found if raw}
