"""A subscriber's query: read, refused with a reason, matched with evidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.matching.query import Query, QueryError, parse_query
from shared.matching.text import Text

REPORT = Text.of("Talks resume in Doha", "Envoys met on Monday. The convoy carried food aid and tents.")


def held(query: str) -> list[str] | None:
    clauses = parse_query(query).match(REPORT)
    return None if clauses is None else [clause.text for clause in clauses]


@pytest.mark.parametrize(
    ("query", "clauses"),
    [
        ("convoy", ["convoy"]),
        ("CONVOY", ["CONVOY"]),
        ("drone", None),
        ("convoy tents", ["convoy", "tents"]),
        ("convoy AND drone", None),
        ("drone OR tents", ["tents"]),
        ("convoy tents OR drone", ["convoy", "tents"]),
        ("convoy (drone OR tents)", ["convoy", "tents"]),
        ('"food aid"', ['"food aid"']),
        ('"aid food"', None),
        ("env*", ["env*"]),
        ("convoy NOT drone", ["convoy"]),
        ("convoy -tents", None),
        ("convoy NOT (drone OR tents)", None),
        ("convoy NOT (drone AND tents)", ["convoy"]),
        ("NOT NOT convoy", ["convoy"]),
        ("NOT (NOT convoy OR drone)", ["convoy"]),
        ("title:talks", ["title:talks"]),
        ("title:convoy", None),
        ('title:"talks resume"', ['title:"talks resume"']),
        ("food-aid", ["food-aid"]),
        ("aid and tents", ["aid", "and", "tents"]),
        ("“food aid”", ["“food aid”"]),
        ("convoy convoy", ["convoy"]),
    ],
)
def test_a_query_holds_by_its_clauses(query: str, clauses: list[str] | None):
    assert held(query) == clauses


def test_a_clause_carries_the_words_it_found():
    clauses = parse_query("tent* OR talks").match(REPORT)
    assert clauses is not None
    assert [(e.field, e.text) for clause in clauses for e in clause.evidence] == [
        ("text", "tents"),
        ("title", "Talks"),
    ]


def test_evidence_of_one_clause_is_limited():
    clauses = parse_query("aid").match(Text.of("", "aid " * 500))
    assert clauses is not None
    assert len(clauses[0].evidence) == 20


@pytest.mark.parametrize(
    ("query", "position", "message"),
    [
        ("", 0, "empty"),
        ("  ", 0, "empty"),
        ('aid "food', 4, "quotation mark is opened and never closed"),
        ("(aid", 0, r"opened and never closed at character 1: add a \)"),
        ("(", 0, "opened and never closed"),
        ("aid)", 3, "closing parenthesis too many"),
        ("aid ()", 5, "nothing inside"),
        ("aid AND", 4, "nothing to the right of AND at character 5"),
        ("OR aid", 0, "nothing to the left of OR"),
        ("aid OR OR food", 4, "nothing to the right of OR"),
        ("NOT", 0, "nothing to the right of NOT"),
        ("aid (AND food)", 5, "nothing to the left of AND"),
        ("dr*", 0, "too few letters"),
        ("aid ?!", 4, "no letter or digit"),
        ("NOT aid", 4, "only what not to"),
        ("aid OR NOT food", 11, "only what not to"),
        ("title: aid", 0, "nothing after title:"),
        ("topic:aid", 0, "unknown field topic:"),
        (" ".join(["aid"] * 201), 800, "too many terms"),
        ("a" * 2001, 2000, "too long"),
        ("(" * 51 + "aid" + ")" * 51, 50, "too deep"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused_where_it_goes_wrong(query: str, position: int, message: str):
    with pytest.raises(QueryError, match=message) as caught:
        parse_query(query)
    assert caught.value.position == position


def test_as_many_terms_and_levels_as_allowed_are_read():
    assert parse_query(" ".join(["aid"] * 200)).match(REPORT) is not None
    assert parse_query("(" * 50 + "aid" + ")" * 50).match(REPORT) is not None


def test_a_thousand_negations_are_read():
    assert parse_query("-" * 1000 + "aid").match(REPORT) is not None


@given(st.text() | st.text(alphabet='ab ()"-*:ANDORT\n“'))
def test_any_string_is_a_query_or_a_query_error(text: str):
    try:
        query = parse_query(text)
    except QueryError as e:
        query = None
        position = e.position
    assert isinstance(query, Query) or 0 <= position <= len(text)


@given(
    st.text(alphabet="aid AID.é\u00ad'", max_size=60),
    st.sampled_from(["aid", "aid*", '"aid aid"']),
)
def test_evidence_is_a_slice_of_the_original(original: str, query: str):
    for clause in parse_query(query).match(Text.of(original, original)) or ():
        assert all(original[e.start : e.end] == e.text for e in clause.evidence)
