"""Services that an operator has paused: they end what is in hand, and take up nothing until they are resumed."""

from datetime import datetime

from shared.names import Names
from shared.redis_client import RedisClient

PAUSABLE = ("ingest", "classify", "notify")
PAUSED = "paused"
"""What follows the name of a process, among those that live, that has nothing in hand any more."""


async def pause(redis: RedisClient, names: Names, service: str, now: datetime) -> None:
    """Pause every process of a service, those too that are started later. Each sees it within seconds."""
    await redis.hset(names.paused, service, now.isoformat(timespec="seconds"))


async def resume(redis: RedisClient, names: Names, service: str) -> bool:
    """Let a service go on; return whether it was paused."""
    return bool(await redis.hdel(names.paused, service))


async def read_paused(redis: RedisClient, names: Names) -> dict[str, str]:
    """Return since when which services are paused."""
    return {name.decode(): since.decode() for name, since in (await redis.hgetall(names.paused)).items()}


async def is_paused(redis: RedisClient, names: Names, service: str) -> bool:
    return bool(await redis.hexists(names.paused, service))
