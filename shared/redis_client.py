"""The type of a redis-py client, as we use it.

redis-py types every answer as a union over protocol versions, sync and async, bytes and text. Ours is always the
asyncio client without decoding (answers are bytes), which its types cannot say; so the type is open.
"""

from typing import Any, TypeAlias

import hiredis

RedisClient: TypeAlias = Any


def write_quickly(redis: RedisClient) -> None:
    """Let hiredis write the commands of a client. redis-py uses it for reading only, and takes longer to write a
    script's arguments than Redis to run it."""
    pool = redis.connection_pool

    kind: Any = pool.connection_class

    class Connection(kind):  # type: ignore[misc]
        def pack_command(self, *args: Any) -> list[bytes]:
            return [hiredis.pack_command((*args[0].split(), *args[1:]))]

    pool.connection_class = Connection
