"""How far each consumer group is on each stream."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from shared.names import Names
from shared.redis_client import RedisClient


@dataclass(frozen=True, slots=True)
class GroupState:
    """`lag`: entries not read yet, None where Redis does not know; `pending`: read and not acknowledged; `oldest`:
    the age of the oldest entry that is not acknowledged, in seconds, 0 if there is none."""

    stream: str
    name: str
    consumers: int
    lag: int | None
    pending: int
    oldest: float

    @property
    def busy(self) -> bool:
        """Whether there is anything to do for it."""
        return bool(self.pending or self.lag)


async def read_groups(redis: RedisClient, names: Names) -> AsyncIterator[GroupState]:
    """Yield the state of every group, ours and those of others, stream by stream."""
    for stream in names.streams:
        for row in await stream_groups(redis, stream):
            yield GroupState(
                stream,
                row["name"].decode(),
                row["consumers"],
                row.get("lag"),
                row["pending"],
                await _oldest(redis, stream, row),
            )


async def stream_groups(redis: RedisClient, stream: str) -> list[Any]:
    """Return what Redis says of each group of a stream; nothing if there is no such stream."""
    try:
        rows = list(await redis.xinfo_groups(stream))
        last = (await redis.xinfo_stream(stream))["last-generated-id"]
    except ResponseError:
        return []
    # Redis 6.2 has no lag, and 7.0 a wrong one after a restart from its log (`trim.lua` mends it).
    return [row | {"lag": 0} if row["last-delivered-id"] == last else row for row in rows]


async def _oldest(redis: RedisClient, stream: str, row: dict[str, Any]) -> float:
    ids = []
    if row["pending"]:
        summary: Any = await redis.xpending(stream, row["name"])
        ids.append(summary["min"])
    unread: Any = await redis.xrange(stream, f"({row['last-delivered-id'].decode()}", "+", count=1)
    ids += [entry_id for entry_id, _ in unread]
    added = [int(entry_id.split(b"-")[0]) / 1000 for entry_id in ids if entry_id]
    return max(0.0, time.time() - min(added)) if added else 0.0
