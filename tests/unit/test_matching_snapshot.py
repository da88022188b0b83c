"""Many conditions matched at once, changed without disturbing who reads them."""

import threading

import pytest

from shared.events import Evidence
from shared.matching.document import Document
from shared.matching.expression import (
    AllOf,
    AnyOf,
    AtLeast,
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
)
from shared.matching.query import parse_query
from shared.matching.snapshot import MOST_SEGMENTS, SMALL, Snapshot
from shared.matching.text import Text

AID, AIR, SHOW = Phrase.of("aid"), Phrase.of("air"), Phrase.of("drone show*")
DRONE = Phrase.of("drone*")


def read(text: str, **facts) -> Document:
    return Document.of(Text.of("", text), **facts)


def names(snapshot: Snapshot, document: Document) -> list[str]:
    return sorted(name for name, _ in snapshot.match(document))


def test_an_empty_snapshot_matches_nothing():
    assert names(Snapshot.build({}), read("aid")) == []


def test_only_what_holds_is_matched():
    snapshot = Snapshot.build({"a": AID, "b": AllOf((AID, AIR)), "c": AllOf((AID, Not(AIR)))})
    assert names(snapshot, read("Aid came.")) == ["a", "c"]
    assert names(snapshot, read("Aid came by air.")) == ["a", "b"]


def test_a_match_shows_its_clauses_as_its_owner_typed_them():
    snapshot = Snapshot.build({"a": Phrase.of("AID"), "b": Phrase.of("Aid")})
    clauses = {name: [c.text for c in match.clauses] for name, match in snapshot.match(read("aid"))}
    assert clauses == {"a": ["AID"], "b": ["Aid"]}


def test_facts_alone_are_enough_to_match_by():
    snapshot = Snapshot.build(
        {"en": Fact("language:en"), "uk": Fact("language:uk"), "feed": Fact("source:x")}
    )
    assert names(snapshot, read("", language="en-GB", source="x")) == ["en", "feed"]


def test_a_topic_holds_by_its_subtopic_and_shows_its_words():
    words = Evidence(field="text", start=0, end=3, text="Aid")
    [(_, match)] = Snapshot.build({"a": Fact("topic:aid")}).match(
        read("Aid", topics={"aid/military": [words]})
    )
    assert [(clause.text, clause.evidence) for clause in match.clauses] == [("topic:aid", (words,))]


def test_weights_add_up_to_the_threshold_and_may_be_negative():
    snapshot = Snapshot.build({"w": Weighted(3, ((AID, 2), (AIR, 2), (Phrase.of("show"), -2)))})
    found = [names(snapshot, read(text)) for text in ("aid", "aid air", "aid air show")]
    assert found == [[], ["w"], []]


def test_what_a_mask_touches_counts_for_nothing():
    snapshot = Snapshot.build({"m": Masked(DRONE, (SHOW,))})
    assert names(snapshot, read("A drone show.")) == []
    assert names(snapshot, read("A drone show, and a drone.")) == ["m"]


def test_a_change_leaves_the_old_snapshot_as_it_was():
    before = Snapshot.build({"a": AID, "b": AID})
    after = before.with_changes({"a": AIR, "c": AID}, ["b"])
    assert (names(before, read("aid")), names(after, read("aid")), names(after, read("air"))) == (
        ["a", "b"], ["c"], ["a"]
    )  # fmt: skip
    assert (len(before), len(after), after.get("a"), after.get("b")) == (2, 2, AIR, None)


def test_many_changes_say_when_it_is_time_to_put_together():
    snapshot = Snapshot.build({"first": AID})
    for number in range(MOST_SEGMENTS + 1):
        snapshot = snapshot.with_changes({f"{number}-{each}": AID for each in range(SMALL)})
    assert snapshot.is_scattered
    assert not snapshot.compacted().is_scattered
    assert len(snapshot.compacted()) == len(snapshot) == SMALL * (MOST_SEGMENTS + 1) + 1


def test_swapping_snapshots_under_load_loses_and_doubles_nothing():
    steady = {f"steady-{number}": AID for number in range(50)}
    holder = [Snapshot.build(steady)]

    def change() -> None:
        for number in range(200):
            changed = holder[0].with_changes({f"new-{number}": AID}, [f"new-{number - 1}"])
            holder[0] = changed if number % 50 else changed.compacted()

    changing = threading.Thread(target=change)
    changing.start()
    document = read("aid")
    while changing.is_alive():
        found = [name for name in names(holder[0], document) if name.startswith("steady")]
        assert found == sorted(steady)
    changing.join()
    assert names(holder[0], document) == sorted([*steady, "new-199"])


@pytest.mark.parametrize(
    "expression",
    [
        Not(AID),
        AnyOf((AID, Not(AIR))),
        AtLeast(1, (AID, Not(AIR))),
        Weighted(0, ((AID, 1),)),
        Weighted(1, ((Not(AID), 1), (AIR, 1))),
        Masked(Not(AID), (SHOW,)),
    ],
)
def test_what_could_match_where_nothing_is_found_is_refused(expression):
    with pytest.raises(ExpressionError, match="only what not to"):
        Snapshot.build({"x": expression})


@pytest.mark.parametrize(
    "expression",
    [
        AtLeast(2, (AID, AIR, Not(SHOW))),
        Weighted(2, ((Not(AID), 1), (AIR, 1))),
        AllOf((Not(AID), AIR)),
    ],
)
def test_what_needs_something_found_is_taken(expression):
    assert names(Snapshot.build({"x": expression}), read("air")) == ["x"]


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        (AllOf(()), "without parts"),
        (AtLeast(3, (AID, AIR)), "at least 3 of 2"),
        (AtLeast(0, (AID,)), "at least 0 of 1"),
        (Near(AID, AIR, 0), "distance of 0"),
        (Near(AID, AIR, 101), "distance of 101"),
        (Together((AID, AnyOf((AIR, Not(SHOW))))), "no one place"),
        (AnyOf((AID,) * 1001), "1001 terms"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(expression, problem: str):
    with pytest.raises(ExpressionError, match=problem):
        check(expression)


def test_a_tree_too_deep_is_refused():
    deep = AID
    for _ in range(300):
        deep = AllOf((deep,))
    with pytest.raises(ExpressionError, match="too deep"):
        check(deep)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("aid OR air", "AIR or OR aid"),
        ("aid air", "(air AND aid) AND AID"),
        ("aid NEAR/3 air", "air NEAR/3 aid"),
        ("2 OF (aid, air, show)", "2 OF (show, aid, air)"),
        ("aid SAME air", "air SAME aid SAME air"),
        ("NOT NOT aid", "aid"),
    ],
)
def test_queries_that_say_the_same_are_the_same(one: str, other: str):
    same = canonical(parse_query(one).root) == canonical(parse_query(other).root)
    assert same is ("or OR" not in other)


def test_the_order_of_near_words_is_kept():
    assert canonical(Near(AID, AIR, 3, in_order=True)) != canonical(Near(AIR, AID, 3, in_order=True))
