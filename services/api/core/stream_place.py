"""Places in a stream, Redis's ids and the moments that they hold; and its events as a browser reads them."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_ID = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,19}))?")
_MOST = 2**64 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StreamPlace(NamedTuple):
    """An entry's id. As a cursor it means: what comes after it."""

    milliseconds: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.sequence}"

    @property
    def before(self) -> "StreamPlace":
        """The cursor after which this entry is the first."""
        if self.sequence:
            return StreamPlace(self.milliseconds, self.sequence - 1)
        return StreamPlace(self.milliseconds - 1, _MOST) if self.milliseconds else BEGINNING

    @property
    def moment(self) -> datetime:
        """When the entry was added."""
        return _EPOCH + timedelta(milliseconds=self.milliseconds)


BEGINNING = StreamPlace(0, 0)
"""As a cursor: all that is kept, however much that is."""


class PlaceError(ValueError):
    """Neither an id of the stream nor a moment."""


def read_place(written: str | bytes) -> StreamPlace:
    """Return the place of an id, e.g. "1763820000000-0"; without a sequence it is 0. Raise PlaceError."""
    text = written.decode(errors="replace") if isinstance(written, bytes) else written
    found = _ID.fullmatch(text)
    if not found:
        raise PlaceError("write an id of the stream, e.g. 1763820000000-0")
    return StreamPlace(int(found[1]), int(found[2] or 0))


def read_moment(written: str) -> datetime:
    """Return a moment as RFC 3339 writes it, or the beginning of a day; raise PlaceError."""
    try:
        # A + in an address that nobody escaped arrives as a space.
        moment = datetime.fromisoformat(written.strip().replace(" ", "+") if "T" in written else written)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise PlaceError(
            "write an id of the stream, or a moment, e.g. 1763820000000-0 or 2026-03-14T09:30:00Z"
        ) from e


def place_at(moment: datetime) -> StreamPlace:
    """Return the cursor after which what was added at this moment is the first."""
    return StreamPlace(max(0, (moment - _EPOCH) // timedelta(milliseconds=1)), 0).before


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
