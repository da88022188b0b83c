"""What is missing for the whole way to work: Redis, consumer groups, running services."""

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from shared.names import Names

PATIENCE = 3.0
SERVICES = ("ingest", "classify", "notify")


async def find_missing(redis: Redis, names: Names) -> list[str]:
    """Return what is missing, in words; an empty list when all is there."""
    try:
        async with asyncio.timeout(PATIENCE):
            await redis.ping()
            return [*await _missing_groups(redis, names), *await _missing_services(redis, names)]
    except (RedisError, OSError, TimeoutError) as e:
        return [f"redis does not answer: {type(e).__name__}"]


async def _missing_groups(redis: Redis, names: Names) -> list[str]:
    needed = ((names.published, "classify"), (names.tagged, "notify"), (names.deliveries, "notify"))
    return [
        f"consumer group {group} on {stream}"
        for stream, group in needed
        if group not in await group_names(redis, stream)
    ]


async def group_names(redis: Redis, stream: str) -> list[str]:
    """Return the consumer groups of a stream; none if there is no such stream."""
    return [row["name"].decode() for row in await stream_groups(redis, stream)]


async def stream_groups(redis: Redis, stream: str) -> list[Any]:
    """Return what Redis says of each group of a stream; nothing if there is no such stream."""
    try:
        return list(await redis.xinfo_groups(stream))
    except ResponseError:
        return []


async def _missing_services(redis: Redis, names: Names) -> list[str]:
    running: set[str] = set()
    async for raw in redis.scan_iter(match=names.instance("*", "*"), count=1000):
        running.update(
            service for service in SERVICES if raw.decode().startswith(names.instance(service, ""))
        )
        if running.issuperset(SERVICES):
            break
    return [f"no {service} is running" for service in SERVICES if service not in running]
