"""What is missing for the whole way to work: Redis, consumer groups, running services."""

import asyncio
import time

from redis.exceptions import RedisError, ResponseError

from shared.groups import stream_groups
from shared.maintenance import read_paused
from shared.names import Names
from shared.redis_client import RedisClient

PATIENCE = 3.0
SILENT_SECONDS = 10.0
SERVICES = ("ingest", "classify", "notify")


async def find_missing(redis: RedisClient, names: Names) -> list[str]:
    """Return what is missing, in words; an empty list when all is there."""
    try:
        async with asyncio.timeout(PATIENCE):
            # A write, and one that a full Redis refuses.
            await redis.hincrby(names.counters, "readiness_checks", 1)
            return [*await _missing_groups(redis, names), *await _missing_services(redis, names)]
    except ResponseError as e:
        return [f"redis takes no writes: {e}"]
    except (RedisError, OSError, TimeoutError) as e:
        return [f"redis does not answer: {type(e).__name__}"]


async def _missing_groups(redis: RedisClient, names: Names) -> list[str]:
    needed = ((names.published, "classify"), (names.tagged, "notify"), (names.deliveries, "notify"))
    return [
        f"consumer group {group} on {stream}"
        for stream, group in needed
        if group not in await group_names(redis, stream)
    ]


async def group_names(redis: RedisClient, stream: str) -> list[str]:
    """Return the consumer groups of a stream; none if there is no such stream."""
    return [row["name"].decode() for row in await stream_groups(redis, stream)]


async def _missing_services(redis: RedisClient, names: Names) -> list[str]:
    running = await running_services(redis, names)
    paused = [f"{service} is paused" for service in await read_paused(redis, names)]
    return [*paused, *(f"no {service} is running" for service in SERVICES if service not in running)]


async def running_services(redis: RedisClient, names: Names) -> list[str]:
    """Return the service of each process that showed itself in the last seconds."""
    alive = await redis.zrangebyscore(names.instances, time.time() - SILENT_SECONDS, "+inf")
    return [raw.decode().split()[0] for raw in alive]
