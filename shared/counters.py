"""Totals that outlive a process: added up in memory, flushed to one Redis hash, read by /metrics."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from shared.redis_client import RedisClient

BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Upper bounds of a histogram's buckets, in seconds; one more is without bound."""
BUCKET, SUM = "_bucket", "_microseconds"


class Counters:
    """Counts since the last flush. A kill -9 loses at most the last seconds of counting, never a report."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._pending: dict[str, int] = defaultdict(int)
        self._spelled: dict[tuple[object, ...], str] = {}
        self._durations: dict[tuple[Any, ...], list[float]] = defaultdict(list)

    def add(self, name: str, amount: int = 1, /, **labels: str) -> None:
        """Add to a counter. Labels take few values: never an address of a person or a URL with a path."""
        if not amount:
            return
        key = (name, *labels.items())
        if key not in self._spelled:
            self._spelled[key] = spell(name, labels)
        self._pending[self._spelled[key]] += amount

    def observe(self, name: str, seconds: Iterable[float], /, **labels: str) -> None:
        """Add durations to a histogram: `name` + BUCKET counts each bucket by itself, `name` + SUM adds them up."""
        self._durations[(name, *labels.items())].extend(seconds)

    def _sort_durations(self) -> None:
        # Many at a time, for each is one of thousands a second.
        taken, self._durations = self._durations, defaultdict(list)
        bounds = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")
        for (name, *labels), seconds in taken.items():
            for bucket, amount in Counter(map(partial(bisect_left, BUCKETS), seconds)).items():
                self.add(name + BUCKET, amount, le=bounds[bucket], **dict(labels))
            self.add(name + SUM, round(sum(max(0.0, each) for each in seconds) * 1e6), **dict(labels))

    async def flush(self, redis: RedisClient) -> None:
        """Move what was counted to Redis; what could not be moved is kept for the next time."""
        self._sort_durations()
        taken, self._pending = self._pending, defaultdict(int)
        if not taken:
            return
        pipe = redis.pipeline(transaction=False)
        for counter, amount in taken.items():
            pipe.hincrby(self._key, counter, amount)
        try:
            await pipe.execute()
        except RedisError:
            for counter, amount in taken.items():
                self._pending[counter] += amount
            raise


def spell(name: str, labels: dict[str, str]) -> str:
    """Return `name` or `name{a="x",b="y"}`, labels in alphabetical order."""
    if not labels:
        return name
    inside = ",".join(f'{key}="{_escape(labels[key])}"' for key in sorted(labels))
    return f"{name}{{{inside}}}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
