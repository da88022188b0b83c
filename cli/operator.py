"""The subcommands for operators: topics, subscriptions, dead letters. Feeds have their own in feeds.py."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.session import fail, with_bus
from shared.bus import Bus
from shared.dead_letters import DeadLetter, DeadLetters
from shared.settings import load
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Subscription, public_view

topics = typer.Typer(no_args_is_help=True, help="The rulebook: run its tests, show it.")
subscriptions = typer.Typer(no_args_is_help=True, help="Subscriptions, for operators.")
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that no service could handle.")

Folder = Annotated[
    Path | None, typer.Option("--dir", help="A rulebook folder; the shipped one unless given.")
]


@topics.command("check")
def check_topics(folder: Folder = None) -> None:
    """Load the rulebook and run its rules' own tests; name file and line of what is wrong."""
    from services.classify.adapters.rulebook_files import RulebookError, load_rulebook
    from services.classify.settings import ClassifySettings

    try:
        rulebook = load_rulebook(folder or load(ClassifySettings).topics_dir)
    except RulebookError as e:
        fail(str(e))
    rules = [rule for topic in rulebook.topics for rule in topic.rules]
    tests = sum(len(rule.examples) for rule in rules)
    print(
        f"{len(rulebook.topics)} topics, {len(rules)} rules, {tests} tests passed; rulebook {rulebook.version}"
    )


@topics.command("list")
def list_topics(folder: Folder = None) -> None:
    """Show the topics and their rules."""
    from services.classify.adapters.rulebook_files import RulebookError, load_rulebook
    from services.classify.settings import ClassifySettings

    try:
        rulebook = load_rulebook(folder or load(ClassifySettings).topics_dir)
    except RulebookError as e:
        fail(str(e))
    table = Table("topic", "rule", "version", "languages", "what it says")
    for topic in rulebook.topics:
        for rule in topic.rules:
            table.add_row(topic.id, rule.id, str(rule.version), " ".join(topic.languages), rule.title)
    Console().print(table)


@subscriptions.command("list")
def list_subscriptions() -> None:
    """Show every subscription: id, state, channel, filter."""

    async def show(bus: Bus) -> None:
        table = Table("id", "state", "channel", "name", "filter")
        for each in sorted(await SubscriptionStore(bus).all(), key=lambda each: each.created_at):
            filter_ = each.filter.model_dump(exclude_defaults=True, mode="json")
            table.add_row(
                each.id, each.state, each.channel.type, each.name, json.dumps(filter_, ensure_ascii=False)
            )
        Console().print(table)

    with_bus(show)


@subscriptions.command("show")
def show_subscription(subscription_id: str) -> None:
    """Print a subscription as JSON, without its secrets."""

    async def show(bus: Bus) -> None:
        found = _found(await SubscriptionStore(bus).get(subscription_id), subscription_id)
        print(json.dumps(public_view(found), indent=2, ensure_ascii=False))

    with_bus(show)


@subscriptions.command("pause")
def pause_subscription(subscription_id: str) -> None:
    """Pause a subscription until its owner resumes it."""

    def paused(subscription: Subscription) -> Subscription:
        changes = {"state": "paused", "reason": "paused by the operator", "changed_at": datetime.now(UTC)}
        return subscription.model_copy(update=changes)

    async def pause(bus: Bus) -> None:
        _found(await SubscriptionStore(bus).update(subscription_id, paused), subscription_id)
        print(f"{subscription_id} is paused")

    with_bus(pause)


@subscriptions.command("remove")
def remove_subscription(subscription_id: str) -> None:
    """Remove a subscription for good."""

    async def remove(bus: Bus) -> None:
        if not await SubscriptionStore(bus).remove(subscription_id):
            fail(f"there is no subscription {subscription_id}")
        print(f"{subscription_id} is removed")

    with_bus(remove)


Letter = Annotated[str | None, typer.Argument(help="The letter's id.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter.")]


@dead_letters.command("list")
def list_letters() -> None:
    """Show what could not be handled, and why."""

    async def show(bus: Bus) -> None:
        table = Table("id", "stream", "group", "tried", "reason")
        async for letter in DeadLetters(bus.redis, bus.names).list():
            table.add_row(letter.id, letter.stream, letter.group, str(letter.deliveries), letter.reason)
        Console().print(table)

    with_bus(show)


@dead_letters.command("replay")
def replay_letters(letter_id: Letter = None, everything: All = False) -> None:
    """Put messages back on their stream, as they were."""
    _each_letter(letter_id, everything, lambda letters, letter: letters.replay(letter), "replayed")


@dead_letters.command("drop")
def drop_letters(letter_id: Letter = None, everything: All = False) -> None:
    """Take messages away for good."""
    _each_letter(letter_id, everything, lambda letters, letter: letters.drop(letter), "dropped")


def _each_letter(
    letter_id: str | None,
    everything: bool,
    act: Callable[[DeadLetters, DeadLetter], Awaitable[None]],
    done: str,
) -> None:
    if bool(letter_id) == everything:
        fail("name one dead letter, or say --all; `tocsin dead-letters list` shows them")

    async def work(bus: Bus) -> None:
        letters = DeadLetters(bus.redis, bus.names)
        found = [letter async for letter in letters.list(at_most=100_000)]
        chosen = [letter for letter in found if everything or letter.id == letter_id]
        if letter_id and not chosen:
            fail(f"there is no dead letter {letter_id}")
        for letter in chosen:
            await act(letters, letter)
        print(f"{len(chosen)} {done}")

    with_bus(work)


def _found(subscription: Subscription | None, subscription_id: str) -> Subscription:
    if subscription is None:
        fail(f"there is no subscription {subscription_id}; `tocsin subscriptions list` shows them")
    return subscription
