"""The stream of tagged reports, read from a cursor; never past a gap without saying so."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from services.api.core.problem import CursorGone
from services.api.core.stream_place import BEGINNING, StreamedEvent, StreamPlace, read_place
from shared.names import Names
from shared.redis_client import RedisClient

PAGE = 100


class Bounds(NamedTuple):
    """What of the stream is kept."""

    length: int
    first: StreamPlace | None
    last: StreamPlace
    """The last that ever was, kept or not."""
    floor: StreamPlace
    """The oldest cursor after which nothing is missing."""
    is_sure: bool = True
    """Whether Redis knows that something came before the first; else it is only taken so."""

    def check(self, after: StreamPlace) -> None:
        """Raise CursorGone if what comes after a cursor is not all here."""
        if after != BEGINNING and after < self.floor:
            raise CursorGone(
                f"what came after {after} is not kept any more", floor=str(self.floor), last=str(self.last)
            )
        if after > self.last:
            detail = (
                f"the stream has not come to {after}: it was made anew, and this cursor is of the old one"
            )
            raise CursorGone(detail, floor=str(self.floor), last=str(self.last))


class TaggedStream:
    """Reads reports.tagged.v1 without a consumer group."""

    def __init__(self, redis: RedisClient, names: Names) -> None:
        self._redis = redis
        self._stream = names.tagged

    async def bounds(self) -> Bounds:
        """Return what is kept."""
        try:
            return _bounds(await self._redis.xinfo_stream(self._stream))
        except ResponseError:
            return Bounds(0, None, BEGINNING, BEGINNING)

    async def page(
        self, after: StreamPlace, upto: StreamPlace | None = None, limit: int = PAGE
    ) -> list[StreamedEvent]:
        """Return the next events after a cursor; raise CursorGone if some of them are not kept any more."""
        pipe = self._redis.pipeline(transaction=False)
        # In this order: what is trimmed in between is told as gone, and not left out.
        pipe.xrange(self._stream, f"({after}", str(upto) if upto else "+", count=limit)
        pipe.xinfo_stream(self._stream)
        rows, about = await pipe.execute(raise_on_error=False)
        if isinstance(about, ResponseError):
            return []
        _bounds(about).check(after)
        return read_entries(rows)

    async def pages(
        self, after: StreamPlace, upto: StreamPlace, limit: int = PAGE
    ) -> AsyncIterator[list[StreamedEvent]]:
        """Yield what comes after one place, up to another with it; raise CursorGone."""
        while after < upto and (page := await self.page(after, upto, limit)):
            yield page
            after = page[-1].place

    async def newer(self, after: StreamPlace, *, wait_ms: int, limit: int = PAGE) -> list[StreamedEvent]:
        """Return what comes after a cursor, waiting for it a while if nothing is there."""
        answer: Any = await self._redis.xread({self._stream: str(after)}, count=limit, block=wait_ms)
        return read_entries(answer[0][1]) if answer else []


def read_entries(rows: Any) -> list[StreamedEvent]:
    """Return the events of stream entries. An entry without one is not ours; its place is kept."""
    return [
        # Lines are what SSE and NDJSON are made of; JSON has none inside.
        StreamedEvent(read_place(raw_id), fields.get(b"event", b"").replace(b"\n", b" ").replace(b"\r", b" "))
        for raw_id, fields in rows
    ]


def _bounds(about: Any) -> Bounds:
    length, last = int(about["length"]), read_place(about["last-generated-id"])
    first = read_place(about["first-entry"][0]) if length else None
    # Redis knows since 7.0 how many there ever were; where it does not, the first may have had others before it.
    ever = about.get("entries-added")
    floor = BEGINNING if ever == length else first.before if first else last
    return Bounds(length, first, last, floor, ever is not None)
