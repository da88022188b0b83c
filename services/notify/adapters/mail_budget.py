"""How many mails one address gets in an hour, counted by all processes together."""

from shared.bus import Bus
from shared.redis_client import at_once

HOUR = 3600


class MailBudget:
    """Counts mails by address; the address is kept only as a hash, and for the hour."""

    def __init__(self, bus: Bus, per_hour: int) -> None:
        self._bus, self._per_hour = bus, per_hour

    async def take(self, address: str) -> int:
        """Count one mail; return 0, or the seconds to wait if the address has had its share of the hour."""
        key = self._bus.names.limit("mail-to", address.lower())
        window = ("SET", key, 0, "EX", HOUR, "NX")
        _, count, left = await at_once(self._bus.redis, window, ("INCR", key), ("TTL", key))
        if count <= self._per_hour:
            return 0
        await self.give_back(address)
        return max(1, int(left))

    async def give_back(self, address: str) -> None:
        """Count a mail less: it was not taken."""
        key = self._bus.names.limit("mail-to", address.lower())
        await at_once(self._bus.redis, ("SET", key, 1, "EX", HOUR, "NX"), ("DECR", key))
