"""Keys of Redis as lines of a backup, and back: plain values, which every version of Redis takes."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from redis.exceptions import RedisError

from shared.names import Names
from shared.redis_client import Command, RedisClient, on_every_master

CHUNK = 500
# Shorter than the time-out of a client, and said again with every line: if we die, writes go on by themselves.
PAUSE_MS = 5000

Line = dict[str, Any]


class BackupError(Exception):
    """A backup that cannot be made, or a file that cannot be taken back; the message says why."""


async def read_keys(redis: RedisClient, names: Names) -> AsyncIterator[Line]:
    """Yield every key as of one moment, but for the list of who is running; raise BackupError."""
    told: set[bytes] = set()
    await _hold_writes(redis)
    try:
        async for key in redis.scan_iter(match=names.found_by(), count=1000):
            # SCAN may tell a key twice.
            if key in told or text(key) == names.instances:
                continue
            told.add(key)
            async for line in _parts(redis, key):
                yield {"key": text(key).removeprefix(names.prefix), **line}
                await _hold_writes(redis)
    finally:
        await on_every_master(redis, "CLIENT UNPAUSE")


async def _hold_writes(redis: RedisClient) -> None:
    try:
        await on_every_master(redis, "CLIENT PAUSE", PAUSE_MS, "WRITE")
    except RedisError as e:
        raise BackupError(f"redis does not let us hold back writes (CLIENT PAUSE … WRITE): {e}") from e


async def _parts(redis: RedisClient, key: bytes) -> AsyncIterator[Line]:
    """A key as one line or several. `left_ms`, if it is to expire, is on each."""
    pipe = redis.pipeline(transaction=False)
    kind, left = await pipe.type(key).pttl(key).execute()
    life = {"left_ms": left} if left > 0 else {}
    match kind:
        case b"string":
            yield {"string": text(await redis.get(key)), **life}
        case b"hash":
            async for part in _some(redis.hscan_iter(key, count=CHUNK)):
                yield {"hash": part, **life}
        case b"set":
            async for part in _some(redis.sscan_iter(key, count=CHUNK)):
                yield {"set": part, **life}
        case b"zset":
            async for part in _some(redis.zscan_iter(key, count=CHUNK)):
                yield {"zset": part, **life}
        case b"list":
            yield {"list": [text(each) for each in await redis.lrange(key, 0, -1)], **life}
        case b"stream":
            async for line in _stream(redis, key):
                yield {**line, **life}
        case _:
            raise BackupError(
                f"{text(key)} is a {text(kind)}, which is none of ours: keep it under another prefix"
            )


async def _some(items: AsyncIterator[Any]) -> AsyncIterator[list[Any]]:
    part: list[Any] = []
    async for item in items:
        part.append([_plain(each) for each in item] if isinstance(item, tuple) else _plain(item))
        if len(part) == CHUNK:
            yield part
            part = []
    if part:
        yield part


async def _stream(redis: RedisClient, key: bytes) -> AsyncIterator[Line]:
    after = "-"
    while entries := await redis.xrange(key, after, "+", count=CHUNK):
        yield {
            "stream": [
                [text(entry_id), [text(part) for pair in fields.items() for part in pair]]
                for entry_id, fields in entries
            ]
        }
        after = f"({text(entries[-1][0])}"
    last = (await redis.xinfo_stream(key))["last-generated-id"]
    groups = [[text(row["name"]), await _position(redis, key, row)] for row in await redis.xinfo_groups(key)]
    yield {"last": text(last), "groups": groups}


async def _position(redis: RedisClient, key: bytes, group: Mapping[str, Any]) -> str:
    """The id after which the group has to read: what it read and did not acknowledge comes again."""
    if not group["pending"]:
        return text(group["last-delivered-id"])
    first = (await redis.xpending(key, group["name"]))["min"]
    moment, _, sequence = text(first).partition("-")
    return f"{moment}-{int(sequence) - 1}" if sequence != "0" else f"{int(moment) - 1}-{2**64 - 1}"


def writes(prefix: str, line: Line) -> Iterator[Command]:
    """Return the commands that put one line back."""
    key = prefix + line["key"]
    match line:
        case {"string": value}:
            yield ("SET", key, _bytes(value))
        case {"hash": pairs}:
            yield ("HSET", key, *(_bytes(each) for pair in pairs for each in pair))
        case {"set": members}:
            yield ("SADD", key, *map(_bytes, members))
        case {"zset": pairs}:
            yield ("ZADD", key, *(each for member, score in pairs for each in (repr(score), _bytes(member))))
        case {"list": values}:
            yield ("RPUSH", key, *map(_bytes, values))
        case {"stream": entries}:
            for entry_id, fields in entries:
                yield ("XADD", key, entry_id, *map(_bytes, fields))
        case {"groups": groups, "last": last}:
            yield from _positions(key, groups, last)
    if "left_ms" in line:
        yield ("PEXPIRE", key, line["left_ms"])


def _positions(key: str, groups: Sequence[tuple[str, str]], last: str) -> Iterator[Command]:
    """A stream may be empty and still have a last id, which the next entry has to be above."""
    yield ("XGROUP", "CREATE", key, "restore", "0", "MKSTREAM")
    yield ("XGROUP", "DESTROY", key, "restore")
    yield ("XSETID", key, last)
    for group, position in groups:
        yield ("XGROUP", "CREATE", key, group, position)


def _plain(value: bytes | float) -> str | float:
    return text(value) if isinstance(value, bytes) else value


def text(raw: bytes | str) -> str:
    """Return bytes as text that JSON can hold; what is no UTF-8 (keys, sketches) survives as lone surrogates."""
    return raw if isinstance(raw, str) else raw.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
