"""Totals that outlive a process: added up in memory, flushed to one Redis hash, read by /metrics."""

from collections import defaultdict

from shared.redis_client import RedisClient

Labels = tuple[tuple[str, str], ...]


class Counters:
    """Counts since the last flush. A kill -9 loses at most the last seconds of counting, never a report."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._pending: dict[str, int] = defaultdict(int)
        self._spelled: dict[tuple[object, ...], str] = {}

    def add(self, name: str, amount: int = 1, /, **labels: str) -> None:
        """Add to a counter. Labels take few values: never an address of a person or a URL with a path."""
        if not amount:
            return
        key = (name, *labels.items())
        if key not in self._spelled:
            self._spelled[key] = spell(name, labels)
        self._pending[self._spelled[key]] += amount

    async def flush(self, redis: RedisClient) -> None:
        """Move what was counted to Redis."""
        taken, self._pending = self._pending, defaultdict(int)
        if not taken:
            return
        pipe = redis.pipeline(transaction=False)
        for counter, amount in taken.items():
            pipe.hincrby(self._key, counter, amount)
        await pipe.execute()


def spell(name: str, labels: dict[str, str]) -> str:
    """Return `name` or `name{a="x",b="y"}`, labels in alphabetical order."""
    if not labels:
        return name
    inside = ",".join(f'{key}="{_escape(labels[key])}"' for key in sorted(labels))
    return f"{name}{{{inside}}}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
