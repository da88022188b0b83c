"""`tocsin admin`: how far each stage is, pause and go on, send again, erase a person."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from cli.erase import STAYS, Person
from cli.session import ago, fail, on_bus, print_table
from services.api.adapters import replays
from services.api.adapters.readiness import SILENT_SECONDS, find_missing, running_services
from services.api.core.problem import Conflict
from shared.bus import Bus
from shared.dead_letters import DeadLetters
from shared.groups import GroupState, read_groups
from shared.maintenance import PAUSABLE, PAUSED, pause, read_paused, resume
from shared.settings import ServiceSettings, load
from shared.subscription_store import SubscriptionStore

admin = typer.Typer(
    no_args_is_help=True, help="Look after an installation: streams, pauses, replays, erasure."
)

PATIENCE = 60.0
Service = StrEnum("Service", PAUSABLE)  # type: ignore[misc]


@admin.command("status")
@on_bus
async def show_status(bus: Bus) -> None:
    """Show streams and consumer groups, what runs, dead letters and endpoints in trouble; 1 if something is missing."""
    table = Table("stream", "group", "processes", "not read", "in hand", "oldest waits")
    running = Counter(await running_services(bus))
    async for group in read_groups(bus.redis, bus.names):
        # A group names its dead as well until they are forgotten, and of others' groups Redis knows no more.
        processes = running[group.name] if group.name in PAUSABLE else group.consumers
        table.add_row(*_row(group, processes))
    print_table(table)
    for stream, count in (await DeadLetters(bus.redis, bus.names).count()).items():
        print(f"{count} dead letters of {stream}: tocsin dead-letters list")
    async for each in SubscriptionStore(bus).each():
        if each.reason or each.state == "disabled":
            print(f"{each.id} is {each.state}: {each.reason}")
    for service, since in (await read_paused(bus.redis, bus.names)).items():
        print(f"{service} has been paused since {since}: tocsin admin resume {service}")
    missing = await find_missing(bus)
    print("missing: " + ", ".join(missing) if missing else "all services run")
    if missing:
        raise typer.Exit(1)


def _row(group: GroupState, processes: int) -> tuple[str, ...]:
    lag = "?" if group.lag is None else str(group.lag)
    oldest = f"{group.oldest:.0f} s" if group.oldest else ""
    return group.stream, group.name, str(processes), lag, str(group.pending), oldest


@admin.command("pause")
@on_bus
async def pause_service(bus: Bus, service: Annotated[Service, typer.Argument()]) -> None:
    """Let every process of a service end what it has in hand and take up nothing more; return when they have.

    What comes waits on the streams, and feeds are polled later: nothing is lost.
    """
    await pause(bus.redis, bus.names, service, datetime.now(UTC))
    until = time.monotonic() + PATIENCE
    while busy := await _busy(bus, service):
        if time.monotonic() > until:
            fail(f"{service} is paused, and after {PATIENCE:.0f} s these still work: {', '.join(busy)}")
        await asyncio.sleep(0.2)
    print(f"{service} is paused, and has nothing in hand. To go on: tocsin admin resume {service}")


async def _busy(bus: Bus, service: str) -> list[str]:
    """The processes of a service that live and do not rest."""
    alive = await bus.redis.zrangebyscore(bus.names.instances, time.time() - SILENT_SECONDS, "+inf")
    names = [raw.decode().split() for raw in alive]
    return [name[1] for name in names if name[0] == service and name[-1] != PAUSED]


@admin.command("resume")
@on_bus
async def resume_service(bus: Bus, service: Annotated[Service, typer.Argument()]) -> None:
    """Let a paused service go on; its processes end and are started anew by whoever keeps them."""
    if not await resume(bus.redis, bus.names, service):
        fail(f"{service} is not paused")
    print(f"{service} goes on within seconds")


FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


@admin.command("replay")
@on_bus
async def replay(
    bus: Bus,
    since: Annotated[datetime, typer.Option(formats=FORMATS, help="UTC, e.g. 2026-11-22T10:00")],
    until: Annotated[datetime | None, typer.Option(formats=FORMATS, help="UTC; now if none.")] = None,
    subscription: Annotated[str | None, typer.Option("--subscription", help="Only this one.")] = None,
) -> None:
    """Send again what was given up, and what matched and was never owed, of the reports of a span of time.

    Each delivery keeps its id, so that a receiver knows what it has; what was delivered is not sent again.
    """
    end = until.replace(tzinfo=UTC) if until else datetime.now(UTC)
    chosen = [
        each
        async for each in SubscriptionStore(bus).each()
        if each.state == "active" and subscription in (None, each.id)
    ]
    if subscription and not chosen:
        fail(f"there is no active subscription {subscription}")
    begin = since.replace(tzinfo=UTC)
    counts, refused = list[int](), list[str]()
    for each in chosen:
        try:
            counts.append(await replays.replay(bus, each, "missed", begin, end))
        except Conflict as e:
            refused.append(f"{each.id}: {e}")
    print(f"{sum(counts)} deliveries to {sum(map(bool, counts))} of {len(chosen)} subscriptions")
    if refused:
        fail("\n".join(["not sent again", *refused]))


@admin.command("erase")
@on_bus
async def erase(
    bus: Bus,
    address: Annotated[str, typer.Argument(help="A mail address, or the URL of an endpoint.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else it is only shown.")] = False,
) -> None:
    """Erase a person: every subscription that goes to the address, with all that is held about it."""
    person = Person(bus, address, load(ServiceSettings).data_dir / "outbox")
    found, mails = await person.found(), person.mails()
    if not found and not mails:
        fail("nothing is held about this address")
    for subscription, theirs in found:
        what = "with its deliveries" if theirs else "keeps its owner; the address is taken out of it"
        print(f"{subscription.id}: {subscription.state}, set {ago(subscription.created_at)}, {what}")
    print(f"{len(mails)} mails in this machine's outbox")
    if yes:
        await person.erase()
    print("erased" if yes else "nothing is erased yet: say --yes", STAYS, sep="\n\n")
