"""Everything an owner may do with a subscription: the same checks for API and pages.

check -> limit -> store -> owe a message (notify sends it)
"""

import re
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from secrets import compare_digest
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from services.api.adapters.limits import Limit, source_of, take
from services.api.adapters.replays import What, replay
from services.api.adapters.wish_checks import WishChecks
from services.api.core.life import (
    Change,
    asked_to_move,
    make_keys,
    moved,
    must_ask_again,
    new_subscription,
    rotated,
    secret_for,
)
from services.api.core.problem import Conflict, Forbidden, NotFound
from shared.bus import Bus
from shared.deliveries import DeliveryLog, endpoint_id
from shared.delivery import MOVE_KINDS, TO_FALLBACK, Delivery, Kind, owed_message
from shared.endpoints import EmailEndpoint, Endpoint, turn_of
from shared.holdings import erase_held
from shared.setting_shapes import Network
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Subscription, Wish

HOUR, DAY = 3600, 86400
LIMITS = {
    "mails": Limit(5, DAY, "at most {} confirmations a day go to one mail address"),
    "hooks": Limit(100, HOUR, "at most {} test events an hour go to new webhooks of one host"),
    "tests": Limit(10, HOUR, "at most {} tests an hour for one subscription"),
    "retries": Limit(60, HOUR, "at most {} retries an hour for one subscription"),
    "replays": Limit(6, HOUR, "at most {} replays an hour for one subscription"),
    "previews": Limit(90, 60, "at most {} previews a minute"),
    "feeds": Limit(120, HOUR, "at most {} times an hour the feed of an alert is worked out anew"),
}

CLOSED = (
    "this installation takes no sign-ups from everybody: ask whoever runs it; with the admin token, send "
    "`Authorization: Bearer <TOCSIN_ADMIN_TOKEN>`"
)

# Other keys begin with those of deliveries.
_DELIVERY_ID = re.compile(r"dlv_[0-9a-f]{1,64}")


class SignedUp(NamedTuple):
    """A new subscription and its manage token, which is not kept."""

    subscription: Subscription
    manage_token: str


class Changed(NamedTuple):
    """A changed subscription, and its secret if that is new."""

    subscription: Subscription
    secret: str | None


