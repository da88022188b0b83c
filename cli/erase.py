"""Erase a person: everything that is held about a mail address or the URL of an endpoint."""

from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

from shared.bus import Bus
from shared.deliveries import endpoint_id
from shared.endpoints import address_of
from shared.holdings import erase_held
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Subscription

STAYS = """What stays, and why:
  backups                 files of yours: restore one, and erase again
  logs, traces, counters  they name ids of subscriptions, which lead to nobody any more
  subscriptions.v1        that an id was removed, until the retention has passed: other processes learn it from there
  the mail relay, proxies their own logs are not ours"""

_COUNTED = ("mails", "mail-to", "bounced")


class Person:
    """Whoever has this address, as far as this installation knows of them."""

    def __init__(self, bus: Bus, address: str, outbox: Path) -> None:
        self._bus, self._address, self._outbox = bus, address.strip().lower(), outbox
        self._store = SubscriptionStore(bus)

    async def found(self) -> list[tuple[Subscription, bool]]:
        """Return the subscriptions that name the address, and whether each is theirs: goes there first."""
        named = [each async for each in self._store.each() if self._address in _addresses_of(each)]
        return [(each, address_of(each.channel).lower() == self._address) for each in named]

    def mails(self) -> list[Path]:
        """Return the mails to the address that were written to this machine's outbox."""
        return [path for path in sorted(self._outbox.glob("*.eml")) if self._address in _recipients(path)]

    async def erase(self) -> None:
        """Remove what is theirs; take the address out of what is somebody else's."""
        for subscription, theirs in await self.found():
            if theirs:
                await self._store.remove(subscription.id)
                await erase_held(self._bus, subscription.id)
            else:
                await self._store.update(subscription.id, self._without)
        names, redis = self._bus.names, self._bus.redis
        for key in (
            *(names.limit(kind, self._address) for kind in _COUNTED),
            names.failing(endpoint_id(self._address)),
        ):
            await redis.delete(key)
        for path in self.mails():
            path.unlink(missing_ok=True)

    def _without(self, subscription: Subscription) -> Subscription:
        gone: dict[str, object] = {}
        if subscription.fallback and address_of(subscription.fallback).lower() == self._address:
            gone |= {"fallback": None, "fallback_confirmed": False}
        if subscription.move and address_of(subscription.move.channel).lower() == self._address:
            gone |= {"move": None}
        return subscription.model_copy(update=gone)


def _addresses_of(subscription: Subscription) -> Iterator[str]:
    endpoints = (subscription.channel, subscription.fallback, subscription.move and subscription.move.channel)
    return (address_of(each).lower() for each in endpoints if each)


def _recipients(path: Path) -> str:
    return str(message_from_bytes(path.read_bytes())["To"]).lower()
