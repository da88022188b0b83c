"""What an attempt changes of its subscription: answered, given up, or why it still waits."""

import asyncio
from datetime import UTC, datetime

from shared.deliveries import DeliveryLog, owed_notice
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Subscription, with_fallback_confirmed, without_fallback


class Standing:
    """Changes subscriptions; `asking` bounds how many at a time. One whose owner named another endpoint meanwhile
    stays as it is."""

    def __init__(
        self, subscriptions: SubscriptionStore, deliveries: DeliveryLog, asking: asyncio.Semaphore
    ) -> None:
        self._subscriptions, self._deliveries, self._asking = subscriptions, deliveries, asking

    async def activate(self, asked: Subscription) -> None:
        """Make it active: its endpoint has answered."""

        def answered(subscription: Subscription) -> Subscription:
            # Its owner may have named another endpoint meanwhile, which has not answered.
            if subscription.state != "pending" or subscription.channel != asked.channel:
                return subscription
            now = _now()
            return subscription.model_copy(
                update={"state": "active", "reason": "", "changed_at": now, "since": now}
            )

        await self._subscriptions.update(asked.id, answered)

    async def disable(self, asked: Subscription, reason: str) -> None:
        """Switch it off, and tell its second channel why; take that off it, if it was asked there."""

        def given_up(subscription: Subscription) -> Subscription:
            if asked.channel == subscription.fallback != subscription.channel:
                return without_fallback(subscription, _now(), reason)
            if subscription.state == "disabled" or subscription.channel != asked.channel:
                return subscription
            return subscription.model_copy(
                update={"state": "disabled", "reason": reason, "changed_at": _now()}
            )

        async with self._asking:
            changed = await self._subscriptions.update(asked.id, given_up)
        if changed:
            await self._deliveries.owe(owed_notice(changed))

    async def confirm_fallback(self, asked: Subscription) -> None:
        """Let its second channel be used: that has answered."""
        await self._subscriptions.update(
            asked.id,
            lambda subscription: (
                with_fallback_confirmed(subscription, _now())
                if subscription.fallback == asked.channel
                else subscription
            ),
        )

    async def explain_pending(self, subscription_id: str, reason: str) -> None:
        """Say why it still waits for an answer."""
        await self._subscriptions.update(
            subscription_id,
            lambda subscription: (
                subscription.model_copy(update={"reason": f"the last try to reach you failed: {reason}"})
                if subscription.state == "pending"
                else subscription
            ),
        )


def _now() -> datetime:
    return datetime.now(UTC)
