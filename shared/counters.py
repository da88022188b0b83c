"""Totals that outlive a process: added up in memory, flushed to one Redis hash, read by /metrics."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable

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

    def add(self, name: str, amount: int = 1, /, **labels: str) -> None:
        """Add to a counter. Labels take few values: never an address of a person or a URL with a path."""
        if amount:
            self._pending[spell(name, labels)] += amount

    def observe(self, name: str, seconds: Iterable[float], /, **labels: str) -> None:
        """Add durations to a histogram: `name` + BUCKET counts each bucket by itself, `name` + SUM adds them up."""
        durations = [max(0.0, each) for each in seconds]
        bounds = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")
        for bucket, amount in Counter(bisect_left(BUCKETS, each) for each in durations).items():
            self.add(name + BUCKET, amount, le=bounds[bucket], **labels)
        self.add(name + SUM, round(sum(durations) * 1e6), **labels)

    async def flush(self, redis: RedisClient) -> None:
        """Move what was counted to Redis; what could not be moved is kept for the next time."""
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
