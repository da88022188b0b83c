"""Tells a WebSub hub which of our feeds have changed, so that it fetches them and sends them on.

tagged stream -> addresses that changed -> one POST of one process
"""

import asyncio
from urllib.parse import urlencode

import structlog
from redis.exceptions import RedisError

from services.api.adapters.tagged_stream import TaggedStream
from services.api.core.outgoing import changed_feeds
from services.api.core.stream_place import StreamedEvent
from shared.address_guard import AddressGuard
from shared.bus import Bus
from shared.http_client import HttpClient
from shared.http_handle import HttpError
from shared.report_store import read_stored

log = structlog.get_logger()

BLOCK_MS = 5000
BATCH = 500
LEAD_SECONDS = 60
ANSWER_LIMIT = 10_000
PATIENCE = 10.0


class HubPings:
    """Follows the tagged stream. Of several processes one pings: who leads, until it is not heard of for a minute.

    `spacing` is how many seconds lie between two pings, also after one that failed: what it was to tell of is told
    with the next.
    """

    def __init__(self, bus: Bus, hub: str, base: str, guard: AddressGuard, *, spacing: float = 5) -> None:
        self._bus, self._hub, self._base, self._guard = bus, hub, base, guard
        self._spacing = spacing
        self._changed: set[str] = set()

    async def run(self) -> None:
        """Ping for ever."""
        url = self._guard.check_url(self._hub)
        stream = TaggedStream(self._bus.redis, self._bus.names)
        place = (await stream.bounds()).last
        async with HttpClient(self._guard, user_agent="Tocsin", max_bytes=ANSWER_LIMIT) as http:
            while True:
                try:
                    for event in await stream.newer(place, wait_ms=BLOCK_MS, limit=BATCH):
                        self._note(event)
                        place = event.place
                    if self._changed and await self._leads():
                        await self._ping(http, url)
                        await asyncio.sleep(self._spacing)
                except RedisError as e:
                    log.warning("hub not pinged for now", error=str(e))
                    await asyncio.sleep(self._spacing)

    def _note(self, event: StreamedEvent) -> None:
        if tagged := read_stored(event.json):
            codes = (country.code for country in tagged.countries)
            self._changed |= changed_feeds(self._base, tagged.topics, codes)

    async def _leads(self) -> bool:
        redis, key = self._bus.redis, self._bus.names.limit("pings", "turn")
        await redis.set(key, self._bus.consumer, nx=True, ex=LEAD_SECONDS)
        if await redis.get(key) != self._bus.consumer.encode():
            # The other has read the same.
            self._changed.clear()
            return False
        await redis.expire(key, LEAD_SECONDS)
        return True

    async def _ping(self, http: HttpClient, url: str) -> None:
        told = sorted(self._changed)
        body = urlencode([("hub.mode", "publish"), *(("hub.url", each) for each in told)]).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = await http.send(url, body=body, headers=headers, timeout=PATIENCE)
            outcome, said = ("told" if 200 <= answer.status < 300 else "refused"), str(answer.status)
        except HttpError as e:
            outcome, said = "failed", str(e)
        self._bus.counters.add("hub_pings", outcome=outcome)
        if outcome == "told":
            self._changed.difference_update(told)
        else:
            log.warning("hub did not take a ping", hub=url, said=said, feeds=len(told))
