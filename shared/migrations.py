"""Steps from one layout of the keys to the next. Each may be killed in its middle, and run again."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.deliveries import OWED_SECONDS, wait_for
from shared.delivery import Attempt, Delivery, written
from shared.names import Names
from shared.redis_client import Command, RedisClient, at_once


async def deliveries_as_strings(redis: RedisClient, names: Names) -> int:
    """Layout 2: a delivery with its log is one string, a subscription's log a list; what waits is listed by moment."""
    changed = 0
    beginning = names.delivery_of_layout_1("")
    async for key in redis.scan_iter(match=names.found_by("delivery:"), count=1000, _type="hash"):
        delivery_id = key.decode().removeprefix(beginning)
        await _rewrite_delivery(redis, names, delivery_id)
        changed += 1
    async for key in redis.scan_iter(match=names.found_by("deliveries:"), count=1000, _type="zset"):
        if key.decode() != names.deliveries_later:
            ids = await redis.zrevrange(key, 0, -1)
            await at_once(redis, ("DEL", key), ("RPUSH", key, *ids), ("EXPIRE", key, OWED_SECONDS))
            changed += 1
    return changed


async def _rewrite_delivery(redis: RedisClient, names: Names, delivery_id: str) -> None:
    old, attempts = names.delivery_of_layout_1(delivery_id), names.attempts_of_layout_1(delivery_id)
    row = {name.decode(): value.decode() for name, value in (await redis.hgetall(old)).items()}
    log = [_attempt(json.loads(raw)) for raw in await redis.lrange(attempts, 0, -1)]
    delivery = _delivery(delivery_id, row, log)
    life = max(1, await redis.ttl(old))
    commands: list[Command] = [
        ("SET", names.delivery(delivery_id), written(delivery), "EX", life),
        ("ZREM", names.deliveries_later, delivery_id),
        ("DEL", old),
        ("DEL", attempts),
    ]
    if delivery.state == "pending" and delivery.next_attempt_at:
        commands += wait_for(names, delivery)
    await at_once(redis, *commands)


def _delivery(delivery_id: str, row: Mapping[str, str], log: list[Attempt]) -> Delivery:
    kind: Any = row["kind"]
    state: Any = row["state"]
    return Delivery(
        id=delivery_id,
        kind=kind,
        subscription=row["subscription"],
        created_at=_moment(row["created"]),
        report=row["report"] or None,
        state=state,
        attempts=int(row["attempts"]),
        next_attempt_at=_moment(row["next"]) if row["next"] else None,
        log=tuple(log),
    )


def _attempt(row: Mapping[str, Any]) -> Attempt:
    return Attempt(
        at=datetime.fromisoformat(row["at"]),
        outcome=row["outcome"],
        detail=row["detail"],
        status=row["status"],
        duration_ms=row["duration_ms"],
    )


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
