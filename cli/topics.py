"""`tocsin topics`: run the rulebook's tests, show it, measure it, say what a change of it gains and loses."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.lines import Sample, read_lines
from cli.session import fail, print_table, with_bus
from services.classify.adapters.rulebook_files import (
    catalogue,
    check_versions,
    load_rulebook,
    write_quality,
    write_versions,
)
from services.classify.adapters.topic_file import topic_schema
from services.classify.core.difference import differences, words_of
from services.classify.core.rulebook import Rulebook
from services.classify.core.tag import find_tags
from services.classify.settings import ClassifySettings
from shared.bus import Bus
from shared.catalogue import Quality
from shared.report_store import ReportStore
from shared.settings import load

topics = typer.Typer(
    no_args_is_help=True,
    help="The rulebook: a folder of YAML files, one a topic. Copy the shipped ones to a folder of your own, name it in "
    "TOCSIN_TOPICS_DIR, and `check` what you change; a running classify takes it over.",
)

WIDTH = 100
Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir", help="A rulebook folder; unless given, that of TOCSIN_TOPICS_DIR, or the shipped one."
    ),
]


def _folder(given: Path | None) -> Path | None:
    return given or load(ClassifySettings).topics_dir


@topics.command("check")
def check_topics(folder: Folder = None) -> None:
    """Load the rulebook and run its rules' own tests; name file and line of what is wrong."""
    rulebook = load_rulebook(_folder(folder))
    check_versions(_folder(folder))
    rules = [rule for topic in rulebook.topics for rule in topic.rules]
    parts = [part for topic in rulebook.topics for part in topic.subtopics]
    tests = sum(len(each.examples) for each in rules) + sum(len(each.examples) for each in parts)
    print(
        f"{len(rulebook.topics)} topics, {len(rules)} rules, {tests} tests passed; rulebook {rulebook.version}"
    )
    if unmeasured := [each.id for each in catalogue(rulebook, _folder(folder)) if not each.quality]:
        print(f"not measured as they are now: {', '.join(unmeasured)}; see `tocsin topics measure`")


@topics.command("lock")
def lock_topics(folder: Folder = None) -> None:
    """Write down each rule's version and content, so that `check` finds a change without a new version."""
    print(f"{write_versions(_folder(folder))} written")


@topics.command("measure")
def measure_topics(
    labelled: Annotated[
        list[Path], typer.Argument(help="JSON lines {id, title, text, topics, borderline?}.")
    ],
    folder: Folder = None,
) -> None:
    """Measure the rulebook on labelled reports, and keep the figures beside it for the topics' pages.

    Take reports that the rules were not written by: the pages say that they are such.
    """
    rulebook = load_rulebook(_folder(folder))
    try:
        qualities = measure(read_labelled(labelled), rulebook)
    except (OSError, ValueError) as e:
        fail(str(e))
    write_quality(qualities, rulebook, _folder(folder))
    for topic, quality in qualities.items():
        print(
            f"{topic:20} precision {quality.precision:.2f}, recall {quality.recall:.2f}, {quality.on_topic} reports"
        )


class Labelled(Sample):
    """A labelled report; a topic that is `borderline` counts neither way."""

    topics: tuple[str, ...]
    borderline: tuple[str, ...] = ()


def read_labelled(files: Sequence[Path]) -> list[Labelled]:
    """Return the reports of JSON-lines files; raise ValueError naming file and line of a bad one."""
    reports = []
    for file in files:
        try:
            reports += [report for _, report in read_lines(Labelled, file.read_text().split("\n"))]
        except ValueError as e:
            raise ValueError(f"{file}: {e}") from e
    return reports


def measure(reports: Sequence[Labelled], rulebook: Rulebook) -> dict[str, Quality]:
    """Return precision and recall by topic, rounded to two places."""
    found = {
        each.id: {tag.topic for tag in find_tags(each.title, each.text, each.language, rulebook)}
        for each in reports
    }
    return {topic.id: _quality(topic.id, reports, found) for topic in rulebook.topics}


def _quality(topic: str, reports: Sequence[Labelled], found: dict[str, set[str]]) -> Quality:
    known = [each for each in reports if topic not in each.borderline]
    hits = sum(topic in each.topics and topic in found[each.id] for each in known)
    tagged = sum(topic in found[each.id] for each in known)
    wanted = sum(topic in each.topics for each in known)
    return Quality(
        precision=round(hits / tagged, 2) if tagged else 0.0,
        recall=round(hits / wanted, 2) if wanted else 0.0,
        reports=len(known),
        on_topic=wanted,
        measured=datetime.now(UTC).date(),
    )


@topics.command("schema")
def print_topic_schema() -> None:
    """Print the JSON Schema of a topic file, for editors."""
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
    ours, theirs = load_rulebook(_folder(folder)), load_rulebook(against)

    async def stored(bus: Bus) -> list[Sample]:
        found = ReportStore(bus.redis, bus.names).scan(at_most=at_most)
        return [Sample.model_validate(tagged.report.model_dump()) async for tagged in found]

    try:
        samples = with_bus(stored) if reports is None else read_samples(reports)
    except (OSError, ValueError) as e:
        fail(f"{reports}: {e}")
    show_difference(samples, ours, theirs)


def read_samples(source: str) -> list[Sample]:
    """Return the reports of a file of JSON lines, `-` for standard input; raise ValueError naming a bad line."""
    lines = sys.stdin.readlines() if source == "-" else Path(source).read_text().split("\n")
    return [sample for _, sample in read_lines(Sample, lines)]


def show_difference(samples: Sequence[Sample], ours: Rulebook, theirs: Rulebook) -> None:
    """Print, topic by topic, the reports that only one of two rulebooks tags, with the words that made it."""
    print(f"{len(samples)} reports; rulebook {ours.version} against {theirs.version}")
    found = differences(samples, ours, theirs)
    for topic, difference in found.items():
        print(f"{topic}: {len(difference.gained)} gained, {len(difference.lost)} lost")
        for sign, listed in (("+", difference.gained), ("-", difference.lost)):
            for sample, tag in listed:
                headline = " ".join((sample.title or sample.text).split())[:WIDTH]
                print(f"  {sign} {sample.id} {headline} [{words_of(tag)[:WIDTH]}]")
    if not found:
        print("no report is tagged differently")


@topics.command("list")
def list_topics(folder: Folder = None) -> None:
    """Show the topics and their rules."""
    rulebook = load_rulebook(_folder(folder))
    table = Table("topic", "rule", "version", "status", "languages", "what it says")
    for topic in rulebook.topics:
        for rule in topic.rules:
            about = topic.id, rule.id, str(rule.version), rule.status, " ".join(topic.languages), rule.title
            table.add_row(*about)
    print_table(table)
