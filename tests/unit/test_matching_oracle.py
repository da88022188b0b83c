"""Whatever the fast engine says, the slow one says too: random conditions over random texts in three scripts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events import Evidence
from shared.matching import oracle
from shared.matching.document import Document
from shared.matching.evaluation import clauses, find_phrases, holds, pairs
from shared.matching.explanation import explain
from shared.matching.expression import (
    AllOf,
    AnyOf,
    AtLeast,
    Expression,
    ExpressionError,
    Fact,
    Masked,
    Near,
    Not,
    Phrase,
    Together,
    Weighted,
    canonical,
    check,
    phrases_of,
    simplified,
)
from shared.matching.necessity import required_terms
from shared.matching.phrases import Automaton
from shared.matching.query import QueryError, parse_query
from shared.matching.snapshot import Snapshot
from shared.matching.text import Text

WORDS = ["aid", "aids", "air", "Aïd", "дрон", "дрони", "мир", "سلام", "السلام", "طائرة"]
STOPS = [". ", "! ", "\n\n", ", ", " ", " ", " ", "’s ", " (", "… "]
PHRASES = [
    "aid",
    "aid*",
    "air",
    "aid air",
    "aid* air",
    "дрон*",
    "мир",
    "дрон* мир",
    "سلام",
    "سلام طائرة",
    "air aid*",
]

texts = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(STOPS)), max_size=14).map(
    lambda pieces: "".join(word.capitalize() + stop for word, stop in pieces)
)
facts = st.dictionaries(
    st.sampled_from(["topic:aid", "country:UA"]),
    st.just((Evidence(field="title", start=0, end=0, text=""),)),
)
documents = st.builds(lambda title, text, facts: Document(Text.of(title, text), facts), texts, texts, facts)
phrases = st.builds(Phrase.of, st.sampled_from(PHRASES), st.sampled_from([None, None, None, "title", "text"]))
groups = phrases | st.lists(phrases, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts)))
leaves = (
    phrases
    | st.sampled_from([Fact("topic:aid"), Fact("country:UA")])
    | st.builds(Near, groups, groups, st.integers(1, 4), st.booleans())
    | st.lists(groups, min_size=1, max_size=3).map(lambda parts: Together(tuple(parts)))
)


def joined(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(parts, min_size=1, max_size=3).map(tuple)
    weights = st.sampled_from([-3.0, -1.0, 0.5, 1.0, 2.0])
    items = st.lists(st.tuples(parts, weights), min_size=1, max_size=3).map(tuple)
    return (
        several.map(AllOf)
        | several.map(AnyOf)
        | parts.map(Not)
        | several.flatmap(lambda each: st.integers(1, len(each)).map(lambda count: AtLeast(count, each)))
        | st.builds(Weighted, st.sampled_from([0.5, 1.0, 2.0, 3.0]), items)
        | st.builds(Masked, parts, st.lists(phrases, max_size=2).map(tuple))
    )


expressions = st.recursive(leaves, joined, max_leaves=8)


def can_be_filed(expression: Expression) -> bool:
    try:
        required_terms(simplified(expression), lambda _: 1)
    except ExpressionError:
        return False
    return True


def found(expression: Expression, document: Document):
    return find_phrases(Automaton(p.words for p in phrases_of(expression)), document)


@settings(max_examples=400)
@given(expressions, documents)
def test_one_condition_holds_for_the_engine_as_it_does_for_the_oracle(
    expression: Expression, document: Document
):
    check(expression)
    expected = oracle.holds(expression, document)
    assert holds(expression, found(expression, document)) == expected
    assert oracle.holds(simplified(expression), document) == expected
    assert oracle.holds(canonical(simplified(expression)), document) == expected


@settings(max_examples=200)
@given(st.lists(expressions.filter(can_be_filed), max_size=12), st.lists(documents, min_size=1, max_size=4))
def test_a_snapshot_matches_what_the_oracle_does(listed: list[Expression], read: list[Document]):
    conditions = {str(number): expression for number, expression in enumerate(listed)}
    snapshot = Snapshot.build(conditions)
    for document in read:
        assert {name for name, _ in snapshot.match(document)} == oracle.matching(conditions, document)


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcdef"), expressions.filter(can_be_filed) | st.none(), max_size=4),
        max_size=6,
    ),
    documents,
    st.booleans(),
)
def test_a_snapshot_after_changes_matches_as_one_made_at_once(changes, document: Document, compact: bool):
    snapshot, kept = Snapshot.build({}), {}
    for change in changes:
        put = {name: each for name, each in change.items() if each is not None}
        drop = change.keys() - put.keys()
        snapshot = snapshot.with_changes(put, drop)
        kept = {name: each for name, each in (kept | change).items() if each is not None}
    snapshot = snapshot.compacted() if compact else snapshot
    assert (len(snapshot), dict(snapshot.items())) == (len(kept), kept)
    names = [name for name, _ in snapshot.match(document)]
    assert len(names) == len(set(names))
    assert set(names) == oracle.matching(kept, document)


@given(expressions.filter(can_be_filed), documents)
def test_evidence_is_cut_out_of_the_original(expression: Expression, document: Document):
    for name, match in Snapshot.build({"one": expression}).match(document):
        pieces = [piece for clause in match.clauses for piece in clause.evidence if piece.end]
        originals = {"title": document.text.title.original, "text": document.text.text.original}
        assert name == "one"
        assert all(originals[piece.field][piece.start : piece.end] == piece.text for piece in pieces)


@given(st.builds(Near, groups, groups, st.integers(1, 4), st.booleans()), documents)
def test_the_engine_and_the_oracle_find_the_same_pairs(near: Near, document: Document):
    assert set(pairs(near, found(near, document))) == set(oracle.near_pairs(near, document))


@given(expressions, documents)
def test_an_explanation_says_of_each_part_whether_it_held(expression: Expression, document: Document):
    explanation = explain(expression, document)
    assert explanation.held == oracle.holds(expression, document)
    assert explanation.note
    if explanation.held and not isinstance(expression, Not):
        clause_evidence = [
            piece for clause in clauses(expression, found(expression, document)) for piece in clause.evidence
        ]
        assert explanation.evidence == tuple(dict.fromkeys(clause_evidence))


PIECES = [
    *PHRASES,
    '"aid air"',
    "title:aid",
    "topic:aid",
    "AND",
    "OR",
    "NOT",
    "-",
    "(",
    ")",
    "NEAR/2",
    "ONEAR/3",
]
PIECES += ["SAME", "2 OF (", ",", "title:(", "country:ua"]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=10).map(" ".join), documents)
def test_a_query_matches_alone_as_it_does_in_a_snapshot_and_in_the_oracle(typed: str, document: Document):
    try:
        query = parse_query(typed)
    except QueryError:
        return
    expected = oracle.holds(query.root, document)
    held = query.match(document)
    matches = dict(Snapshot.build({"one": query.root}).match(document))
    assert (held is not None) == expected == bool(matches)
    assert held is None or matches["one"].clauses == held
