"""Where deliveries are kept: what is owed to whom, and how each attempt went.

A delivery is a small hash; only its id goes through the stream `deliveries.v1`. What is due later waits in a sorted
set, so that nothing sleeps in a worker. api owes test messages and reads the log; notify does the rest.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from shared.bus import Bus, Command, xadd
from shared.delivery import Attempt, Delivery
from shared.names import Names

KEPT_SECONDS = 30 * 86400
KEPT_PER_SUBSCRIPTION = 1000
DIGEST_SECONDS = 7 * 86400
"""How long a digest that was built is kept for further attempts."""
ATTEMPTS_KEPT = 50
CHUNK = 200


class DeliveryLog:
    """Owes deliveries, and reads what became of them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._names = bus.names

    async def owe(self, deliveries: Sequence[Delivery]) -> int:
        """Write and queue deliveries that are not owed yet; return how many were new.

        Each chunk is one script, and a delivery that exists is left alone: a crash in the middle is mended by
        doing it all again.
        """
        new = 0
        for at in range(0, len(deliveries), CHUNK):
            chunk = deliveries[at : at + CHUNK]
            keys = [self._names.deliveries]
            args: list[str | int] = [KEPT_SECONDS, KEPT_PER_SUBSCRIPTION]
            for delivery in chunk:
                keys += [self._names.delivery(delivery.id), self._names.deliveries_of(delivery.subscription)]
                args += [delivery.id, int(delivery.created_at.timestamp()), json.dumps(_fields(delivery))]
            new += int(await self._bus.script("owe")(keys=keys, args=args))
        return new

    async def get(self, delivery_id: str) -> Delivery | None:
        raw = await self._bus.redis.hgetall(self._names.delivery(delivery_id))
        return read_delivery(raw)

    async def newest(self, subscription_id: str, limit: int = 50) -> list[tuple[Delivery, list[Attempt]]]:
        """Return the newest deliveries of a subscription, each with its attempts, newest first."""
        ids = await self._bus.redis.zrevrange(self._names.deliveries_of(subscription_id), 0, limit - 1)
        pipe = self._bus.redis.pipeline(transaction=False)
        for raw_id in ids:
            pipe.hgetall(self._names.delivery(raw_id.decode()))
            pipe.lrange(self._names.attempts_of(raw_id.decode()), 0, -1)
        rows = await pipe.execute()
        found = []
        for raw, attempts in zip(rows[::2], rows[1::2], strict=True):
            delivery = read_delivery(raw)
            if delivery:
                found.append((delivery, [Attempt.model_validate_json(each) for each in attempts]))
        return found

    async def retry_now(self, delivery: Delivery) -> None:
        """Queue a delivery again from the start of its schedule, whatever became of it."""
        again = delivery.model_copy(update={"state": "pending", "attempts": 0, "next_attempt_at": None})
        pipe = self._bus.redis.pipeline(transaction=True)
        for command in (*_written(self._names, again), xadd(self._names.deliveries, _queued(delivery))):
            pipe.execute_command(*command)
        pipe.zrem(self._names.deliveries_later, delivery.id)
        await pipe.execute()

    async def queue_due(self, now: datetime, limit: int = 500) -> int:
        """Move deliveries whose time has come to the stream; return how many."""
        keys = [self._names.deliveries_later, self._names.deliveries]
        args: list[str | int | float] = [now.timestamp(), limit, self._names.delivery("")]
        return int(await self._bus.script("queue_due")(keys=keys, args=args))


def after_attempt(names: Names, delivery: Delivery, attempt: Attempt) -> list[Command]:
    """Return what is written with the acknowledgement of an attempt."""
    commands = _written(names, delivery)
    attempts = names.attempts_of(delivery.id)
    commands += [
        ("LPUSH", attempts, attempt.model_dump_json()),
        ("LTRIM", attempts, 0, ATTEMPTS_KEPT - 1),
        ("EXPIRE", attempts, KEPT_SECONDS),
    ]
    if delivery.kind == "digest" and delivery.state == "delivered":
        commands.append(("DEL", names.digest_content(delivery.id)))
    if delivery.next_attempt_at:
        commands.append(("ZADD", names.deliveries_later, delivery.next_attempt_at.timestamp(), delivery.id))
    return commands


def put_off(names: Names, delivery: Delivery, until: datetime) -> list[Command]:
    """Return what makes a delivery wait without counting as an attempt: its endpoint is busy."""
    return [("ZADD", names.deliveries_later, until.timestamp(), delivery.id)]


def _written(names: Names, delivery: Delivery) -> list[Command]:
    key = names.delivery(delivery.id)
    flat = [part for pair in _fields(delivery).items() for part in pair]
    return [("HSET", key, *flat), ("EXPIRE", key, KEPT_SECONDS)]


def _queued(delivery: Delivery) -> dict[str, str]:
    """What a queue entry says: enough to look everything up in one round trip."""
    return {"id": delivery.id, "subscription": delivery.subscription, "report": delivery.report or ""}


def _fields(delivery: Delivery) -> dict[str, str | int]:
    return {
        "kind": delivery.kind,
        "subscription": delivery.subscription,
        "report": delivery.report or "",
        "state": delivery.state,
        "attempts": delivery.attempts,
        "created": f"{delivery.created_at.timestamp():.3f}",
        "next": f"{delivery.next_attempt_at.timestamp():.3f}" if delivery.next_attempt_at else "",
        "id": delivery.id,
    }


def read_delivery(raw: Mapping[bytes, bytes]) -> Delivery | None:
    """Return the delivery in a hash, or None if the hash is empty."""
    if not raw:
        return None
    row = {name.decode(): value.decode() for name, value in raw.items()}
    return Delivery.model_validate(
        {
            "id": row["id"],
            "kind": row["kind"],
            "subscription": row["subscription"],
            "report": row["report"] or None,
            "state": row["state"],
            "attempts": int(row["attempts"]),
            "created_at": _moment(row["created"]),
            "next_attempt_at": _moment(row["next"]) if row["next"] else None,
            "decision": row.get("decision", "now"),
            "digest": row.get("digest") or None,
            "refers_to": row.get("refers_to") or None,
            "story": row.get("story"),
            "is_update": row.get("is_update") == "1",
        }
    )


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
