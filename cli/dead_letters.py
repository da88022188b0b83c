"""`tocsin dead-letters`: see what no service could handle, put it back, or take it away."""

from typing import Annotated, Literal

import typer
from rich.table import Column, Table

from cli.session import fail, on_bus, print_table
from shared.bus import Bus
from shared.dead_letters import DeadLetters

dead_letters = typer.Typer(no_args_is_help=True, help="Messages that no service could handle.")

Letter = Annotated[str | None, typer.Argument(help="The letter's id, or STREAM/ID.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter.")]


@dead_letters.command("list")
@on_bus
async def list_letters(bus: Bus) -> None:
    """Show what could not be handled, and why."""
    table = Table(Column("id", no_wrap=True), Column("stream", no_wrap=True), "group", "tried", "reason")
    async for letter in DeadLetters(bus.redis, bus.names).list():
        table.add_row(letter.id, letter.stream, letter.group, str(letter.deliveries), letter.reason)
    print_table(table)


@dead_letters.command("replay")
@on_bus
async def replay_letters(bus: Bus, letter_id: Letter = None, everything: All = False) -> None:
    """Put messages back on their stream, as they were."""
    print(f"{await _each_letter(bus, letter_id, everything, 'replay')} replayed")


@dead_letters.command("drop")
@on_bus
async def drop_letters(bus: Bus, letter_id: Letter = None, everything: All = False) -> None:
    """Take messages away for good."""
    print(f"{await _each_letter(bus, letter_id, everything, 'drop')} dropped")


async def _each_letter(
    bus: Bus, letter_id: str | None, everything: bool, act: Literal["replay", "drop"]
) -> int:
    if bool(letter_id) == everything:
        fail("name one dead letter, or say --all; `tocsin dead-letters list` shows them")
    letters = DeadLetters(bus.redis, bus.names)
    found = [letter async for letter in letters.list(at_most=100_000)]
    chosen = [letter for letter in found if everything or letter_id in (letter.id, letter.key)]
    if letter_id and not chosen:
        fail(f"there is no dead letter {letter_id}")
    if letter_id and len(chosen) > 1:
        keys = " or ".join(letter.key for letter in chosen)
        fail(f"{len(chosen)} dead letters are called {letter_id}; say which: {keys}")
    for letter in chosen:
        await (letters.replay(letter) if act == "replay" else letters.drop(letter))
    return len(chosen)
