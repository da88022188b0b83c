"""Sentences with trap words and everyday news, of our own writing: nearly none may be tagged."""

from pathlib import Path
from random import Random

import pytest

from services.classify.adapters.rulebook_files import load_rulebook
from services.classify.core.tag import find_tags

SENTENCES = (Path(__file__).parent / "labelled/off_domain.txt").read_text().splitlines()


@pytest.mark.parametrize("field", ["title", "text"])
def test_under_two_percent_of_everyday_sentences_are_tagged(field: str):
    rulebook = load_rulebook()
    tagged = [
        sentence
        for sentence in SENTENCES
        if find_tags(**({"title": "", "text": ""} | {field: sentence}), language=None, rulebook=rulebook)
    ]
    assert len(SENTENCES) >= 600
    assert len(tagged) < 0.02 * len(SENTENCES), tagged


def test_long_texts_of_nothing_but_trap_words_get_hardly_a_tag():
    rulebook = load_rulebook()
    texts = [" ".join(Random(number).choices(SENTENCES, k=700)) for number in range(20)]
    assert all(len(text.split()) > 4_500 for text in texts)
    tags = [tag for text in texts for tag in find_tags("", text, None, rulebook) if "/" not in tag.topic]
    assert len(tags) < 0.6 * len(texts)
