"""Reads a stream of Tocsin's from a cursor of its own. One file, to be copied; it needs redis-py and nothing else.

stream = TocsinStream(Redis("localhost"), "tocsin:reports.tagged.v1")
for entry_id, event in stream.resume(last_id):
    handle(event)           # an event may come twice: event["id"] tells
    last_id = entry_id      # keep it where a restart finds it
"""

import json
from collections.abc import Iterator
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError


class CursorTooOld(Exception):
    """What came after a cursor is not all kept any more. `floor` is the oldest cursor that still works."""

    def __init__(self, last_id: str, floor: str) -> None:
        super().__init__(f"events after {last_id} are missing; the oldest cursor that works is {floor}")
        self.last_id = last_id
        self.floor = floor


class TocsinStream:
    """One stream, read without a consumer group: a read-only user will do."""

    def __init__(self, redis: "Redis", key: str = "tocsin:reports.tagged.v1") -> None:
        self._redis = redis
        self._key = key

    def resume(
        self, last_id: str = "0", *, block_ms: int = 5000, count: int = 100
    ) -> Iterator[tuple[str, Any]]:
        """Yield (id, event) of everything after `last_id`, and go on for ever.

        "0" is all that is kept. Raise CursorTooOld, at the start or at any later moment, rather than leave
        something out; what was read until then was whole.
        """
        begin = last_id == "0"
        while True:
            answer: Any = self._redis.xread({self._key: last_id}, count=count, block=block_ms)
            # After the reading: what was dropped before it would be missing from it.
            if not begin:
                self._check(last_id)
            for raw_id, fields in answer[0][1] if answer else ():
                last_id, begin = _text(raw_id), False
                yield last_id, json.loads(fields[b"event" if b"event" in fields else "event"])

    def floor(self) -> str:
        """Return the oldest cursor after which nothing is missing."""
        try:
            about: Any = self._redis.xinfo_stream(self._key)
        except ResponseError:
            return "0-0"
        if about.get("entries-added") == about["length"]:
            return "0-0"
        if not about["length"]:
            return _text(about["last-generated-id"])
        milliseconds, sequence = _parts(_text(about["first-entry"][0]))
        return f"{milliseconds}-{sequence - 1}" if sequence else f"{milliseconds - 1}-{2**64 - 1}"

    def _check(self, last_id: str) -> None:
        floor = self.floor()
        if _parts(last_id) < _parts(floor):
            raise CursorTooOld(last_id, floor)


def _parts(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def _text(value: "bytes | str") -> str:
    return value.decode() if isinstance(value, bytes) else value
