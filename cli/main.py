"""The `tocsin` command. Each subcommand imports what it needs when it runs, so that a service starts quickly."""

import sys
from typing import Annotated, NoReturn

import typer

from shared.service import configure_logging, run_app
from shared.settings import ServiceSettings, SettingsError, load

app = typer.Typer(
    name="tocsin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Watches feeds and tells people, with the reason, when a report touches what they follow.\n\n"
    "Start with: tocsin run",
)
CANNOT_START = 2


@app.command()
def run() -> None:
    """Run everything here: all services, pages on 127.0.0.1:8000, and a Redis unless TOCSIN_REDIS_URL names one."""
    from cli import supervisor

    raise typer.Exit(supervisor.run(load(ServiceSettings)))


@app.command()
def ingest() -> None:
    """Run ingest: feeds -> reports.published.v1."""
    from services.ingest.adapters.feed_list import FeedFileError
    from services.ingest.app import make_app
    from services.ingest.settings import IngestSettings

    settings = load(IngestSettings)
    configure_logging(settings, "ingest")
    try:
        service = make_app(settings)
    except FeedFileError as e:
        _cannot_start(e)
    run_app(service)


@app.command()
def classify() -> None:
    """Run classify: reports.published.v1 -> reports.tagged.v1."""
    from services.classify.adapters.rulebook_files import RulebookError
    from services.classify.app import make_app
    from services.classify.settings import ClassifySettings

    settings = load(ClassifySettings)
    configure_logging(settings, "classify")
    try:
        service = make_app(settings)
    except RulebookError as e:
        _cannot_start(e)
    run_app(service)


@app.command()
def notify() -> None:
    """Run notify: reports.tagged.v1 -> webhooks and mails."""
    from services.notify.app import make_app
    from services.notify.settings import NotifySettings

    settings = load(NotifySettings)
    configure_logging(settings, "notify")
    run_app(make_app(settings))


@app.command()
def api() -> None:
    """Run the HTTP service: pages, subscriptions, reports."""
    from services.api.app import make_app
    from services.api.settings import ApiSettings

    settings = load(ApiSettings)
    configure_logging(settings, "api")
    run_app(make_app(settings))


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


def _add_groups() -> None:
    from cli import feeds, operator, subscriptions

    app.add_typer(operator.topics, name="topics")
    app.add_typer(feeds.feeds, name="feeds")
    app.add_typer(subscriptions.subscriptions, name="subscriptions")
    app.add_typer(operator.dead_letters, name="dead-letters")


def _cannot_start(error: Exception) -> NoReturn:
    print(f"tocsin: {error}", file=sys.stderr)
    raise typer.Exit(CANNOT_START)


def main() -> None:
    """Run the command; a wrong setting is one clear message and exit status 2."""
    _add_groups()
    try:
        app()
    except SettingsError as e:
        print(f"tocsin: {e}", file=sys.stderr)
        raise SystemExit(CANNOT_START) from e


if __name__ == "__main__":
    main()
