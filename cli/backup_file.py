"""A backup: every key of an installation at one moment, in a file that any Redis version can take back.

The file is gzip of JSON lines: a header, the keys, and a last line with the number of lines and the sha256 of
all before it. Values are kept as what they mean, not as Redis's own dump, which an older version refuses; a large
one is spread over several lines. Keys are kept without the prefix, so that a backup may go to another one.

While it is made, Redis holds back writes (CLIENT PAUSE … WRITE, since 6.2): services wait and lose nothing, and the
file shows one moment. Consumer groups come back before the first entry that they had not acknowledged: what follows an
entry is guarded, so that reading it again does nothing twice.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from redis.exceptions import RedisError

from cli.backup_lines import CHUNK, BackupError, Line, read_keys, text, writes
from shared.layout import LAYOUT, layout_of
from shared.names import Names
from shared.redis_client import RedisClient

FORMAT = "tocsin-backup"
VERSION = 1
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class About:
    """What a backup says of itself. `lines` is how many hold keys."""

    made_at: str
    tocsin: str
    rulebook: str
    lines: int


async def write_backup(
    redis: RedisClient, names: Names, path: Path, *, now: datetime, tocsin: str, progress: Progress
) -> About:
    """Write the installation to a new file and return what it holds; raise BackupError.

    The file has its name only when it is whole.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    about = {"made_at": now.isoformat(timespec="seconds"), "tocsin": tocsin}
    about["rulebook"] = await _rulebook(redis, names)
    try:
        with gzip.open(unfinished, "wb", compresslevel=6) as out:
            digest, lines = hashlib.sha256(), -1
            layout = await layout_of(redis, names) or 1
            async for line in _with_header({**about, "layout": layout}, read_keys(redis, names)):
                raw = json.dumps(line).encode() + b"\n"
                digest.update(raw)
                out.write(raw)
                lines += 1
                progress(lines)
            out.write(json.dumps({"lines": lines, "sha256": digest.hexdigest()}).encode() + b"\n")
        unfinished.replace(path)
    except RedisError as e:
        raise BackupError(f"redis failed while the backup was made: {e}") from e
    except OSError as e:
        raise BackupError(f"{path} cannot be written: {e.strerror}") from e
    finally:
        unfinished.unlink(missing_ok=True)
    return About(lines=lines, **about)


def check_backup(path: Path) -> About:
    """Read a backup to its end and return what it holds; raise BackupError if it is not whole, or none of ours."""
    digest, lines = hashlib.sha256(), -1
    try:
        with gzip.open(path, "rb") as file:
            first = previous = file.readline()
            header = _header(path, first)
            for line in file:
                digest.update(previous)
                lines += 1
                previous = line
        end = json.loads(previous)
    except (OSError, EOFError, ValueError, zlib.error) as e:
        raise BackupError(f"{path} is no whole backup of Tocsin: {e}") from e
    if (end.get("lines"), end.get("sha256")) != (lines, digest.hexdigest()):
        raise BackupError(f"{path} is no whole backup: its checksum is wrong, or its end is missing")
    return About(header["made_at"], header["tocsin"], header["rulebook"], lines)


async def restore_backup(redis: RedisClient, names: Names, path: Path, progress: Progress) -> About:
    """Write a backup into an installation that is empty; return what it held. Raise BackupError.

    Nothing is written unless the whole file is sound and no key has the prefix. Afterwards every key is looked for.
    """
    about = check_backup(path)
    async for key in redis.scan_iter(match=names.found_by(), count=1000):
        raise BackupError(
            f"there is something under {names.prefix!r} already ({text(key)}): stop the services, and restore into "
            "an empty Redis or under another TOCSIN_KEY_PREFIX"
        )
    done = 0
    try:
        for lines in _chunks(path):
            pipe = redis.pipeline(transaction=False)
            for command in (command for line in lines for command in writes(names.prefix, line)):
                pipe.execute_command(*command)
            await pipe.execute()
            done += len(lines)
            progress(done)
        for lines in _chunks(path):
            keys = {names.prefix + line["key"] for line in lines}
            if await redis.exists(*keys) != len(keys):
                raise BackupError(
                    "keys are missing after the restore: is something else at work under this prefix?"
                )
    except RedisError as e:
        raise BackupError(
            f"redis failed after {done} of {about.lines} lines: {e}; empty it, restore again"
        ) from e
    return about


async def _with_header(about: Mapping[str, object], keys: AsyncIterator[Line]) -> AsyncIterator[Line]:
    yield {"format": FORMAT, "version": VERSION, **about}
    async for line in keys:
        yield line


def _header(path: Path, line: bytes) -> Line:
    header = json.loads(line or b"null")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise BackupError(f"{path} is no backup of Tocsin")
    if header.get("version") != VERSION:
        raise BackupError(
            f"{path} is a backup of form {header.get('version')}, made by Tocsin {header.get('tocsin')}; this one "
            f"reads form {VERSION}: restore it with the Tocsin that made it"
        )
    if header.get("layout", 1) > LAYOUT:
        raise BackupError(
            f"{path} has keys of layout {header['layout']}, made by Tocsin {header.get('tocsin')}; this one knows "
            f"up to {LAYOUT}: restore it with the Tocsin that made it"
        )
    return header


def _chunks(path: Path) -> Iterator[list[Line]]:
    """The lines that hold keys, some at a time; the file was checked before."""
    with gzip.open(path, "rb") as file:
        file.readline()
        while raw := list(islice(file, CHUNK)):
            lines = [json.loads(line) for line in raw]
            if keys := [line for line in lines if "key" in line]:
                yield keys


async def _rulebook(redis: RedisClient, names: Names) -> str:
    newest = await redis.xrevrange(names.tagged, count=1)
    return str(json.loads(newest[0][1][b"event"])["data"]["rulebook"]) if newest else ""
