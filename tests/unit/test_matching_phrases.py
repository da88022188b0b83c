"""Phrases found in texts."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.matching.document import Document
from shared.matching.evaluation import find_phrases
from shared.matching.expression import Phrase
from shared.matching.phrases import Automaton, Part, PhraseError, normal_form, parts_of
from shared.matching.text import Span, Text


def find(phrases: Iterable[str], text: Text) -> list[tuple[str, Span]]:
    """Every place of every phrase: title, then text; by first word."""
    forms = {phrase: normal_form(phrase) for phrase in phrases}
    found = find_phrases(Automaton(forms.values()), Document(text))
    hits = [(phrase, span) for phrase, form in forms.items() for span in found.spans(Phrase(form))]
    return sorted(hits, key=lambda hit: (hit[1].field != "title", hit[1].first))


def found(text: str, *phrases: str) -> list[str]:
    return [phrase for phrase, _ in find(phrases, Text.of("", text))]


def test_a_phrase_is_found_in_any_case_and_across_a_line_break():
    assert found("AID\nworkers left", "aid workers") == ["aid workers"]


def test_a_word_inside_another_is_not_found():
    assert found("popstars", "star", "stars", "pop") == []


def test_a_star_finds_every_word_that_begins_so():
    assert found("drone drones droning", "drone*") == ["drone*", "drone*"]


def test_a_star_may_stand_inside_a_phrase():
    assert found("refugees returned home", "refugee* return* home") == ["refugee* return* home"]


def test_no_phrase_crosses_the_end_of_a_sentence():
    assert found("They sent aid. Workers slept.", "aid workers") == []


def test_overlapping_phrases_are_all_found():
    phrases = found("peace talks stalled", "peace talks", "talks stalled", "peace")
    assert phrases == ["peace talks", "peace", "talks stalled"]


def test_a_phrase_longer_than_what_is_left_is_not_found():
    assert found("peace", "peace talks") == []


def test_title_comes_before_text():
    hits = find(["aid"], Text.of("Aid", "no aid"))
    assert hits == [("aid", Span("title", 0, 0)), ("aid", Span("text", 1, 1))]


def test_words_seen_before_are_found_again():
    texts = [Text.of("", "дім " + "д" * 50) for _ in range(2)]
    assert [len(find(["дім", "д" * 50], text)) for text in texts] == [2, 2]


def test_more_different_words_than_are_remembered_change_nothing():
    Text.of("", " ".join(f"д{number}" for number in range(100_001)))
    assert len(find(["дім"], Text.of("", "дім"))) == 1


@pytest.mark.parametrize(
    ("phrase", "problem"),
    [
        ("", "no letter"),
        ("?!", "no letter"),
        ("dr*", "too few letters"),
        ("*aid", "misplaced"),
        ("a*d", "misplaced"),
        ("aid *", "misplaced"),
    ],
)
def test_a_phrase_that_cannot_be_found_is_refused(phrase: str, problem: str):
    with pytest.raises(PhraseError, match=problem):
        parts_of(phrase)


@given(st.lists(st.sampled_from(["a", "b", "ab", "abc", "abcd", ".", "c"]), max_size=30))
def test_the_automaton_finds_what_a_plain_search_finds(words: list[str]):
    text = Text.of("", " ".join(words))
    phrases = ["a", "a b", "abc*", "b abc*", "abc* c"]
    assert sorted(find(phrases, text), key=str) == sorted(plainly(phrases, text), key=str)


def plainly(phrases: list[str], text: Text) -> list[tuple[str, Span]]:
    hits = []
    for phrase in phrases:
        parts = parts_of(phrase)
        for first in range(len(text.text.forms) - len(parts) + 1):
            last = first + len(parts) - 1
            forms = text.text.forms[first : last + 1]
            together = text.text.sentence_of(first) == text.text.sentence_of(last)
            if together and all(fits(part, form) for part, form in zip(parts, forms, strict=True)):
                hits.append((phrase, Span("text", first, last)))
    return hits


def fits(part: Part, form: str) -> bool:
    return form.startswith(part.form) if part.is_prefix else form == part.form
