"""The version of the keys: what is older is brought up to date at the start of a service, what is newer is refused.

A change of layout is a function in `STEPS`. A step may be run again from anywhere in its middle: whoever brings keys up
to date may be killed. It begins only when nobody is at work who knows the older layout alone: a rolling update of such
a release waits for the processes of the one before to end, and loses nothing meanwhile, as all is in the streams.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable

import structlog

from shared.migrations import deliveries_as_strings
from shared.names import Names
from shared.redis_client import RedisClient, at_once
from shared.settings import SettingsError

log = structlog.get_logger()

STEPS: tuple[Callable[[RedisClient, Names], Awaitable[int]], ...] = (deliveries_as_strings,)
"""The first leads from layout 1 to 2, and so on. Each returns how many keys it changed."""
LAYOUT = 1 + len(STEPS)
LOCK_SECONDS = 60
ALIVE_SECONDS = 15
"""A process says every two seconds that it lives; one that was silent for so long is gone."""


class NewerLayout(SettingsError):
    """The keys were written by a newer Tocsin. The message says what to do."""


async def layout_of(redis: RedisClient, names: Names) -> int | None:
    """Return the version of the keys; None if there are none, or of the time before they had one."""
    found = await redis.get(names.layout)
    return int(found) if found else None


def refuse_newer(found: int | None) -> None:
    """Raise NewerLayout if keys are of a version that this Tocsin does not know."""
    if found and found > LAYOUT:
        raise NewerLayout(
            f"the keys in Redis are of layout {found}, and this Tocsin knows up to {LAYOUT}: start the newer one "
            "again, or restore a backup of this one's into an empty Redis (docs/runbook.md, Going back)"
        )


async def bring_up_to_date(redis: RedisClient, names: Names, *, alive_seconds: float = ALIVE_SECONDS) -> None:
    """Return when the keys are of our layout; raise NewerLayout.

    One process changes them, the others wait for it.
    """
    token = secrets.token_hex(8)
    while (found := await layout_of(redis, names)) != LAYOUT:
        refuse_newer(found)
        if working := await _at_work(redis, names, alive_seconds):
            log.warning("waiting for the processes of an older release to end", processes=working)
        elif await redis.set(names.layout_lock, token, nx=True, ex=LOCK_SECONDS):
            await _change(redis, names, found or 1, token)
            return
        await asyncio.sleep(0.5)


async def _at_work(redis: RedisClient, names: Names, seconds: float) -> int:
    return int(await redis.zcount(names.instances, time.time() - seconds, "+inf"))


async def _change(redis: RedisClient, names: Names, found: int, token: str) -> None:
    keeping = asyncio.create_task(_keep(redis, names, token))
    try:
        for version in range(found, LAYOUT):
            changed = await STEPS[version - 1](redis, names)
            await redis.set(names.layout, version + 1)
            if changed:
                log.info("keys brought up to date", layout=version + 1, changed=changed)
    finally:
        keeping.cancel()
        await redis.delete(names.layout_lock)


async def _keep(redis: RedisClient, names: Names, token: str) -> None:
    while True:
        await asyncio.sleep(LOCK_SECONDS / 4)
        await at_once(redis, ("SET", names.layout_lock, token, "EX", LOCK_SECONDS))
