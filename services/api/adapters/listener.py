"""One client of /v1/events: what waits to be sent to it, and never more than it may."""

import asyncio
from collections import deque
from collections.abc import Sequence

from services.api.core.stream_place import StreamedEvent, StreamPlace, sse_events, sse_word
from shared.subscriptions import Filter

MOST_WAITING = 1024 * 1024


class Listener:
    """One client: what waits to be sent to it, at most `room` bytes."""

    __slots__ = ("_room", "_waiting", "_waker", "after", "ended", "size", "wanted")

    def __init__(self, wanted: Filter | None, after: StreamPlace, room: int = MOST_WAITING) -> None:
        self.wanted = wanted
        self.after = after
        """What it has, or gets from elsewhere."""
        self.size = 0
        self.ended = False
        self._room = room
        self._waiting: deque[bytes] = deque()
        self._waker: asyncio.Future[None] | None = None

    def put(self, chunk: bytes) -> None:
        """Hand over a piece; if too much waits already, all of it gives way to the word that it is too slow."""
        if self.ended:
            return
        # However big the first is, who takes what comes in time is not slow.
        if self._waiting and self.size + len(chunk) > self._room:
            self._waiting.clear()
            self.size = 0
            chunk = sse_word(
                "overflow", "you take events more slowly than they come: connect again, as you are"
            )
            self.ended = True
        self._waiting.append(chunk)
        self.size += len(chunk)
        self._wake()

    def hand(self, events: Sequence[StreamedEvent], chunk: bytes) -> None:
        """Put events that come, as `chunk`; without those that it has already, if it was ahead of the reader."""
        if events[0].place <= self.after:
            chunk = sse_events(event for event in events if event.place > self.after)
        if chunk:
            self.put(chunk)

    def end(self) -> None:
        """Nothing more comes; what waits is still handed out."""
        self.ended = True
        self._wake()

    async def take(self) -> bytes | None:
        """Return the next piece, waiting for it; None at the end."""
        while not self._waiting:
            if self.ended:
                return None
            self._waker = asyncio.get_running_loop().create_future()
            await self._waker
        chunk = self._waiting.popleft()
        self.size -= len(chunk)
        return chunk

    def _wake(self) -> None:
        if self._waker and not self._waker.done():
            self._waker.set_result(None)
