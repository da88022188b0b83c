"""`tocsin subscriptions`: see, pause, remove, carry from one installation to another."""

import json
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from cli.lines import read_lines
from cli.session import fail, on_bus, print_table, with_bus
from shared.bus import Bus
from shared.endpoints import address_of
from shared.holdings import erase_held, held_about
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Subscription, public_view

subscriptions = typer.Typer(no_args_is_help=True, help="Subscriptions, for operators.")

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
To = Annotated[str | None, typer.Option("--to", help="Only those that go to this mail address or URL.")]


@subscriptions.command("list")
@on_bus
async def list_subscriptions(bus: Bus, to: To = None) -> None:
    """Show every subscription: id, state, channel, schedule, filter."""
    table = Table(Column("id", no_wrap=True), "state", "channel", "sends", "name", "filter")
    for each in sorted(await SubscriptionStore(bus).all(), key=lambda each: each.created_at):
        if to and to.lower() != address_of(each.channel).lower():
            continue
        wanted = each.filter.model_dump(exclude_defaults=True, mode="json")
        told = json.dumps(wanted, ensure_ascii=False)
        table.add_row(each.id, each.state, each.channel.type, each.schedule.mode, each.name, told)
    print_table(table)


@subscriptions.command("show")
@on_bus
async def show_subscription(
    bus: Bus,
    subscription_id: str,
    everything: Annotated[bool, typer.Option("--all", help="With all else that is held about it.")] = False,
) -> None:
    """Print a subscription as JSON, without its secrets."""
    found = _found(await SubscriptionStore(bus).get(subscription_id), subscription_id)
    held = await held_about(bus, found) if everything else public_view(found)
    print(json.dumps(held, indent=2, ensure_ascii=False))


@subscriptions.command("pause")
@on_bus
async def pause_subscription(bus: Bus, subscription_id: str) -> None:
    """Pause a subscription until its owner resumes it."""

    def paused(subscription: Subscription) -> Subscription:
        # A pending one that could be paused could be resumed, without its owner ever having answered.
        if subscription.state != "active":
            fail(f"{subscription_id} is {subscription.state}; only an active subscription can be paused")
        changes = {"state": "paused", "reason": "paused by the operator", "changed_at": datetime.now(UTC)}
        return subscription.model_copy(update=changes)

    _found(await SubscriptionStore(bus).update(subscription_id, paused), subscription_id)
    print(f"{subscription_id} is paused")


@subscriptions.command("remove")
@on_bus
async def remove_subscription(bus: Bus, subscription_id: str) -> None:
    """Remove a subscription for good, and erase everything that is held about it."""
    if not await SubscriptionStore(bus).remove(subscription_id):
        fail(f"there is no subscription {subscription_id}")
    await erase_held(bus, subscription_id)
    print(f"{subscription_id} is removed")


@subscriptions.command("export")
@on_bus
async def export_subscriptions(bus: Bus) -> None:
    """Print every subscription as a JSON line, secrets and all, for `import`. Keep it as you keep passwords."""
    async for each in SubscriptionStore(bus).each():
        print(each.model_dump_json())


@subscriptions.command("import")
def import_subscriptions(
    path: Annotated[str, typer.Argument(help="JSON lines as `export` prints them; - for standard input.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite those that are there already.")
    ] = False,
) -> None:
    """Take in subscriptions, as they were exported. One wrong line, and nothing is taken in."""
    try:
        with nullcontext(sys.stdin) if path == "-" else Path(path).open(encoding="utf-8") as lines:
            read = read_subscriptions(lines)
    except (OSError, ValueError) as e:
        fail(f"{path}: {e}")

    async def take_in(bus: Bus) -> None:
        store, added, left = SubscriptionStore(bus), 0, 0
        for subscription in read:
            if await store.get(subscription.id) is None:
                await store.add(subscription)
            elif replace:
                await store.update(subscription.id, _becomes(subscription))
            else:
                left += 1
                continue
            added += 1
        print(f"{added} taken in, {left} left as they are")

    with_bus(take_in)


def _becomes(subscription: Subscription) -> Callable[[Subscription], Subscription]:
    return lambda _: subscription


def read_subscriptions(lines: Iterable[str]) -> list[Subscription]:
    """Return the subscriptions of JSON lines; raise ValueError that names the first wrong line."""
    found = []
    for number, subscription in read_lines(Subscription, lines):
        if not _ID.fullmatch(subscription.id):
            raise ValueError(f"line {number}: id: letters, digits, - and _ only")
        found.append(subscription)
    return found


def _found(subscription: Subscription | None, subscription_id: str) -> Subscription:
    if subscription is None:
        fail(f"there is no subscription {subscription_id}; `tocsin subscriptions list` shows them")
    return subscription
