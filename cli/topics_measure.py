"""How often the rulebook is right and how much it finds, on labelled reports; the figures only are kept."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cli.lines import Sample, read_lines
from services.classify.adapters.rulebook_files import MEASURED, Measured, fingerprints
from services.classify.core.rulebook import Rulebook
from services.classify.core.tag import find_tags
from shared.catalogue import Quality


class Labelled(Sample):
    """A labelled report; a topic that is `borderline` counts neither way."""

    topics: tuple[str, ...]
    borderline: tuple[str, ...] = ()


def read_labelled(files: Sequence[Path]) -> list[Labelled]:
    """Return the reports of JSON-lines files; raise ValueError naming file and line of a bad one."""
    reports = []
    for file in files:
        try:
            reports += [report for _, report in read_lines(Labelled, file.read_text().splitlines())]
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


def write_quality(qualities: dict[str, Quality], rulebook: Rulebook, path: Path) -> None:
    """Write the figures of each topic, and which rules they are of."""
    measured = {
        topic.id: Measured(rules=fingerprints(topic), quality=qualities[topic.id])
        for topic in rulebook.topics
    }
    path.write_bytes(MEASURED.dump_json(measured, indent=2) + b"\n")


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
