"""Where subscriptions are kept: one Redis hash, each change told on a stream in the same script."""

from collections.abc import AsyncIterator, Callable

from pydantic import ValidationError

from shared.bus import Bus
from shared.entries import Marked
from shared.subscriptions import Subscription

PAGE = 1000


class SubscriptionConflict(Exception):
    """A subscription kept changing under our hands."""


class SubscriptionStore:
    """Reads and changes subscriptions. Every change is an entry of `subscriptions.v1` with the id."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._names = bus.names

    async def get(self, subscription_id: str) -> Subscription | None:
        raw = await self._bus.redis.hget(self._names.subscriptions, subscription_id)
        return Subscription.model_validate_json(raw) if raw else None

    async def all(self) -> list[Subscription]:
        """Return every subscription that can be read; one that cannot is counted and left alone."""
        return list({subscription.id: subscription async for subscription in self.each()}.values())

    async def each(self) -> AsyncIterator[Subscription]:
        """Yield every subscription that can be read, a few at a time; one that changes meanwhile maybe twice."""
        async for _, raw in self._bus.redis.hscan_iter(self._names.subscriptions, count=PAGE):
            try:
                yield Subscription.model_validate_json(raw)
            except ValidationError:
                self._bus.counters.add("subscriptions_unreadable")

    async def add(self, subscription: Subscription) -> None:
        await self._change(subscription.id, None, subscription)

    async def update(
        self, subscription_id: str, change: Callable[[Subscription], Subscription]
    ) -> Subscription | None:
        """Apply `change` to what is stored, again if somebody else changed it meanwhile.

        Returns the changed subscription, or None if it is gone; raises SubscriptionConflict after 20 tries.
        """
        for _ in range(20):
            raw = await self._bus.redis.hget(self._names.subscriptions, subscription_id)
            if raw is None:
                return None
            changed = change(Subscription.model_validate_json(raw))
            if await self._change(subscription_id, raw, changed):
                return changed
        raise SubscriptionConflict(subscription_id)

    async def remove(self, subscription_id: str) -> bool:
        """Remove a subscription; return whether it was there."""
        raw = await self._bus.redis.hget(self._names.subscriptions, subscription_id)
        return raw is not None and await self._change(subscription_id, raw, None)

    async def _change(self, subscription_id: str, expected: bytes | None, new: Subscription | None) -> bool:
        [done] = await self._bus.publish_once(
            [
                Marked(
                    key=self._names.subscriptions,
                    field=subscription_id,
                    expected=expected,
                    mark=new.model_dump_json() if new else None,
                    stream=self._names.subscription_changes,
                    fields={"type": "changed" if new else "removed", "id": subscription_id},
                )
            ]
        )
        return done
