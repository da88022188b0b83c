"""Why a condition held, or how near it came."""

import time

import pytest

from shared.matching.document import Document
from shared.matching.explanation import Explanation, explain
from shared.matching.expression import Expression, Masked, Phrase, Weighted
from shared.matching.query import parse_query
from shared.matching.text import Text

REPORT = Document.of(
    Text.of(
        "Talks resume", "A convoy with food aid left. Later, far to the south, tents came. A drone show."
    ),
    topics={"aid": []},
)


def explained(query: str) -> Explanation:
    return explain(parse_query(query).root, REPORT)


@pytest.mark.parametrize(
    ("query", "held", "note"),
    [
        ("convoy", True, "found once"),
        ("a", True, "found 2 times"),
        ("missile", False, "not found"),
        ("tent", False, "not found; tent* would find tents"),
        ("title:tent", False, "not found"),
        ('"cruise missile"', False, "not found"),
        ('"food convoy left"', False, "3 of 3 words are there, but not one after another"),
        ('"food missile left"', False, "2 of 3 words are there, not missile"),
        ("title:convoy", False, "in the text, not in the title"),
        ("text:talks", False, "in the title, not in the text"),
        ("convoy missile", False, "1 of 2 hold"),
        ("missile OR rocket", False, "0 of 2 hold"),
        ("2 OF (convoy, missile, rocket)", False, "1 of 3 hold, needed 2"),
        ("convoy NEAR/8 tents", False, "nearest distance 10, allowed 8"),
        ("tents ONEAR/20 convoy", False, "in the wrong order, nearest distance 10, allowed 20"),
        ("talks NEAR/8 tents", False, "both are there, but not beside each other in one field"),
        ("convoy NEAR/8 missile", False, "1 of 2 are there, not missile"),
        ("convoy NEAR/3 food", True, "near enough"),
        ("convoy SAME tents", False, "all 2 are there, at most 1 in one sentence"),
        ("convoy SAME food", True, "in one sentence"),
        ("convoy SAME (rocket OR missile)", False, "1 of 2 are there, not rocket OR missile"),
        ("topic:aid", True, "it is"),
        ("topic:displacement", False, "it is aid"),
        ("country:UA", False, "none is known"),
    ],
)
def test_a_note_says_how_near_it_came(query: str, held: bool, note: str):
    explanation = explained(query)
    assert (explanation.held, explanation.note) == (held, note)


def test_each_clause_is_explained():
    parts = explained("convoy NOT tents").parts
    assert [(part.text, part.held, part.note) for part in parts] == [
        ("convoy", True, "found once"),
        ("NOT tents", False, "found, and must not be"),
    ]
    assert [piece.text for piece in parts[0].evidence] == ["convoy"]


@pytest.mark.parametrize(
    "query", ["aid NEAR/100 aid", "aid ONEAR/1 food", "food NEAR/1 aid NOT (tents SAME aid)", "aid SAME food"]
)
def test_a_word_said_without_end_takes_no_more_time_than_it_is_worth(query: str):
    text = Text.of("", "aid " * 30_000 + "x " * 30 + "food " * 30_000)
    began = time.process_time()
    parse_query(query).match(text)
    explain(parse_query(query).root, Document(text))
    assert time.process_time() - began < 2


def test_weights_are_added_up():
    weighted = Weighted(10, ((Phrase.of("convoy"), 6), (Phrase.of("missile"), 6)))
    assert explain(weighted, REPORT).note == "weights 6, needed 10"


def test_a_mask_that_covers_is_named():
    masked: Expression = Masked(Phrase.of("drone*"), (Phrase.of("drone show*"),))
    assert (explain(masked, REPORT).held, explain(masked, REPORT).note) == (
        False,
        "“drone show*” covers drone*",
    )
