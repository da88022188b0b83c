"""The shell of every service: wait for Redis, start, watch, stop in order.

Nothing happens on import; `services/*/app.py` builds an `App` in `make_app(settings)`, and `App.run` runs it until
SIGTERM or SIGINT. A part that dies takes the process down (all state is in Redis, so a restart is the repair), and
an event loop that stands still for a minute does the same: a dead consumer never looks healthy.
"""

import asyncio
import faulthandler
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Any

import structlog
from redis.exceptions import RedisError

from shared import tracing
from shared.bus import Bus
from shared.consumer import BatchHandler, Consumer
from shared.layout import LAYOUT, bring_up_to_date, refuse_newer
from shared.maintenance import PAUSED, is_paused
from shared.neighbours import Neighbours, consumer_name
from shared.settings import ServiceSettings, SettingsError

log = structlog.get_logger()

BEAT_SECONDS = 2.0
FORGET_INSTANCES = 3600
STUCK_AFTER = 60
SILENT_AFTER = 60.0
HOUSEKEEPING_SECONDS = 60.0
NEIGHBOURS_SECONDS = 0.25

Background = Callable[[], Awaitable[None]]


class ConsumerStalled(Exception):
    """A consumer has stopped reading although nothing told it to."""


class App:
    """One service: its bus, its consumers, its background work and what it holds open.

    `silent_after`: a consumer that has not read for so many seconds ends the process. `beat_seconds`: how often it
    says that it lives, and looks whether it is paused.
    """

    silent_after = SILENT_AFTER
    beat_seconds = BEAT_SECONDS

    def __init__(self, name: str, settings: ServiceSettings) -> None:
        self.name = name
        self.settings = settings
        self.bus = Bus(
            settings.require_redis_url(),
            settings.names,
            consumer_name(),
            reclaim_after=settings.reclaim_after,
            max_deliveries=settings.max_deliveries,
            retention_seconds=settings.retention_seconds,
        )
        self._instance = f"{name} {self.bus.consumer}"
        self._neighbours = Neighbours(settings.names, self.bus.consumer)
        self._trimmed: list[str] = []
        self._background: list[Background] = []
        self._resources: list[Callable[[], AbstractAsyncContextManager[object]]] = []
        self._stop = asyncio.Event()

    def consume(self, stream: str, handler: BatchHandler, *, batch: int = 100) -> Consumer:
        """Register a handler of whole reads (`side_by_side`); the consumer group is the service's name."""
        return Consumer(self.bus, stream, self.name, handler, batch)

    def trim(self, stream: str) -> None:
        """Drop old entries of a stream now and then; those of a consumer's stream are dropped anyway."""
        self._trimmed.append(stream)

    def background(self, work: Background) -> None:
        """Run a coroutine function beside the consumers; it is cancelled at the end."""
        self._background.append(work)

    def resource(self, make: Callable[[], AbstractAsyncContextManager[object]]) -> None:
        """Hold a context open, from after Redis is there until everything has stopped."""
        self._resources.append(make)

    def stop(self) -> None:
        """Ask the app to end; `run` returns when it has."""
        self._stop.set()

    async def run(self) -> None:
        """Run until told to stop; raise what killed a part of it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        connecting = asyncio.create_task(self._prepare())
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({connecting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            connecting.cancel()
            return
        await connecting
        tracing.begin(self.name, self.settings.otlp_endpoint)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, tracing.end)
            stack.push_async_callback(self.bus.close)
            await self._rest_while_paused(stopped)
            if not stopped.done():
                await self._work(stopped)
            # Resumed, it ends, and whoever keeps it starts it anew.
            await self._rest_while_paused(stopped)
        log.info("stopped", service=self.name)

    async def _work(self, stopped: "asyncio.Task[Any]") -> None:
        async with AsyncExitStack() as stack:
            for make in self._resources:
                await stack.enter_async_context(make())
            await self._run_parts(stopped)

    async def _rest_while_paused(self, stopped: "asyncio.Task[Any]") -> None:
        """Show that we live and have nothing in hand, until resumed or told to stop."""
        redis, names = self.bus.redis, self.settings.names
        resting, rests = f"{self._instance} {PAUSED}", False
        while not stopped.done():
            with suppress(RedisError):
                if not await is_paused(redis, names, self.name):
                    break
                if not rests:
                    log.warning("paused", service=self.name, go_on=f"tocsin admin resume {self.name}")
                rests = True
                await redis.zadd(names.instances, {resting: time.time()})
            if not rests:
                return
            self._touch()
            await asyncio.wait({stopped}, timeout=self.beat_seconds)
        if rests:
            with suppress(RedisError):
                await redis.zrem(names.instances, resting)

    async def _prepare(self) -> None:
        await self.bus.connect()
        await bring_up_to_date(self.bus.redis, self.bus.names)

    async def _run_parts(self, stopped: "asyncio.Task[Any]") -> None:
        for consumer in self.bus.consumers:
            await consumer.ensure_group()
        await self.bus.show_life()
        if self.bus.consumers:
            await self.bus.broker.start()
        parts: set[asyncio.Future[None]] = {asyncio.ensure_future(work()) for work in self._background}
        parts.add(asyncio.ensure_future(self._beat()))
        parts.add(asyncio.ensure_future(self._housekeeping()))
        parts.add(asyncio.ensure_future(self._watch_neighbours()))
        parts |= {asyncio.ensure_future(self._reclaiming(consumer)) for consumer in self.bus.consumers}
        log.info("started", service=self.name, consumer=self.bus.consumer)
        try:
            await asyncio.wait({stopped, *parts}, return_when=asyncio.FIRST_COMPLETED)
            for part in parts:
                if part.done():
                    part.result()
        finally:
            await self._wind_down(parts)

    async def _wind_down(self, parts: "set[asyncio.Future[None]]") -> None:
        faulthandler.cancel_dump_traceback_later()
        for consumer in self.bus.consumers:
            consumer.stopping = True
        # Once is not enough: redis-py may turn a cancellation into a connection error, which a loop survives.
        while parts:
            for part in parts:
                part.cancel()
            _, parts = await asyncio.wait(parts, timeout=1)
        for consumer in self.bus.consumers:
            await consumer.stop()
        with suppress(RedisError, TimeoutError):
            # Without Redis nothing can be handed back; it is reclaimed later.
            async with asyncio.timeout(self.bus.patience):
                for consumer in self.bus.consumers:
                    await consumer.hand_back()
                await self.bus.redis.zrem(self.settings.names.instances, self._instance)

    async def _beat(self) -> None:
        """Say that we live: to Redis, to the health check's file, and to the timer that ends a stuck process.

        Ends when the service is paused, and all parts end with it.
        """
        while True:
            faulthandler.dump_traceback_later(STUCK_AFTER, exit=True)
            for consumer in self.bus.consumers:
                if consumer.silent_for > self.silent_after:
                    raise ConsumerStalled(
                        f"{consumer.stream} has not been read for {consumer.silent_for:.0f} s"
                    )
            try:
                await self._show_life()
                if await is_paused(self.bus.redis, self.settings.names, self.name):
                    return
            except RedisError as e:
                # Full, read-only, away: it is waited for, and no restart of ours would help.
                log.warning("no sign of life: redis failed", error=str(e))
            await asyncio.sleep(self.beat_seconds)

    async def _show_life(self) -> None:
        for consumer in self.bus.consumers:
            await consumer.revive()
        await self.bus.show_life()
        await self.bus.counters.flush(self.bus.redis)
        now = time.time()
        pipe = self.bus.redis.pipeline(transaction=False)
        pipe.zadd(self.settings.names.instances, {self._instance: now})
        pipe.zremrangebyscore(self.settings.names.instances, "-inf", now - FORGET_INSTANCES)
        # Somebody newer may have changed the keys while we stood still, or Redis have lost them all.
        pipe.set(self.settings.names.layout, LAYOUT, nx=True)
        pipe.get(self.settings.names.layout)
        pipe.zrange(self.settings.names.instances, 0, -1)
        *_, layout, instances = await pipe.execute()
        self._neighbours.learn(instances)
        refuse_newer(int(layout or 0))
        self._touch()

    def _touch(self) -> None:
        if self.settings.alive_file:
            self.settings.alive_file.touch()

    async def _watch_neighbours(self) -> None:
        while True:
            with suppress(RedisError):
                if await self._neighbours.bury(self.bus.redis):
                    for consumer in self.bus.consumers:
                        await consumer.reclaim()
            await asyncio.sleep(NEIGHBOURS_SECONDS)

    async def _reclaiming(self, consumer: Consumer) -> None:
        while True:
            try:
                full = await consumer.reclaim() >= consumer.batch
            except RedisError as e:
                # The group may be gone for a moment; `revive` makes it anew.
                log.warning("reclaim failed", stream=consumer.stream, error=str(e))
                full = False
            await asyncio.sleep(0 if full else min(1.0, self.bus.reclaim_after / 3))

    async def _housekeeping(self) -> None:
        while True:
            with suppress(RedisError):
                for consumer in self.bus.consumers:
                    await consumer.forget_the_dead()
                for stream in (*self._trimmed, *(consumer.stream for consumer in self.bus.consumers)):
                    await self.bus.trim(stream, OUR_GROUPS)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)


OUR_GROUPS = ("ingest", "classify", "notify", "api")


def configure_logging(settings: ServiceSettings, service: str) -> None:
    """Log one event a line with fields, to standard output: for people, or as JSON."""
    renderer = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), pad_event_to=28)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
    )
    structlog.contextvars.bind_contextvars(service=service)


def run_app(app: App) -> None:
    """Run an app to its end in this process; raise SystemExit(1) if a part of it died."""
    runner = _runner()
    try:
        runner(app.run())
    except SettingsError:
        # Only a person can mend it: the caller says it in one line.
        raise
    except Exception as e:
        log.critical("died", service=app.name, error=f"{type(e).__name__}: {e}", exc_info=True)
        raise SystemExit(1) from e


def _runner() -> Callable[[Awaitable[None]], object]:
    try:
        import uvloop
    except ImportError:  # no uvloop on Windows
        return asyncio.run  # type: ignore[return-value]
    return uvloop.run  # type: ignore[return-value]
