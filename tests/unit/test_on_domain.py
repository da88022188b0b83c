"""Headlines and leads of our own writing, in six languages and in other words than the rules' own tests."""

import json
from pathlib import Path

import pytest

from services.classify.adapters.rulebook_files import load_rulebook
from services.classify.core.tag import find_tags

LABELLED = [
    json.loads(line) for line in (Path(__file__).parent / "labelled/on_domain.jsonl").read_text().splitlines()
]
TOPICS = [topic.id for topic in load_rulebook().topics]


@pytest.mark.parametrize("topic", TOPICS)
def test_nine_in_ten_are_found_and_nine_in_ten_tags_are_right(topic: str):
    rulebook = load_rulebook()
    found = [
        topic in {tag.topic for tag in find_tags(row["title"], row["text"], None, rulebook)}
        for row in LABELLED
    ]
    wanted = [topic in row["topics"] for row in LABELLED]
    hits = sum(ours and theirs for ours, theirs in zip(found, wanted, strict=True))
    assert hits >= 0.9 * sum(wanted)
    assert hits >= 0.9 * sum(found)
