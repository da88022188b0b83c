"""Performs deliveries: look up -> wait for the endpoint's turn -> render -> send -> write down how it went.

What follows an attempt (delivered, later, given up) is written in the script that acknowledges the queue entry.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from redis.exceptions import RedisError

from services.notify.adapters.cases import Case, Cases, Wanting
from services.notify.adapters.endpoints import Endpoints
from services.notify.adapters.mail_budget import MailBudget
from services.notify.adapters.renderer import Renderer, Unsendable
from services.notify.adapters.standing import Standing
from services.notify.core.channel import ChatSender, DeliveryError, MailSender, Sent, WebhookSender
from services.notify.core.lanes import Held, Lane, Lanes
from services.notify.core.outcome import (
    after_failure,
    after_success,
    cancelled,
    fallback_digest,
    has_failed_long_enough,
    is_for_fallback,
)
from shared import tracing
from shared.bus import Bus
from shared.consumer import Consumer
from shared.decision import silent_until
from shared.deliveries import DeliveryLog, after_attempt, hold, hold_for_digest, put_off
from shared.delivery import TO_FALLBACK, TOLD_BY_FALLBACK, Delivery
from shared.entries import Entry, Outcome, Rejected
from shared.redis_client import Command
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import ChatEndpoint, EmailEndpoint, Subscription, WebhookEndpoint, as_fallback

log = structlog.get_logger()

PAUSED_SECONDS = 300.0
NEWS = ("report", "digest")
"""What is sent only to an active subscription, and never in its quiet hours."""
LOOK_SECONDS = 0.25
ASKING_AT_ONCE = 20
RELEASED_EACH = 50


class Cancelled(Exception):
    """Nobody wants this delivery any more; the message says why."""


class Job(NamedTuple):
    """A delivery in this process's hands."""

    entry: Entry
    case: Case
    wanting: Wanting
    """The subscription as it is addressed."""
    consumer: Consumer


