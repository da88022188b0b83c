"""/v1/events: tagged reports as they come, as server-sent events; /v1/stream: what of the stream is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send

from services.api.core.problem import FieldError, NotFound, Problem
from services.api.core.stream_place import (
    BEGINNING,
    PlaceError,
    StreamedEvent,
    StreamPlace,
    place_at,
    read_moment,
    read_place,
)
from services.api.web.parts import AskedOf, Parts, PartsOf
from shared.events import Moment
from shared.groups import stream_groups

router = APIRouter(prefix="/v1", tags=["stream"])

# After so many milliseconds a browser connects again.
FIRST = b"retry: 2000\n\n"
PATIENCE = 30.0
"""Seconds; who takes nothing for so long is let go."""


class EventStream(Response):
    """An answer that goes on until the client goes, is too slow, or the process ends."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], on_gone: Callable[[], None]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        self._events = events
        self._on_gone = on_gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        watching = asyncio.ensure_future(self._watch(receive))
        try:
            await self._send(send, FIRST)
            async for chunk in self._events:
                await self._send(send, chunk)
            await self._send(send, b"", more=False)
        except TimeoutError:
            # Not even the word that it is too slow was taken.
            pass
        finally:
            watching.cancel()
            await self._events.aclose()  # type: ignore[attr-defined]

    async def _send(self, send: Send, chunk: bytes, more: bool = True) -> None:
        async with asyncio.timeout(PATIENCE):
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._on_gone()


_SSE: dict[str, Any] = {
    "description": "Server-sent events",
    "content": {
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": 'id: 1763820000000-0\ndata: {"specversion":"1.0","type":"report.tagged.v1",…}\n\n',
        }
    },
}


@router.get("/events", response_class=StreamingResponse, responses={200: _SSE})
async def events(
    parts: PartsOf,
    asked: AskedOf,
    after: Annotated[
        str,
        Query(
            max_length=60,
            examples=["1763820000000-0", "2026-03-14T09:30:00Z"],
            description="Begin after this id of the stream, or at this moment, or with all that is kept (0). "
            "Unless given: with what comes from now on.",
        ),
    ] = "",
    last_event_id: Annotated[
        str,
        Header(
            max_length=60, description="What a browser sends when it connects again. Goes before `after`."
        ),
    ] = "",
) -> Response:
    """Tagged reports as server-sent events: what is kept after a cursor, then what comes, none twice and none left out.

    The data of an event is the one of the stream (a CloudEvent), its id is the stream's. Events with a name are for
    the client: `overflow` (it takes events too slowly) and `gone` (what comes next is not kept any more), after
    which the answer ends. A cursor older than what is kept is 410, with the floor.
    """
    cursor = await read_cursor(parts, "Last-Event-ID" if last_event_id else "after", last_event_id or after)
    listener = await parts.broadcast.admit(cursor, asked.filter)
    return EventStream(parts.broadcast.events(listener), listener.end)


async def read_cursor(parts: Parts, name: str, written: str) -> StreamPlace:
    """Return the place that a cursor means; raise Problem (400) if it is none, or in the future."""
    if not written:
        return (await parts.stream.bounds()).last
    if written == "0":
        return BEGINNING
    try:
        if written.count("-") < 2:
            return read_place(written)
        moment = read_moment(written)
    except PlaceError as e:
        raise Problem(f"{name}: {e}", errors=[FieldError(name, str(e))]) from e
    if moment > datetime.now(UTC):
        raise Problem(
            f"{name}: {written} is in the future", errors=[FieldError(name, "this is in the future")]
        )
    return min(place_at(moment), (await parts.stream.bounds()).last)


class StreamGroup(BaseModel):
    """A consumer group: a system that reads the stream and acknowledges."""

    name: str
    consumers: int
    pending: int = Field(description="Read, and not acknowledged yet.")
    lag: int | None = Field(description="Not read yet; null where Redis does not know.")
    last_delivered: str = Field(examples=["1763820000000-0"])


class StreamState(BaseModel):
    """What of the stream is kept, and who reads it."""

    stream: str = Field(description="The key in Redis.", examples=["tocsin:reports.tagged.v1"])
    length: int
    first: str | None = Field(description="Id of the oldest event that is kept; null if none is.")
    first_at: Moment | None
    last: str = Field(description="Id of the newest event that ever was.")
    last_at: Moment | None
    floor: str = Field(description="The oldest cursor after which nothing is missing.")
    retention_seconds: int
    groups: list[StreamGroup]
    listeners: int = Field(description="Clients of /v1/events of this process.")


@router.get("/stream")
async def stream(parts: PartsOf) -> StreamState:
    """Return the first and the last id of the stream, how far back a cursor may lie, and the consumer groups."""
    names, bounds = parts.bus.names, await parts.stream.bounds()
    return StreamState(
        stream=names.tagged,
        length=bounds.length,
        first=str(bounds.first) if bounds.first else None,
        first_at=bounds.first.moment if bounds.first else None,
        last=str(bounds.last),
        last_at=bounds.last.moment if bounds.last != BEGINNING else None,
        floor=str(bounds.floor),
        retention_seconds=parts.settings.retention_seconds,
        groups=[_group(row) for row in await stream_groups(parts.bus.redis, names.tagged)],
        listeners=len(parts.broadcast.listeners),
    )


def _group(row: Any) -> StreamGroup:
    return StreamGroup(
        name=row["name"].decode(errors="replace"),
        consumers=row["consumers"],
        pending=row["pending"],
        lag=row.get("lag"),
        last_delivered=row["last-delivered-id"].decode(),
    )


_NDJSON: dict[str, Any] = {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}


@router.get("/history/{day}.ndjson", response_class=StreamingResponse, responses={200: _NDJSON})
async def history(day: str, parts: PartsOf) -> StreamingResponse:
    """Return the events of a day (UTC), one JSON object a line, oldest first; `streamid` is the place of each.

    A day of which a part is not kept any more is 410. Today goes as far as now: what follows, from /v1/events.
    """
    begin = _day(day)
    bounds = await parts.stream.bounds()
    first, last = place_at(begin), place_at(begin + timedelta(days=1))
    if begin > datetime.now(UTC):
        raise NotFound("this day has not come yet")
    if not bounds.is_sure and bounds.floor < last:
        # Of the oldest day Redis 6 cannot tell whether it is whole: better to show it than never to.
        first = max(first, bounds.floor)
    bounds.check(min(first, bounds.last))
    is_over = last < place_at(datetime.now(UTC))
    pages = parts.stream.pages(first, min(last, bounds.last), limit=500)
    return StreamingResponse(
        _lines(pages),
        media_type="application/x-ndjson",
        headers={"Cache-Control": f"public, max-age={86400 if is_over else 0}"},
    )


def _day(written: str) -> datetime:
    try:
        return datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as e:
        raise NotFound("write a day, e.g. /v1/history/2026-03-14.ndjson") from e


async def _lines(pages: AsyncIterator[list[StreamedEvent]]) -> AsyncIterator[bytes]:
    async for page in pages:
        yield b"".join(
            b'{"streamid":"%b",%b\n' % (str(place).encode(), json[1:]) for place, json in page if json
        )
