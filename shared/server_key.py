"""32 random bytes made once for an installation: they sign the links in mails."""

import secrets

from shared.names import Names
from shared.redis_client import RedisClient


async def server_key(redis: RedisClient, names: Names) -> bytes:
    """Return the key; the first process that asks makes it."""
    await redis.set(names.server_key, secrets.token_bytes(32), nx=True)
    key = await redis.get(names.server_key)
    assert isinstance(key, bytes)
    return key