@dataclass
class Deliverer:
    """The handler of `deliveries.v1`."""

    bus: Bus
    subscriptions: SubscriptionStore
    deliveries: DeliveryLog
    cases: Cases
    renderer: Renderer
    webhooks: WebhookSender
    mails: MailSender
    chats: ChatSender
    endpoints: Endpoints
    lanes: Lanes[Job]
    schedule: tuple[float, ...]
    disable_after_days: float
    mail_budget: MailBudget
    # Hundreds of attempts may end at once: each would open a connection to Redis of its own.
    _asking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(ASKING_AT_ONCE))
    _refilling: set[str] = field(default_factory=set)
    _log: structlog.typing.FilteringBoundLogger = field(default_factory=lambda: log.bind())
    standing: Standing = field(init=False)

    def __post_init__(self) -> None:
        self.standing = Standing(self.subscriptions, self.deliveries, self._asking)

    async def on_deliveries(self, consumer: Consumer, entries: list[Entry]) -> None:
        """Look up what was read, and start what may be started; the rest waits for its endpoint's turn."""
        readable = [(entry, entry.fields[b"id"].decode()) for entry in entries if b"id" in entry.fields]
        for entry in entries:
            if b"id" not in entry.fields:
                consumer.handle(entry, _not_ours())
        cases = await self.cases.find([delivery for _, delivery in readable], time.monotonic())
        for (entry, _), case in zip(readable, cases, strict=True):
            self._receive(consumer, entry, case)
        self._start_what_may()

    async def look_after_those_who_wait(self) -> None:
        """Queue what is due, and let held deliveries go, for ever."""
        while True:
            now, moved = _now(), 0
            try:
                moved = await self.deliveries.queue_due(now)
                moved += await self.deliveries.release_due(now, RELEASED_EACH, LOOK_SECONDS)
            except RedisError as e:
                log.warning("those who wait are not looked after for now", error=str(e))
            await asyncio.sleep(0 if moved else LOOK_SECONDS)

    def _receive(self, consumer: Consumer, entry: Entry, case: Case | None) -> None:
        if case is None or _is_early(case.delivery):
            consumer.finish(entry, Outcome())
            return
        try:
            wanting = _as_addressed(case.delivery, _still_wanted(case.delivery, case.wanting))
        except Cancelled as e:
            consumer.finish(entry, self._written(cancelled(case.delivery, str(e), _now())))
            return
        if until := _silent_until(case.delivery, wanting, _now()):
            consumer.finish(entry, self._put_off(case.delivery, until))
            return
        job = Job(entry, case, wanting, consumer)
        held = self.lanes.put(self.endpoints.lane(wanting.subscription.channel), job, time.monotonic())
        if held:
            self._hold(held)

    def _start_what_may(self) -> None:
        while turn := self._next_turn():
            turn[1].consumer.run(self._work(turn))

    def _next_turn(self) -> tuple[Lane[Job], Job] | None:
        while isinstance(turn := self.lanes.next_turn(time.monotonic()), Held):
            self._hold(turn)
        return turn

    async def _work(self, turn: tuple[Lane[Job], Job] | None) -> None:
        """Perform a delivery, and the next that may start when it has ended: most need no task of their own."""
        while turn:
            lane, job = turn
            await job.consumer.perform(job.entry, self._perform(lane, job))
            if job.consumer.stopping:
                return
            turn = self._next_turn()
            self._start_what_may()

    def _hold(self, held: Held[Job]) -> None:
        until = time.time() + max(0.0, held.until - time.monotonic()) + LOOK_SECONDS
        for job in held.items:
            commands = hold(self.bus.names, held.lane.name, job.case.delivery.id, until)
            job.consumer.finish(job.entry, Outcome(commands))

    async def _perform(self, lane: Lane[Job], job: Job) -> Outcome:
        started, case, wanting = time.monotonic(), job.case, job.wanting
        try:
            if not self.cases.is_current(case, started):
                wanting = await self._wanting_now(case, started)
                if until := _silent_until(case.delivery, wanting, _now()):
                    return self._put_off(case.delivery, until)
            if until := await self._over_budget(wanting):
                return self._put_off(case.delivery, until)
            sent = await self._send(case, wanting)
            lane.succeeded()
        except DeliveryError as e:
            if e.only_this:
                lane.succeeded()
            else:
                lane.failed(started, time.monotonic(), random.random(), e.overloaded, e.retry_after)
            return await self._failed(lane, case, wanting.subscription, e, _milliseconds(started))
        except (Cancelled, Unsendable) as e:
            return self._written(cancelled(case.delivery, str(e), _now()))
        finally:
            self.lanes.done(lane)
            if not job.consumer.stopping:
                self._refill(lane)
        return await self._succeeded(lane, case, wanting.subscription, sent, _milliseconds(started))

    def _put_off(self, delivery: Delivery, until: datetime) -> Outcome:
        return Outcome(put_off(self.bus.names, delivery, until, _now()))

    async def _over_budget(self, wanting: Wanting) -> datetime | None:
        channel = wanting.subscription.channel
        if not isinstance(channel, EmailEndpoint):
            return None
        async with self._asking:
            seconds = await self.mail_budget.take(channel.address)
        return _now() + timedelta(seconds=seconds) if seconds else None

    async def _wanting_now(self, case: Case, now: float) -> Wanting:
        """The subscription as it is now: it may have been removed while the delivery waited."""
        wanting = await self.cases.wanting(case.delivery.subscription, now)
        return _as_addressed(case.delivery, _still_wanted(case.delivery, wanting))

    async def _send(self, case: Case, wanting: Wanting) -> Sent:
        channel, delivery = wanting.subscription.channel, case.delivery
        parent = case.telling.traceparent if case.telling else None
        with tracing.follow(
            "deliver", parent, delivery=delivery.id, channel=channel.type, attempt=delivery.attempts + 1
        ):
            if isinstance(channel, WebhookEndpoint):
                return await self.webhooks.send(await self.renderer.webhook(case, wanting), channel)
            if isinstance(channel, ChatEndpoint):
                return await self.chats.send(await self.renderer.chat(case, wanting), channel)
            return await self.mails.send(await self.renderer.mail(case, wanting), channel)

    async def _succeeded(
        self, lane: Lane[Job], case: Case, subscription: Subscription, sent: Sent, duration_ms: int
    ) -> Outcome:
        if case.delivery.kind == "confirm" and not isinstance(subscription.channel, EmailEndpoint):
            await (self.standing.confirm_fallback if case.delivery.to_fallback else self.standing.activate)(
                subscription
            )
        if sent.enough:
            await self.standing.disable(
                subscription, "the endpoint asked for nothing more (webhook-delivery: disable)"
            )
        if case.telling and case.delivery.kind == "report" and not case.delivery.attempts:
            seen = case.telling.tagged.report.fetched_at
            seconds = (_now() - seen).total_seconds()
            self.bus.counters.observe("delivered_seconds", [seconds], channel=subscription.channel.type)
        delivered = after_success(case.delivery, sent, _now(), duration_ms)
        return self._written(delivered, subscription.channel.type, self.endpoints.after_success(lane))

    async def _failed(
        self, lane: Lane[Job], case: Case, subscription: Subscription, error: DeliveryError, duration_ms: int
    ) -> Outcome:
        now = _now()
        failed = after_failure(case.delivery, self.schedule, error, now, random.random(), duration_ms)
        more: list[Command] = []
        if error.gone and case.delivery.kind != "move_to":
            await self.standing.disable(subscription, f"the endpoint is gone: {error}")
        elif case.delivery.kind == "confirm":
            await self.standing.explain_pending(subscription.id, str(error))
        elif not isinstance(subscription.channel, EmailEndpoint) and not case.delivery.to_fallback:
            async with self._asking:
                since = datetime.fromtimestamp(await self.endpoints.failing_since(lane, now.timestamp()), UTC)
            if has_failed_long_enough(since, now, timedelta(days=self.disable_after_days)):
                reason = f"every attempt since {since:%d %B %Y} has failed; the last: {error}"
                await self.standing.disable(subscription, reason)
            if is_for_fallback(failed, subscription, since, now):
                failed, more = self._told_late(failed, subscription, now)
        return self._written(failed, subscription.channel.type, more)

    def _told_late(
        self, delivery: Delivery, subscription: Subscription, now: datetime
    ) -> tuple[Delivery, list[Command]]:
        """The delivery, noted, and what puts it into the next digest to the second channel."""
        digest, due = fallback_digest(subscription, now)
        commands = hold_for_digest(
            self.bus.names, delivery.id, digest, due, f"{subscription.id} {TO_FALLBACK}"
        )
        return replace(delivery, note=TOLD_BY_FALLBACK), commands

    def _written(self, delivery: Delivery, channel: str = "none", more: Sequence[Command] = ()) -> Outcome:
        attempt = delivery.log[0]
        self.bus.counters.add("attempts", outcome=attempt.outcome, channel=channel)
        # A line for each of thousands a second is for whoever looks for one; what went wrong is for everybody.
        say = self._log.debug if attempt.outcome == "delivered" else self._log.info
        say(
            attempt.outcome,
            delivery=delivery.id,
            report=delivery.report,
            subscription=delivery.subscription,
            attempt=delivery.attempts,
            detail=attempt.detail,
        )
        return Outcome([*after_attempt(self.bus.names, delivery), *more])

    def _refill(self, lane: Lane[Job]) -> None:
        """Let held deliveries of an endpoint go as soon as it has taken what waited here."""
        room = self.lanes.room(lane)
        if (
            lane.held
            and room > len(lane.queue)
            and lane.opens_at(0) <= time.monotonic()
            and lane.name not in self._refilling
        ):
            self._refilling.add(lane.name)
            asyncio.create_task(self._let_go(lane, room))  # noqa: RUF006

    async def _let_go(self, lane: Lane[Job], room: int) -> None:
        with suppress(RedisError):
            async with self._asking:
                lane.held = await self.deliveries.release(lane.name, room) == room
        self._refilling.discard(lane.name)


