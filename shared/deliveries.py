"""Where deliveries are kept: what is owed to whom, and how each attempt went.

A delivery is one small string with its log; only its id goes through the stream `deliveries.v1`. What is due later
waits in a list for its moment, and what its endpoint cannot take now in a list of the endpoint, so that nothing sleeps
in a worker, and a million that wait cost what their records cost. api owes tests and reads the log; notify does
the rest.
"""

import hashlib
import math
import time
from collections.abc import Sequence
from datetime import datetime

from shared.bus import Bus
from shared.delivery import TO_FALLBACK, Delivery, owed_message, read, written
from shared.entries import xadd
from shared.names import Names
from shared.redis_client import Argument, Command
from shared.subscriptions import Subscription

OWED_SECONDS = 30 * 86400
"""Longer than anything is tried or held back. What is settled is kept as long as reports are (`Bus.kept_seconds`)."""
KEPT_PER_SUBSCRIPTION = 1000
DIGEST_SECONDS = 7 * 86400
# What falls off a subscription's log may still be waiting for its last attempt.
KEPT_OFF_THE_LOG_SECONDS = 5 * 86400
CHUNK = 200
# Learnt anew once a minute: nothing that has become wrong stays.
WAITS_SECONDS = 60
WELL_AGAIN_SECONDS = 1.0

# A delivery that waits is at most this much late: a list for each moment would cost more than what is in it.
_GRAINS = ((10.0, 0.1), (3600.0, 1.0), (math.inf, 10.0))


Waiting = tuple[str, str, str, float, str]
"""An entry of the stream, its delivery, the endpoint that it waits for, when that is looked at again (s), and the
subscription whose next reports wait there as well; empty if they are to come here."""


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
            keys = [
                self._names.deliveries,
                self._names.delivery(""),
                self._names.waits,
                self._names.endpoints_held,
                self._names.held(""),
            ]
            args: list[Argument] = [OWED_SECONDS, KEPT_PER_SUBSCRIPTION, KEPT_OFF_THE_LOG_SECONDS]
            for delivery in deliveries[at : at + CHUNK]:
                keys.append(self._names.deliveries_of(delivery.subscription))
                args += [delivery.id, written(delivery)]
            new += int(await self._bus.script("owe")(keys=keys, args=args))
        return new

    async def get(self, delivery_id: str) -> Delivery | None:
        return read(delivery_id, await self._bus.redis.get(self._names.delivery(delivery_id)))

    async def many(self, ids: Sequence[str]) -> list[Delivery | None]:
        """Return the deliveries with these ids, None for those that are not there."""
        if not ids:
            return []
        rows = await self._bus.redis.mget([self._names.delivery(each) for each in ids])
        return [read(each, raw) for each, raw in zip(ids, rows, strict=True)]

    async def newest(self, subscription_id: str, limit: int = 50) -> list[Delivery]:
        """Return the newest deliveries of a subscription, the newest first; all of them if the limit is negative."""
        last = limit - 1 if limit >= 0 else -1
        ids = await self._bus.redis.lrange(self._names.deliveries_of(subscription_id), 0, last)
        return [found for found in await self.many([raw.decode() for raw in ids]) if found]

    async def retry_now(self, deliveries: Sequence[Delivery], endpoint: str = "") -> None:
        """Queue deliveries again from the start of their schedule, whatever became of them.

        Those that are pending may wait for an endpoint (`endpoint_id`); one that is queued already stays as it is.
        """
        keys = [self._names.deliveries, self._names.held(endpoint)]
        for at in range(0, len(deliveries), CHUNK):
            args: list[Argument] = [OWED_SECONDS]
            for delivery in deliveries[at : at + CHUNK]:
                waits = delivery.next_attempt_at is not None
                args += (
                    delivery.id,
                    self._names.delivery(delivery.id),
                    written(delivery.anew()),
                    self._names.later_at(_moment_of(delivery)) if waits else "",
                    int(delivery.state == "pending"),
                )
            await self._bus.script("retry")(keys=keys, args=args)

    async def queue_due(self, now: datetime, limit: int = 1000) -> int:
        """Move deliveries whose time has come to the stream; return how many."""
        keys = [self._names.deliveries_later, self._names.deliveries, self._names.later_at("")]
        return int(await self._bus.script("queue_due")(keys=keys, args=[now.timestamp(), limit]))

    async def hold(self, group: str, waiting: Sequence[Waiting]) -> int:
        """Acknowledge entries of the stream, and have their deliveries wait for endpoints; return how many.

        What another process has settled by then is left alone. An endpoint that is well elsewhere is looked at soon,
        and keeps nothing that comes next waiting.
        """
        keys = [self._names.deliveries, self._names.endpoints_held, self._names.held("")]
        keys += [self._names.waits, self._names.well("")]
        args: list[Argument] = [group, WAITS_SECONDS, time.time() + WELL_AGAIN_SECONDS]
        for row in waiting:
            args += row
        return int(await self._bus.script("hold")(keys=keys, args=args))

    async def release_due(self, now: datetime, each: int, again_after: float, limit: int = 1000) -> int:
        """Move up to `each` held deliveries of every endpoint whose turn has come to the stream; return how many.

        When it is about `limit`, the others wait for the next time; an endpoint's next turn is `again_after` seconds
        later.
        """
        keys = [self._names.endpoints_held, self._names.deliveries, self._names.held("")]
        args = [now.timestamp(), each, again_after, limit]
        return int(await self._bus.script("release_due")(keys=keys, args=args))

    async def release(self, endpoint: str, at_most: int) -> int:
        """Move held deliveries of one endpoint to the stream; return how many."""
        keys = [self._names.held(endpoint), self._names.deliveries, self._names.endpoints_held]
        return int(await self._bus.script("release")(keys=keys, args=[at_most, endpoint]))

    async def waiting(self) -> int:
        """Return how many deliveries wait for a moment or for their endpoint."""
        keys = [
            self._names.deliveries_later,
            self._names.later_at(""),
            self._names.endpoints_held,
            self._names.held(""),
        ]
        return int(await self._bus.script("count_waiting")(keys=keys))


