"""New events for every client of this process that listens: the stream is read once, and handed round.

XREAD -> which filters want it (all at once) -> one piece of SSE a filter -> into each listener's queue

A listener that was handed more than it took is told so and ended: nothing is kept for it without bound, and it
can come back with the id of the last event that it got.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import chain

import structlog
from redis.exceptions import RedisError

from services.api.adapters.listener import MOST_WAITING, Listener
from services.api.adapters.tagged_stream import PAGE, TaggedStream
from services.api.core.problem import CursorGone, NotReady
from services.api.core.stream_place import (
    BEGINNING,
    StreamedEvent,
    StreamPlace,
    sse_events,
    sse_mark,
    sse_word,
)
from shared.matching.expression import Expression
from shared.matching.snapshot import Snapshot
from shared.report_store import read_stored
from shared.subscriptions import CompiledFilter, Filter, document_of

log = structlog.get_logger()

HEARTBEAT = 15.0
BLOCK = 1.0
# Where many listen, what comes within a moment is handed out together: seconds to gather, for each listener.
GATHER = 0.0001
LONGEST_GATHER = 0.1


class Broadcast:
    """Reads the stream while anybody listens, and a moment longer.

    `most` listeners are taken, `room` bytes may wait for each; there is a `heartbeat` every so many seconds.
    """

    def __init__(
        self,
        stream: TaggedStream,
        *,
        most: int = 2000,
        room: int = MOST_WAITING,
        heartbeat: float = HEARTBEAT,
    ) -> None:
        self.stream = stream
        self._most = most
        self._room = room
        self._heartbeat = heartbeat
        self.listeners: set[Listener] = set()
        """All of them, also those who still read what is kept."""
        self._closed = False
        self._groups: dict[Filter | None, set[Listener]] = {}
        self._wanted = _Wanted()
        self._reading: asyncio.Task[None] | None = None
        self._position = BEGINNING

    def __len__(self) -> int:
        """Those who have come to what is new."""
        return sum(map(len, self._groups.values()))

    async def admit(self, after: StreamPlace, wanted: Filter | None) -> Listener:
        """Return who may listen from a cursor on; raise CursorGone, or NotReady if too many listen."""
        if self._closed or len(self.listeners) >= self._most:
            raise NotReady("as many clients listen as are taken", headers={"Retry-After": "30"})
        (await self.stream.bounds()).check(after)
        return Listener(wanted, after, self._room)

    async def events(self, listener: Listener) -> AsyncIterator[bytes]:
        """Yield SSE: what is kept after the listener's cursor, then what comes."""
        self.listeners.add(listener)
        try:
            wanted = _Wanted()
            wanted.put(listener.wanted)
            async for page in self._catch_up(listener):
                yield _page_of(page, wanted.find(page).get(listener.wanted, []))
            # From here on all filters are looked at together: a thousand of their own would be kept for nothing.
            del wanted
            while (chunk := await listener.take()) is not None:
                yield chunk
        except CursorGone as e:
            # It was trimmed while it was being read: what is here now must not be taken for the next.
            yield sse_word("gone", e.detail)
        finally:
            self.listeners.discard(listener)
            self._leave(listener)

    async def close(self) -> None:
        """End every listener and the reader, because the process is about to."""
        self._closed = True
        self._end_all()
        reading = self._reading
        # Once is not enough: redis-py swallows a cancellation while it connects.
        while reading and not reading.done():
            reading.cancel()
            await asyncio.wait({reading}, timeout=0.1)

    def _end_all(self) -> None:
        for listener in self.listeners:
            listener.end()

    async def _catch_up(self, listener: Listener) -> AsyncIterator[list[StreamedEvent]]:
        """Yield what is kept; join when little is left, and read on to just where the live events begin."""
        size = PAGE
        while size == PAGE and not listener.ended:
            page = await self.stream.page(listener.after)
            size = len(page)
            if page:
                listener.after = page[-1].place
                yield page
        await self._begin()
        if listener.ended:
            return
        # Between these two lines nothing else runs: what comes after `live` is handed over, what came before is read.
        after, live = listener.after, self._position
        self._join(listener)
        async for page in self.stream.pages(after, live):
            yield page

    async def _begin(self) -> None:
        if self._reading is None:
            last = (await self.stream.bounds()).last
            if self._reading is None and not self._closed:
                self._position = last
                self._reading = asyncio.create_task(self._read_on())

    async def _read_on(self) -> None:
        try:
            await self._read()
        except asyncio.CancelledError:
            raise
        except Exception as e:
            # A bug. Its listeners go too: they come back, and have missed nothing.
            log.exception("the reader of the stream died", error=f"{type(e).__name__}: {e}")
            self._end_all()
        finally:
            self._reading = None

    def _join(self, listener: Listener) -> None:
        if listener.wanted not in self._groups:
            self._groups[listener.wanted] = set()
            self._wanted.put(listener.wanted)
        self._groups[listener.wanted].add(listener)

    def _leave(self, listener: Listener) -> None:
        group = self._groups.get(listener.wanted, set())
        group.discard(listener)
        if not group and self._groups.pop(listener.wanted, None) is not None:
            self._wanted.drop(listener.wanted)

    async def _read(self) -> None:
        beat = time.monotonic() + self._heartbeat
        block_ms = int(min(BLOCK, self._heartbeat) * 1000)
        while self._groups:
            try:
                events = await self.stream.newer(self._position, wait_ms=block_ms)
            except (RedisError, OSError) as e:
                log.warning("the stream cannot be read; its listeners wait", error=str(e))
                await asyncio.sleep(1)
                continue
            if events:
                self._hand_round(events)
                self._position = events[-1].place
            if time.monotonic() >= beat:
                beat = time.monotonic() + self._heartbeat
                self._beat()
            await asyncio.sleep(min(LONGEST_GATHER, len(self) * GATHER))

    def _hand_round(self, events: Sequence[StreamedEvent]) -> None:
        found = self._wanted.find(events)
        for wanted, group in self._groups.items():
            mine = found.get(wanted, [])
            # Made once for all who want the same.
            chunk = sse_events(mine)
            for listener in group if chunk else ():
                listener.hand(mine, chunk)

    def _beat(self) -> None:
        chunk = sse_mark(self._position)
        for listener in chain.from_iterable(self._groups.values()):
            if listener.after <= self._position:
                listener.put(chunk)