class SubscriptionDesk:
    """Takes wishes and changes. Raises a Problem for what cannot be done."""

    def __init__(
        self,
        bus: Bus,
        *,
        allow: Sequence[Network] = (),
        signups_per_hour: int = 20,
        sign_up_token: str | None = None,
    ) -> None:
        """With a `sign_up_token` only whoever has it may subscribe."""
        self._bus = bus
        self._sign_ups = Limit(signups_per_hour, HOUR, "at most {} sign-ups an hour from one address")
        self._sign_up_token = sign_up_token
        self.checks = WishChecks(bus, allow)
        self.store = SubscriptionStore(bus)
        self.log = DeliveryLog(bus)

    @property
    def is_closed(self) -> bool:
        """Whether only whoever has the operator's token may subscribe."""
        return self._sign_up_token is not None

    async def sign_up(self, wish: Wish, host: str, *, token: str = "") -> SignedUp:
        """Return the pending subscription of a wish; its confirmation is owed. `host` is who asks.

        Raise Forbidden if sign-up is closed and the token is not the operator's.
        """
        if self._sign_up_token is not None and not compare_digest(
            token.encode(), self._sign_up_token.encode()
        ):
            raise Forbidden(CLOSED)
        wish = await self.checks.checked(wish)
        await take(self._bus, "signups", source_of(host), self._sign_ups)
        for endpoint in (wish.channel, wish.fallback):
            await self._limit_confirmations(endpoint)
        keys = make_keys(secrets.token_bytes(68))
        subscription = new_subscription(wish, keys, _now())
        await self.store.add(subscription)
        await self._owe("confirm", subscription)
        if wish.fallback:
            await self._owe("confirm", subscription, TO_FALLBACK)
        self._bus.counters.add("signups", channel=wish.channel.type)
        return SignedUp(subscription, keys.manage_token)

    async def change(self, subscription: Subscription, change: Change) -> Changed:
        """Return the changed subscription.

        A new webhook makes it pending, and the first has a new secret; a new mail address has to agree, and so the old.
        """
        wanted = change.applied(subscription)
        # What stays was checked when it was new: a topic may have gone since.
        wish = await self.checks.checked(wanted, change.named)
        values = {name: getattr(wish, name) for name in change.named} | {"changed_at": _now()}
        if "filter" in values:
            values["since"] = _now()
        secret = secret_for(wish, secrets.token_bytes(32), subscription.secret)
        if secret != subscription.secret:
            values["secret"] = secret
        moves, moves_fallback = wish.channel != subscription.channel, wish.fallback != subscription.fallback
        if moves_fallback:
            await self._limit_confirmations(wish.fallback)
            values["fallback_confirmed"] = False
        if isinstance(wish.channel, EmailEndpoint) and moves:
            del values["channel"]
            return Changed(await self._ask_to_move(subscription, wish.channel, values), None)
        if moves or moves_fallback:
            await self.limit("tests", subscription.id)
        if moves:
            await self._limit_confirmations(wish.channel)
            values |= {"state": "pending", "reason": "", "move": None}
        changed = await self.apply(subscription, lambda current, _: current.model_copy(update=values))
        if moves:
            await self._owe("confirm", changed)
        if moves_fallback and changed.fallback:
            await self._owe("confirm", changed, TO_FALLBACK)
        return Changed(changed, changed.secret if changed.secret != subscription.secret else None)

    async def _ask_to_move(
        self, subscription: Subscription, new: EmailEndpoint, values: dict[str, Any]
    ) -> Subscription:
        asked_to_move(subscription, new, _now())
        await self.limit("tests", subscription.id)
        await self._limit_confirmations(new)
        asked = await self.apply(
            subscription, lambda current, now: asked_to_move(current.model_copy(update=values), new, now)
        )
        await self._owe("move_to", asked)
        if asked.move and "from" not in asked.move.agreed:
            await self._owe("move_from", asked)
        return asked

    async def apply(
        self, subscription: Subscription, change: Callable[[Subscription, datetime], Subscription]
    ) -> Subscription:
        """Return what a function of `core.life` makes of it, as it stands by now; raise NotFound if it is gone."""
        changed = await self.store.update(subscription.id, lambda current: change(current, _now()))
        if changed is None:
            raise NotFound("the subscription was removed")
        return changed

    async def test(self, subscription: Subscription) -> Delivery:
        """Owe a test message; to an endpoint that has not answered yet the confirmation again."""
        await self.limit("tests", subscription.id)
        if not must_ask_again(subscription):
            return await self._owe("test", subscription)
        await self._limit_confirmations(subscription.channel)
        pending = await self.apply(
            subscription,
            lambda current, now: moved(current, "pending", now) if current.state == "disabled" else current,
        )
        return await self._owe("confirm", pending)

    async def rotate_secret(self, subscription: Subscription) -> Subscription:
        """Return it with a new secret for its webhooks; the old one signs beside it for a day."""
        fresh = secrets.token_bytes(32)
        return await self.apply(subscription, lambda current, now: rotated(current, fresh, now))

    async def retry(self, subscription: Subscription, delivery_id: str) -> Delivery:
        """Queue one of its deliveries again, whatever became of it."""
        delivery = await self.log.get(delivery_id) if _DELIVERY_ID.fullmatch(delivery_id) else None
        if delivery is None or delivery.subscription != subscription.id:
            raise NotFound("this subscription has no such delivery")
        if delivery.state == "held":
            raise Conflict("it waits for its digest")
        if delivery.kind in ("confirm", *MOVE_KINDS):
            raise Conflict("a confirmation is not sent again as it was; ask for a test")
        if subscription.state != "active":
            raise Conflict(f"the subscription is {subscription.state}: nothing is sent")
        if delivery.state == "pending" and not delivery.attempts:
            raise Conflict("it is waiting for its first attempt")
        await self.limit("retries", subscription.id)
        channel = subscription.fallback if delivery.to_fallback else subscription.channel
        await self.log.retry_now([delivery], endpoint_id(turn_of(channel or subscription.channel)))
        return delivery

    async def replay(self, subscription: Subscription, what: What, since: datetime) -> int:
        """Send again what failed, or all that was missed, since then; return how many."""
        await self.limit("replays", subscription.id)
        return await replay(self._bus, subscription, what, since)

    async def remove(self, subscription_id: str) -> None:
        """Remove a subscription and all that is held about it, also while somebody else changes it.

        One that is gone is no error.
        """
        while not await self.store.remove(subscription_id):
            if await self.store.get(subscription_id) is None:
                return
        await erase_held(self._bus, subscription_id)
        self._bus.counters.add("unsubscribed")

    async def limit(self, kind: str, who: str) -> None:
        """Count one of a kind for somebody; raise TooMany if there were enough."""
        await take(self._bus, kind, who, LIMITS[kind])

    async def _limit_confirmations(self, endpoint: Endpoint | None) -> None:
        if isinstance(endpoint, EmailEndpoint):
            await self.limit("mails", endpoint.address.lower())
        elif endpoint is not None:
            await self.limit("hooks", urlsplit(endpoint.url).hostname or "")

    async def _owe(self, kind: Kind, subscription: Subscription, note: str = "") -> Delivery:
        delivery = owed_message(kind, subscription.id, secrets.token_hex(8), _now(), note)
        await self.log.owe([delivery])
        return delivery


def _now() -> datetime:
    return datetime.now(UTC)
