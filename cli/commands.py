"""The commands of `tocsin` and their help. Each imports what it needs when it runs."""

import sys
from typing import Annotated

import typer

from cli import feeds, operator
from cli.main import SERVICES
from shared.settings import ServiceSettings, load

app = typer.Typer(
    name="tocsin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Watches feeds and tells people, with the reason, when a report touches what they follow.\n\n"
    "Start with: tocsin run",
)


@app.command()
def run() -> None:
    """Run everything here: all services, pages on 127.0.0.1:8000, and a Redis unless TOCSIN_REDIS_URL names one."""
    from cli import supervisor

    raise typer.Exit(supervisor.run(load(ServiceSettings)))


@app.command()
def parse(target: Annotated[str, typer.Argument(help="A feed: a file, or an http(s) address.")]) -> None:
    """Print the reports of a feed, one JSON object a line, as ingest would publish them. Needs no Redis."""
    from cli.offline import parse_feed

    raise typer.Exit(parse_feed(target))


@app.command()
def tag() -> None:
    """Tag reports: JSON lines {id, title, text, language?} in, {id, topics, tags, countries} out. Needs no Redis."""
    from cli.offline import tag_lines

    raise typer.Exit(tag_lines(sys.stdin, sys.stdout))


@app.command()
def check() -> None:
    """Name every configuration error at once, and show what can be reached. No secret is printed."""
    from cli.check import check_everything

    raise typer.Exit(check_everything())


for _service in SERVICES.values():
    app.command()(_service)
app.add_typer(operator.topics, name="topics")
app.add_typer(feeds.feeds, name="feeds")
app.add_typer(operator.subscriptions, name="subscriptions")
app.add_typer(operator.dead_letters, name="dead-letters")
