"""The commands of `tocsin` and their help. Each imports what it needs when it runs."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from cli import admin, feeds, operator, subscriptions
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


app.command()(run)


@app.command()
def parse(target: Annotated[str, typer.Argument(help="A feed: a file, or an http(s) address.")]) -> None:
    """Print the reports of a feed, one JSON object a line, as ingest would publish them. Needs no Redis."""
    from cli.offline import parse_feed

    raise typer.Exit(parse_feed(target))


@app.command()
def tag() -> None:
    """Tag reports: JSON lines {id, title, text, language?} in, {id, topics, tags, countries} out. Needs no Redis.

    For example: tocsin tag < reports.jsonl > tagged.jsonl
    """
    from cli.offline import tag_lines

    raise typer.Exit(tag_lines(sys.stdin, sys.stdout))


@app.command()
def check(
    webhook: Annotated[str | None, typer.Option("--webhook", help="Post a test to this URL.")] = None,
) -> None:
    """Name every configuration error at once, and try what has to be reached. No secret is printed."""
    from cli.check import check_everything

    raise typer.Exit(check_everything(webhook))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, e.g. tocsin-2026-11-22.backup")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write all that the installation holds to one file, as of one moment. Services may keep running."""
    from cli.backup import make_backup

    make_backup(file, force)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `tocsin backup` wrote.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Only read the file to its end; write nothing.")
    ] = False,
) -> None:
    """Put a backup into an empty Redis, of any version. Stop the services first."""
    from cli.backup import restore as restore_file

    restore_file(file, verify)


for _service in SERVICES.values():
    app.command()(_service)
app.add_typer(admin.admin, name="admin")
app.add_typer(operator.topics, name="topics")
app.add_typer(feeds.feeds, name="feeds")
app.add_typer(subscriptions.subscriptions, name="subscriptions")
app.add_typer(operator.dead_letters, name="dead-letters")
