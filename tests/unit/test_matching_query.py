"""A subscriber's query: read, refused with a reason, matched with evidence."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import Evidence
from shared.matching.document import Document
from shared.matching.query import Query, QueryError, parse_query
from shared.matching.slips import slips
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
        ("convoy, tents", ["convoy", "tents"]),
        ("convoy NEAR/4 tents", None),
        ("convoy NEAR/5 tents", ["convoy NEAR/5 tents"]),
        ("tents near/5 convoy", None),
        ('carried NEAR/1 "the convoy"', ['carried NEAR/1 "the convoy"']),
        ('carried NEAR/1 "envoys met"', None),
        ("convoy NEAR/9 convoy", None),
        ("tents NEAR convoy", ["tents NEAR/10 convoy"]),
        ("tents ONEAR/5 convoy", None),
        ('convoy ONEAR/5 ("food aid" OR drone)', ['convoy ONEAR/5 ("food aid" OR drone)']),
        ("resume NEAR/50 envoys", None),
        ("convoy SAME tents SAME aid", ["convoy SAME tents SAME aid"]),
        ("envoys SAME convoy", None),
        ("envoys NOT (envoys SAME convoy)", ["envoys"]),
        ("convoy tents NEAR/3 aid", ["convoy", "tents NEAR/3 aid"]),
        ("2 OF (convoy, drone, tents)", ["convoy", "tents"]),
        ("2 OF (convoy, drone, missile OR tank)", None),
        ("2 OF (convoy drone, tents, NOT drone)", ["tents"]),
        ("2 OF convoy", None),
        ("1,000 OR tents", ["tents"]),
        ("title:(talks OR convoy)", ["title:talks"]),
        ("title:(convoy OR text:tents)", ["text:tents"]),
        ("text:talks", None),
        ("title:(talks NEAR/3 doha)", ["title:talks NEAR/3 title:doha"]),
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


def test_facts_hold_for_a_document_that_says_so():
    words = Evidence(field="text", start=0, end=6, text="Envoys")
    document = Document.of(REPORT, topics={"negotiations/talks": [words]}, countries={"QA": []})
    clauses = parse_query("topic:Negotiations country:qa NOT topic:aid").match(document)
    assert clauses is not None
    assert [(clause.text, clause.evidence) for clause in clauses] == [
        ("topic:Negotiations", (words,)),
        ("country:qa", ()),
    ]
    assert parse_query("topic:negotiations/talks").match(document)
    assert parse_query("topic:negotiations/ceasefire").match(document) is None


def test_a_query_names_the_facts_that_it_asks_for():
    assert parse_query("aid topic:aid (topic:AID OR country:ua)").facts == ("topic:aid", "country:UA")


def test_nearness_shows_the_words_that_are_near():
    clauses = parse_query("aid NEAR/2 food").match(
        Text.of("", "Aid came. Food and aid. Later, much later, food.")
    )
    assert clauses is not None
    assert [(e.start, e.text) for e in clauses[0].evidence] == [(0, "Aid"), (10, "Food"), (19, "aid")]


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
        ("aid || food", 4, "no letter or digit .* write OR"),
        ("aid & food", 4, "no letter or digit .* write AND"),
        ("- aid", 0, "no letter or digit .* put the - right before a word"),
        ("title: aid", 0, "nothing after title:"),
        ("person:smith", 0, r"unknown field person: .* country:, text:, title:, topic: are known"),
        ("topic:(aid OR food)", 0, "unknown field topic:"),
        ("topic:ai*", 0, r"too few letters|a \\* in topic:"),
        ("aid NEAR/0 food", 4, "no distance in NEAR/0 at character 5: write NEAR/1 to NEAR/100"),
        ("aid NEAR/ food", 4, "no distance"),
        ("aid NEAR/999999999999 food", 4, "no distance"),
        ("aid NEAR/3", 4, "nothing to the right of NEAR"),
        ("SAME aid", 0, "nothing to the left of SAME"),
        ("aid NEAR/3 NOT food", 0, "NEAR between what has no place in the text"),
        ("convoy (aid food) SAME tents", 7, "SAME between what has no place"),
        ("aid NEAR/3 food NEAR/3 tents", 16, "NEAR after NEAR"),
        ("aid SAME food NEAR/3 tents", 14, "NEAR after SAME"),
        ("3 OF (aid, food)", 0, "3 of 2 .* ask for 1 to 2"),
        ("0 OF (aid, food)", 0, "0 of 2"),
        ("2 OF (aid, food", 5, "opened and never closed"),
        ("2 OF (aid, , food)", 11, "nothing before the comma"),
        ("title:(aid", 6, "opened and never closed"),
        ("2 OF (aid, NOT food, NOT tents)", 15, "only what not to"),
        (" ".join(["aid"] * 201), 800, "too many terms"),
        ("a" * 2001, 2000, "too long"),
        ("(" * 51 + "aid" + ")" * 51, 50, "too deep"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused_where_it_goes_wrong(query: str, position: int, message: str):
    with pytest.raises(QueryError, match=message) as caught:
        parse_query(query)
    assert caught.value.position == position


@pytest.mark.parametrize("query", (Path(__file__).parent / "malformed_queries.txt").read_text().splitlines())
def test_each_of_a_hundred_malformed_queries_is_refused_with_a_position(query: str):
    with pytest.raises(QueryError, match=r" at character \d+: ") as refused:
        parse_query(query)
    assert 0 <= refused.value.position <= len(query)


@pytest.mark.parametrize(
    ("query", "culprit"),
    [
        ("x NOT (a OR b) OR -c", "c"),
        ("a b (c OR NOT d) -e OR -f", "f"),
        ("(a OR NOT b) OR c", "b"),
        ("a OR (b OR (c OR NOT (d e)))", "(d"),
        ("-a -b", "a"),
    ],
)
def test_where_nothing_is_asked_for_the_error_points_at_it(query: str, culprit: str):
    with pytest.raises(QueryError, match="nothing here says what to find") as refused:
        parse_query(query)
    assert query[refused.value.position :].startswith(culprit)


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


@pytest.mark.parametrize(
    ("query", "position", "remedy"),
    [
        ("aid or convoy", 4, 'write OR for the operator; for the word, "or"'),
        ("aid (food And tents)", 10, "write AND"),
        ("not aid", 0, "write NOT"),
        ("aid near/3 convoy", 4, "write NEAR/3"),
        ("aid W/5 convoy", 4, "write a NEAR/5 b"),
        ('"aid convoy"~5', 12, "write a NEAR/5 b"),
        ("aid NEAR 3 convoy", 9, "write NEAR/3"),
        ("aid NEAR /3 convoy", 9, "write NEAR/3"),
        ("2 of (aid, food)", 2, "write 2 OF (a, b, c)"),
        ("food !aid", 5, "write NOT"),
        ("‘aid convoy’", 0, "a phrase has double quotes"),
        ("'aid convoy'", 0, "a phrase has double quotes"),
        ("food title:-aid", 5, "write the - before the field"),
        ("title:topic:aid", 0, "write one field for each word"),
    ],
)
def test_what_looks_like_an_operator_and_is_read_as_a_word_is_told(query: str, position: int, remedy: str):
    parse_query(query)
    [slip] = slips(query)
    assert slip.position == position
    assert remedy in str(slip)


@pytest.mark.parametrize(
    "query",
    [
        '"or" noir',
        "aid OR convoy",
        "2 OF (aid, food)",
        "2OF(aid,food)",
        'aid NEAR "3"',
        "О’Брайен d'aide",
        "fire near Kyiv",
    ],
)
def test_words_in_quotes_and_operators_are_no_slips(query: str):
    assert slips(query) == []


def test_alternatives_in_brackets_of_their_own_have_a_place_too():
    assert held("aid NEAR/3 (drone OR (tents OR food))") == ["aid NEAR/3 (drone OR tents OR food)"]
