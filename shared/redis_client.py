"""The type of a redis-py client, as we use it.

redis-py types every answer as a union over protocol versions, sync and async, bytes and text. Ours is always the
asyncio client without decoding (answers are bytes), which its types cannot say; so the type is open.
"""

from typing import Any, TypeAlias

RedisClient: TypeAlias = Any
