"""Events as a browser's EventSource reads them (HTML Living Standard, server-sent events)."""

from collections.abc import Iterable
from typing import NamedTuple

from services.api.core.stream_place import StreamPlace


class StreamedEvent(NamedTuple):
    """An event as it is on the stream: its place, and the JSON; nothing if the entry is not ours."""

    place: StreamPlace
    json: bytes


def sse_events(events: Iterable[StreamedEvent]) -> bytes:
    """Return events as a browser's EventSource reads them; their ids are those of the stream."""
    return b"".join(b"id: %b\ndata: %b\n\n" % (str(place).encode(), json) for place, json in events if json)


def sse_mark(place: StreamPlace) -> bytes:
    """Return what moves a client's Last-Event-ID on without being an event; a heartbeat as well."""
    return f": \nid: {place}\n\n".encode()


def sse_word(event: str, detail: str) -> bytes:
    """Return an event of another name than that of reports, e.g. `overflow`."""
    return f"event: {event}\ndata: {detail}\n\n".encode()
