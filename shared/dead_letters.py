"""Dead letters: messages that no service could handle, kept raw with the reason."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.entries import xadd
from shared.names import Names
from shared.redis_client import RedisClient, at_once

RAW = b"raw:"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One kept message. `id` is its id among the dead letters of its stream."""

    id: str
    stream: str
    group: str
    entry_id: str
    deliveries: int
    reason: str
    raw: dict[bytes, bytes]

    @property
    def key(self) -> str:
        """What no other letter is called, whatever its stream."""
        return f"{self.stream}/{self.id}"


class DeadLetters:
    """Lists, replays and drops dead letters of every stream."""

    def __init__(self, redis: RedisClient, names: Names) -> None:
        self._redis = redis
        self._names = names

    async def list(self, at_most: int = 100) -> AsyncIterator[DeadLetter]:
        """Yield dead letters, oldest first, stream by stream."""
        for stream in self._names.streams:
            for entry_id, fields in await self._redis.xrange(self._names.dead(stream), count=at_most):
                yield _letter(entry_id.decode(), fields)

    async def count(self) -> dict[str, int]:
        """Return how many there are, by stream; streams without any are left out."""
        lengths = {stream: await self._redis.xlen(self._names.dead(stream)) for stream in self._names.streams}
        return {stream: length for stream, length in lengths.items() if length}

    async def replay(self, letter: DeadLetter) -> None:
        """Put the message back on its stream, as it was, and take the letter away, together."""
        await at_once(
            self._redis,
            xadd(letter.stream, letter.raw),
            ("XDEL", self._names.dead(letter.stream), letter.id),
        )

    async def drop(self, letter: DeadLetter) -> None:
        """Take the letter away for good."""
        await self._redis.xdel(self._names.dead(letter.stream), letter.id)


def _letter(letter_id: str, fields: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        id=letter_id,
        stream=fields[b"stream"].decode(),
        group=fields[b"group"].decode(),
        entry_id=fields[b"id"].decode(),
        deliveries=int(fields[b"deliveries"]),
        reason=fields[b"reason"].decode(),
        raw={name.removeprefix(RAW): value for name, value in fields.items() if name.startswith(RAW)},
    )
