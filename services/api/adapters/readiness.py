"""What is missing for the whole way to work: Redis, consumer groups, running services."""

import asyncio
import time

from redis.exceptions import RedisError, ResponseError

from shared.bus import Bus
from shared.groups import stream_groups
from shared.maintenance import read_paused

PATIENCE = 3.0
SILENT_SECONDS = 10.0
SERVICES = ("ingest", "classify", "notify")


async def find_missing(bus: Bus) -> list[str]:
    """Return what is missing, in words; an empty list when all is there."""
    try:
        async with asyncio.timeout(PATIENCE):
            # A write, and one that a full Redis refuses.
            await bus.redis.hincrby(bus.names.counters, "readiness_checks", 1)
            return [*await _missing_groups(bus), *await _missing_services(bus)]
    except ResponseError as e:
        return [f"redis takes no writes: {e}"]
    except (RedisError, OSError, TimeoutError) as e:
        return [f"redis does not answer: {type(e).__name__}"]


async def _missing_groups(bus: Bus) -> list[str]:
    names = bus.names
    needed = ((names.published, "classify"), (names.tagged, "notify"), (names.deliveries, "notify"))
    return [
        f"consumer group {group} on {stream}"
        for stream, group in needed
        if group not in [row["name"].decode() for row in await stream_groups(bus.redis, stream)]
    ]


async def _missing_services(bus: Bus) -> list[str]:
    running = await running_services(bus)
    paused = [f"{service} is paused" for service in await read_paused(bus.redis, bus.names)]
    return [*paused, *(f"no {service} is running" for service in SERVICES if service not in running)]


async def running_services(bus: Bus) -> list[str]:
    """Return the service of each process that showed itself in the last seconds."""
    alive = await bus.redis.zrangebyscore(bus.names.instances, time.time() - SILENT_SECONDS, "+inf")
    return [raw.decode().split()[0] for raw in alive]
