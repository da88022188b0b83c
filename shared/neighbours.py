"""Processes of ours that run on this machine: that one has died is seen at once, and told to all.

Elsewhere a process is taken for dead when its sign of life has run out.
"""

import hashlib
import os
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path

from shared.names import Names
from shared.redis_client import RedisClient

TOLD_MS = 10_000
DEAD = b"dead"


def consumer_name() -> str:
    """Return host-place-pid-random: two processes never share a name, nor does a restarted one with its past."""
    return f"{socket.gethostname()}-{place()}-{os.getpid()}-{secrets.token_hex(3)}"


def place() -> str:
    """Return letters that two processes have in common only if each can see whether the other lives."""
    try:
        seen = Path("/proc/sys/kernel/random/boot_id").read_text() + os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        return secrets.token_hex(4)
    return hashlib.sha256(seen.encode()).hexdigest()[:8]


class Neighbours:
    """Those that were here when we last looked around, without ourselves."""

    def __init__(self, names: Names, consumer: str) -> None:
        self._names = names
        self._here = consumer.rsplit("-", 2)[0] + "-"
        self._known: dict[str, int] = {}

    def learn(self, instances: Iterable[bytes]) -> None:
        """Take in the names of all processes, "service consumer"."""
        consumers = {instance: instance.split()[1] for instance in map(bytes.decode, instances)}
        self._known = {
            instance: int(consumer.split("-")[-2])
            for instance, consumer in consumers.items()
            if consumer.startswith(self._here)
        }

    async def bury(self, redis: RedisClient) -> bool:
        """Say in Redis who has died, so that others take over what they held; return whether anybody has."""
        dead = [instance for instance, pid in self._known.items() if not _runs(pid)]
        for instance in dead:
            await redis.set(self._names.alive(instance.split()[1]), DEAD, px=TOLD_MS)
            await redis.zrem(self._names.instances, instance)
            self._known.pop(instance, None)
        return bool(dead)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True