async def _not_ours() -> Outcome:
    raise Rejected("the entry has no field 'id': it is not ours")


def _is_early(delivery: Delivery) -> bool:
    """Whether it waits for another moment: it was queued twice."""
    return bool(delivery.next_attempt_at and delivery.next_attempt_at > _now() + timedelta(seconds=1))


def _silent_until(delivery: Delivery, wanting: Wanting, now: datetime) -> datetime | None:
    """Until when news waits: its subscription is paused, or has its quiet hours."""
    if delivery.kind not in NEWS:
        return None
    if wanting.subscription.state == "paused":
        return now + timedelta(seconds=PAUSED_SECONDS)
    return silent_until(wanting.subscription.schedule, now)


def _still_wanted(delivery: Delivery, wanting: Wanting | None) -> Wanting:
    if wanting is None:
        raise Cancelled("the subscription was removed")
    state = wanting.subscription.state
    if delivery.to_fallback:
        return wanting
    if delivery.kind in NEWS and state not in ("active", "paused"):
        raise Cancelled(f"the subscription is {state}")
    if delivery.kind == "confirm" and state != "pending":
        raise Cancelled("the subscription is confirmed already")
    return wanting


def _as_addressed(delivery: Delivery, wanting: Wanting) -> Wanting:
    """The subscription with the channel that this delivery goes to; raise Cancelled if there is none any more."""
    if delivery.kind == "move_to" and (move := wanting.subscription.move):
        # The one message that goes to an address before it is the subscription's.
        moved = wanting.subscription.model_copy(update={"channel": move.channel})
        return Wanting(moved, wanting.compiled, wanting.wish)
    if not delivery.to_fallback:
        return wanting
    subscription = as_fallback(wanting.subscription)
    if subscription is None or (delivery.kind == "confirm" and subscription.fallback_confirmed):
        raise Cancelled("the second channel has answered already, or is gone")
    return Wanting(subscription, wanting.compiled, wanting.wish)


def _now() -> datetime:
    return datetime.now(UTC)


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