class _Wanted:
    """Which filters want an event. All are looked at together, by the engine of subscriptions."""

    def __init__(self) -> None:
        self._snapshot = Snapshot()
        self._filters: dict[str, Filter] = {}
        self._everything = False
        self._put: dict[str, Expression] = {}
        self._drop: set[str] = set()

    def put(self, wanted: Filter | None) -> None:
        """Look for this from now on; None is everything."""
        if wanted is None:
            self._everything = True
            return
        name = wanted.model_dump_json()
        self._filters[name] = wanted
        self._put[name] = CompiledFilter.of(wanted).expression
        self._drop.discard(name)

    def drop(self, wanted: Filter | None) -> None:
        if wanted is None:
            self._everything = False
            return
        name = wanted.model_dump_json()
        del self._filters[name]
        self._put.pop(name, None)
        self._drop.add(name)

    def find(self, events: Sequence[StreamedEvent]) -> Mapping[Filter | None, Sequence[StreamedEvent]]:
        """Return the events that each filter wants."""
        # Gathered until an event comes: a thousand that connect are one change.
        if self._put or self._drop:
            self._snapshot = self._snapshot.with_changes(self._put, self._drop)
            self._put, self._drop = {}, set()
        found: dict[Filter | None, list[StreamedEvent]] = {None: list(events)} if self._everything else {}
        for event in events if self._filters else ():
            tagged = read_stored(event.json)
            for name, _ in self._snapshot.match(document_of(tagged)) if tagged else ():
                found.setdefault(self._filters[name], []).append(event)
        return found


def _page_of(page: Sequence[StreamedEvent], mine: Sequence[StreamedEvent]) -> bytes:
    """The events that are wanted, and a mark if the page ends with others."""
    at_end = bool(mine) and mine[-1].place == page[-1].place
    return sse_events(mine) + (b"" if at_end else sse_mark(page[-1].place))
