"""The lanes of the endpoints that this process sends to, and since when each has failed, which all processes share."""

import time
from typing import Any

from services.notify.core.lanes import Lane
from services.notify.core.recent import Recent
from shared.bus import Bus
from shared.deliveries import endpoint_id
from shared.endpoints import MAIL, ChatEndpoint, Endpoint, turn_of
from shared.redis_client import Command
from shared.together import Together, script

ENDPOINTS_KEPT = 100_000
# A row of failures ends when nothing was tried for so long: one failure now and one next week are no row.
ROW_SECONDS = 2 * 86400
SAID_AGAIN_SECONDS = 60.0
WELL_SECONDS = 150
# About what the services take for one room in the long run; and there the order is read.
CHATS_AT_ONCE, CHATS_A_SECOND = 1, 1.0

_FAILING = script("""
redis.call('SET', KEYS[1], ARGV[1], 'NX')
redis.call('EXPIRE', KEYS[1], ARGV[2])
return redis.call('GET', KEYS[1])""")


class Endpoints:
    """Lanes by address. A process that dies forgets how fast an endpoint was, not how long it has failed."""

    def __init__(
        self,
        bus: Bus,
        *,
        at_once: int,
        rate: float,
        mails_at_once: int,
        mail_rate: float,
    ) -> None:
        self._bus, self._together = bus, Together(bus.redis)
        self._webhooks, self._mails = (at_once, rate), (mails_at_once, mail_rate)
        self._lanes: Recent[str, Lane[Any]] = Recent(ENDPOINTS_KEPT)

    def lane(self, channel: Endpoint) -> Lane[Any]:
        """Return the lane of an endpoint. All mails share one: that of the relay."""
        address = turn_of(channel)
        known = self._lanes.get(address)
        if known is not None:
            return known
        most, rate = self._mails if address == MAIL else self._webhooks
        if isinstance(channel, ChatEndpoint):
            most, rate = CHATS_AT_ONCE, min(rate, CHATS_A_SECOND)
        return self._lanes.put(address, Lane(endpoint_id(address), most, rate))

    def after_success(self, lane: Lane[Any]) -> list[Command]:
        """Return what ends a row of failures. Said now and then of an endpoint that is well: another may know more."""
        now = time.monotonic()
        if not lane.failing_since and now - lane.said_well_at < SAID_AGAIN_SECONDS:
            return []
        lane.failing_since, lane.said_well_at = 0.0, now
        return [
            ("DEL", self._bus.names.failing(lane.name)),
            ("SET", self._bus.names.well(lane.name), "1", "EX", WELL_SECONDS),
        ]

    async def failing_since(self, lane: Lane[Any], now: float) -> float:
        """Return since when (s) an endpoint that has just failed does so, for all processes."""
        if lane.failing_since and now - lane.said_failing_at < SAID_AGAIN_SECONDS:
            return lane.failing_since
        lane.said_well_at, lane.said_failing_at = -SAID_AGAIN_SECONDS, now
        key = self._bus.names.failing(lane.name)
        lane.failing_since = float(await self._together.run(_FAILING, [key], [f"{now:.1f}", ROW_SECONDS]))
        return lane.failing_since
