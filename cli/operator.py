"""The subcommands for operators: topics, dead letters. Feeds and subscriptions have modules of their own."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from cli.session import fail, print_table, with_bus
from shared.bus import Bus
from shared.dead_letters import DeadLetter, DeadLetters
from shared.report_store import ReportStore
from shared.settings import load

if TYPE_CHECKING:
    from services.classify.core.rulebook import Rulebook

topics = typer.Typer(
    no_args_is_help=True,
    help="The rulebook: a folder of YAML files, one a topic. Copy the shipped ones to a folder of your own, name it in "
    "TOCSIN_TOPICS_DIR, and `check` what you change; a running classify takes it over.",
)
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that no service could handle.")

Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir", help="A rulebook folder; unless given, that of TOCSIN_TOPICS_DIR, or the shipped one."
    ),
]


def _folder(given: Path | None) -> Path | None:
    from services.classify.settings import ClassifySettings

    return given or load(ClassifySettings).topics_dir


@contextmanager
def _refused() -> Iterator[None]:
    """End the command where a rulebook is wrong, saying where."""
    from services.classify.adapters.rulebook_files import RulebookError

    try:
        yield
    except RulebookError as e:
        fail(str(e))


def _rulebook(given: Path | None) -> "Rulebook":
    from services.classify.adapters.rulebook_files import load_rulebook

    with _refused():
        return load_rulebook(_folder(given))


@topics.command("check")
def check_topics(folder: Folder = None) -> None:
    """Load the rulebook and run its rules' own tests; name file and line of what is wrong."""
    from services.classify.adapters.rulebook_files import check_versions

    rulebook = _rulebook(folder)
    with _refused():
        check_versions(_folder(folder))
    rules = [rule for topic in rulebook.topics for rule in topic.rules]
    parts = [part for topic in rulebook.topics for part in topic.subtopics]
    tests = sum(len(each.examples) for each in rules) + sum(len(each.examples) for each in parts)
    print(
        f"{len(rulebook.topics)} topics, {len(rules)} rules, {tests} tests passed; rulebook {rulebook.version}"
    )


@topics.command("lock")
def lock_topics(folder: Folder = None) -> None:
    """Write down each rule's version and content, so that `check` finds a change without a new version."""
    from services.classify.adapters.rulebook_files import write_versions

    with _refused():
        print(f"{write_versions(_folder(folder))} written")


@topics.command("measure")
def measure_topics(
    labelled: Annotated[
        list[Path], typer.Argument(help="JSON lines {id, title, text, topics, borderline?}.")
    ],
) -> None:
    """Measure the shipped rulebook on labelled reports, and keep the figures for the topics' pages."""
    from cli.topics_measure import measure, read_labelled, write_quality
    from services.classify.adapters.rulebook_files import QUALITY, load_rulebook

    rulebook = load_rulebook()
    try:
        qualities = measure(read_labelled(labelled), rulebook)
    except (OSError, ValueError) as e:
        fail(str(e))
    write_quality(qualities, rulebook, QUALITY)
    for topic, quality in qualities.items():
        print(
            f"{topic:20} precision {quality.precision:.2f}, recall {quality.recall:.2f}, {quality.on_topic} reports"
        )


@topics.command("schema")
def print_topic_schema() -> None:
    """Print the JSON Schema of a topic file, for editors."""
    from services.classify.adapters.topic_file import topic_schema

    print(json.dumps(topic_schema(), indent=2, ensure_ascii=False))


Reports = Annotated[
    str | None,
    typer.Option(
        "--reports", help="JSON lines {id, title, text}, - for standard input; the stored reports if none."
    ),
]


@topics.command("diff")
def diff_topics(
    against: Annotated[Path, typer.Option("--against", help="The rulebook folder to compare with.")],
    folder: Folder = None,
    reports: Reports = None,
    at_most: Annotated[int, typer.Option(min=1, help="How many stored reports to look at.")] = 5000,
) -> None:
    """Show which reports the rulebook tags that the one in --against does not (gained), and the reverse (lost)."""
    from cli.lines import Sample
    from cli.topics_diff import read_samples, show_difference

    ours, theirs = _rulebook(folder), _rulebook(against)

    async def stored(bus: Bus) -> list[Sample]:
        found = ReportStore(bus.redis, bus.names).scan(at_most=at_most)
        return [Sample.model_validate(tagged.report.model_dump()) async for tagged in found]

    try:
        samples = with_bus(stored) if reports is None else read_samples(reports)
    except (OSError, ValueError) as e:
        fail(f"{reports}: {e}")
    show_difference(samples, ours, theirs)


@topics.command("list")
def list_topics(folder: Folder = None) -> None:
    """Show the topics and their rules."""
    rulebook = _rulebook(folder)
    table = Table("topic", "rule", "version", "languages", "what it says")
    for topic in rulebook.topics:
        for rule in topic.rules:
            table.add_row(topic.id, rule.id, str(rule.version), " ".join(topic.languages), rule.title)
    print_table(table)


Letter = Annotated[str | None, typer.Argument(help="The letter's id, or STREAM/ID.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter.")]


@dead_letters.command("list")
def list_letters() -> None:
    """Show what could not be handled, and why."""

    async def show(bus: Bus) -> None:
        table = Table(Column("id", no_wrap=True), Column("stream", no_wrap=True), "group", "tried", "reason")
        async for letter in DeadLetters(bus.redis, bus.names).list():
            table.add_row(letter.id, letter.stream, letter.group, str(letter.deliveries), letter.reason)
        print_table(table)

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
        chosen = [letter for letter in found if everything or letter_id in (letter.id, letter.key)]
        if letter_id and not chosen:
            fail(f"there is no dead letter {letter_id}")
        if letter_id and len(chosen) > 1:
            keys = " or ".join(letter.key for letter in chosen)
            fail(f"{len(chosen)} dead letters are called {letter_id}; say which: {keys}")
        for letter in chosen:
            await act(letters, letter)
        print(f"{len(chosen)} {done}")

    with_bus(work)