def owed_notice(subscription: Subscription) -> list[Delivery]:
    """Return what tells the second channel, if it has answered, why the first was switched off; else nothing."""
    if subscription.state != "disabled" or not subscription.fallback or not subscription.fallback_confirmed:
        return []
    unique, note = f"{subscription.changed_at:%Y-%m-%dT%H:%M}", f"{TO_FALLBACK}: {subscription.reason}"
    return [owed_message("notice", subscription.id, unique, subscription.changed_at, note)]


def endpoint_id(address: str) -> str:
    """sha256(address): names an endpoint in keys without telling its address."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def after_attempt(names: Names, delivery: Delivery, kept: int, more: Sequence[Command] = ()) -> list[Command]:
    """Return what is written with the acknowledgement of an attempt; `more` goes along.

    What is settled by it is kept for so many seconds.
    """
    commands = [
        _write(names, delivery, kept if delivery.state not in ("pending", "held") else OWED_SECONDS),
        *more,
    ]
    if delivery.kind == "digest" and delivery.state == "delivered":
        commands.append(("DEL", names.digest_content(delivery.id)))
    if delivery.next_attempt_at:
        commands += wait_for(names, delivery)
    return commands


def wait_for(names: Names, delivery: Delivery) -> list[Command]:
    """Return what makes a delivery wait for its next attempt."""
    return _wait(names, delivery.id, _moment_of(delivery))


def put_off(names: Names, delivery: Delivery, until: datetime, now: datetime) -> list[Command]:
    """Return what makes a delivery wait without counting as an attempt."""
    return _wait(names, delivery.id, _moment(until, (until - now).total_seconds()))


def queue_again(names: Names, delivery_id: str) -> list[Command]:
    """Return what queues a delivery for whatever endpoint it has by now."""
    return [xadd(names.deliveries, {"id": delivery_id})]


def hold(names: Names, waiting: Waiting) -> list[Command]:
    """Return what makes a delivery wait for its endpoint, to be written with the acknowledgement of its entry."""
    _, delivery_id, endpoint, until, _ = waiting
    return [
        ("RPUSH", names.held(endpoint), delivery_id),
        ("ZADD", names.endpoints_held, "LT", until, endpoint),
    ]


def rewritten(names: Names, delivery: Delivery) -> Command:
    """Return what keeps a delivery that waits as it is now."""
    return _write(names, delivery)


def hold_for_digest(
    names: Names, delivery_id: str, digest: str, due: datetime, subscription_and_note: str
) -> list[Command]:
    """Return what puts a delivery into a digest, and has the digest made when it is due."""
    return [
        ("RPUSH", names.digest(digest), delivery_id),
        ("EXPIRE", names.digest(digest), DIGEST_SECONDS),
        ("ZADD", names.digests_due, int(due.timestamp()), f"{digest} {subscription_and_note}"),
    ]


def _write(names: Names, delivery: Delivery, kept: int = OWED_SECONDS) -> Command:
    # Not if it is gone: its subscription was removed, perhaps, while it was on its way.
    return ("SET", names.delivery(delivery.id), written(delivery), "EX", kept, "XX")


def _wait(names: Names, delivery_id: str, moment: str) -> list[Command]:
    return [
        ("RPUSH", names.later_at(moment), delivery_id),
        ("ZADD", names.deliveries_later, moment, moment),
    ]


def _moment_of(delivery: Delivery) -> str:
    due, last = delivery.next_attempt_at, delivery.log[0].at if delivery.log else delivery.created_at
    assert due is not None
    return _moment(due, (due - last).total_seconds())


def _moment(due: datetime, wait: float) -> str:
    # In tenths of a second, as the record keeps both times: whoever reads it finds the same list.
    grain = next(grain for limit, grain in _GRAINS if round(wait, 1) <= limit)
    return f"{math.ceil(round(round(due.timestamp(), 1) / grain, 3)) * grain:.1f}"
