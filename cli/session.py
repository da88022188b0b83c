"""What every subcommand that talks to a running installation needs: its Redis, and how to fail."""

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from shared.bus import Bus
from shared.layout import layout_of, refuse_newer
from shared.neighbours import consumer_name
from shared.settings import ServiceSettings, load

T = TypeVar("T")
P = ParamSpec("P")


def on_bus(work: Callable[Concatenate[Bus, P], Awaitable[T]]) -> Callable[P, T]:
    """Return a coroutine function as a command: on a connected bus, which is its first parameter and no option."""

    @wraps(work)
    def command(*args: P.args, **options: P.kwargs) -> T:
        return with_bus(lambda bus: work(bus, *args, **options))

    _, *parameters = inspect.signature(work).parameters.values()
    made: Any = command
    made.__signature__ = inspect.Signature(parameters)
    return command


def with_bus(work: Callable[[Bus], Awaitable[T]]) -> T:
    """Return what `work` returns, given a connected bus; end the command if Redis does not answer."""
    settings = load(ServiceSettings)
    bus = Bus(redis_url(settings), settings.names, consumer_name(), redis_tries=1)

    async def connected() -> T:
        try:
            refuse_newer(await layout_of(bus.redis, bus.names))
        except (RedisError, OSError) as e:
            fail(f"redis does not answer: {e}. Is `tocsin run` up? Else set TOCSIN_REDIS_URL.")
        try:
            return await work(bus)
        finally:
            await bus.close()

    return asyncio.run(connected())


def redis_url(settings: ServiceSettings) -> str:
    """Return TOCSIN_REDIS_URL, else the address that a `tocsin run` on the same data folder wrote down."""
    if settings.redis_url is None:
        with suppress(OSError):
            return (settings.data_dir / "redis.url").read_text().strip()
    return settings.require_redis_url()


def print_table(table: Table) -> None:
    """Print a table; into a file or a pipe it goes with room."""
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def ago(moment: datetime | None) -> str:
    """Return "5 min ago", "in 2 h", "never"."""
    if moment is None:
        return "never"
    seconds = (datetime.now(UTC) - moment).total_seconds()
    amount = abs(seconds)
    size, unit = next(((s, u) for s, u in ((86400, "d"), (3600, "h"), (60, "min")) if amount >= s), (1, "s"))
    text = f"{amount / size:.0f} {unit}"
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def fail(message: str) -> NoReturn:
    """End the command with a message and status 1."""
    print(f"tocsin: {message}", file=sys.stderr)
    raise typer.Exit(1)
