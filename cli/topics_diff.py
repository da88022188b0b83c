"""What a change of the rulebook gains and loses, over reports."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cli.lines import Sample, read_lines
from services.classify.core.difference import differences, words_of
from services.classify.core.rulebook import Rulebook

WIDTH = 100


def read_samples(source: str) -> list[Sample]:
    """Return the reports of a file of JSON lines, `-` for standard input; raise ValueError naming a bad line."""
    lines = sys.stdin.readlines() if source == "-" else Path(source).read_text().splitlines()
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
