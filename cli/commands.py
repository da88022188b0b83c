"""The commands of `tocsin` and their help."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from cli import admin, backup, dead_letters, feeds, offline, subscriptions, topics
from cli.check import check_everything
from cli.main import SERVICES, run

app = typer.Typer(
    name="tocsin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Watches feeds and tells people, with the reason, when a report touches what they follow.\n\n"
    "Start with: tocsin run",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"tocsin {version('tocsin')}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Take what goes before a command."""


def check(
    webhook: Annotated[str | None, typer.Option("--webhook", help="Post a test to this URL.")] = None,
) -> None:
    """Name every configuration error at once, and try what has to be reached. No secret is printed."""
    raise typer.Exit(check_everything(webhook))


ALONE: list[Callable[..., None]] = [run, offline.parse, offline.tag, check, backup.backup, backup.restore]
for command in (*ALONE, *SERVICES.values()):
    app.command()(command)
app.add_typer(admin.admin, name="admin")
app.add_typer(topics.topics, name="topics")
app.add_typer(feeds.feeds, name="feeds")
app.add_typer(subscriptions.subscriptions, name="subscriptions")
app.add_typer(dead_letters.dead_letters, name="dead-letters")
