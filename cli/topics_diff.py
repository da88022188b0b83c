"""What a change of the rulebook gains and loses, over reports."""

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from services.classify.core.rulebook import Rulebook
from services.classify.core.tag import find_tags
from shared.events import Tag

WIDTH = 100


class Sample(BaseModel):
    """A report as far as tags depend on it."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str
    title: str = ""
    text: str = ""
    language: str | None = None


def read_lines(source: str) -> list[Sample]:
    """Return the reports of a file of JSON lines, `-` for standard input; raise ValueError naming a bad line."""
    lines = sys.stdin.readlines() if source == "-" else Path(source).read_text().splitlines()
    samples = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                samples.append(Sample.model_validate_json(line))
            except ValidationError as e:
                raise ValueError(f"line {number}: {e.errors(include_input=False)[0]['msg']}") from e
    return samples


def show_difference(samples: Sequence[Sample], ours: Rulebook, theirs: Rulebook) -> None:
    """Print, topic by topic, the reports that only one of two rulebooks tags, with the words that made it."""
    gained: dict[str, list[tuple[Sample, Tag]]] = defaultdict(list)
    lost: dict[str, list[tuple[Sample, Tag]]] = defaultdict(list)
    for sample in samples:
        new, old = _tags(sample, ours), _tags(sample, theirs)
        for topic in new.keys() - old.keys():
            gained[topic].append((sample, new[topic]))
        for topic in old.keys() - new.keys():
            lost[topic].append((sample, old[topic]))
    print(f"{len(samples)} reports; rulebook {ours.version} against {theirs.version}")
    for topic in sorted({*gained, *lost}):
        print(f"{topic}: {len(gained[topic])} gained, {len(lost[topic])} lost")
        for sign, listed in (("+", gained[topic]), ("-", lost[topic])):
            for sample, tag in listed:
                words = ", ".join(dict.fromkeys(" ".join(piece.text.split()) for piece in tag.evidence))
                print(
                    f"  {sign} {sample.id} {' '.join((sample.title or sample.text).split())[:WIDTH]} [{words[:WIDTH]}]"
                )
    if not gained and not lost:
        print("no report is tagged differently")


def _tags(sample: Sample, rulebook: Rulebook) -> dict[str, Tag]:
    return {tag.topic: tag for tag in find_tags(sample.title, sample.text, sample.language, rulebook)}
