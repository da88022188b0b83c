"""Be polite to each host: one request at a time, and a pause between two starts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class _Slot:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    next_start: float = 0.0


class HostSlots:
    """Hands out turns at hosts, in the order of asking. Counts for this process only."""

    def __init__(self, pause: float = PAUSE_SECONDS) -> None:
        self._pause = pause
        self._slots: dict[str, _Slot] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait until nobody else is at the host and the pause is over; hold the host inside `async with`."""
        slot = self._slots.setdefault(host, _Slot())
        slot.waiting += 1
        try:
            async with slot.lock:
                clock = asyncio.get_running_loop().time
                await asyncio.sleep(max(0.0, slot.next_start - clock()))
                slot.next_start = clock() + self._pause
                yield
        finally:
            slot.waiting -= 1
            self._forget_idle()

    def _forget_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        idle = [host for host, slot in self._slots.items() if not slot.waiting and slot.next_start <= now]
        for host in idle:
            del self._slots[host]
