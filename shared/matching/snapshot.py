"""Many named conditions, matched at once: the cost grows with what matches, not with what exists.

1. All phrases of all conditions are one automaton; conditions that say the same are judged once.
2. Each condition is filed under the terms of which every match has one, the rarest such set.
3. A document's terms name the candidates; each is first compared as sets of terms, and judged in full only
   where sets cannot tell (distance, sentence, weights, masks).

A snapshot never changes. Changes make a new one that shares nearly everything with the old: what is new goes into
a small segment of its own, what is gone is remembered as gone. `compacted` makes one segment of all again.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import NamedTuple

from shared.matching.document import Document
from shared.matching.evaluation import Found, Places, clauses, find_places, holds
from shared.matching.expression import (
    AllOf,
    AnyOf,
    Expression,
    Fact,
    Near,
    Not,
    Phrase,
    Term,
    Together,
    canonical,
    check,
    parts_of,
    simplified,
    terms_of,
)
from shared.matching.necessity import Cost, Terms, find_required_terms, required_terms
from shared.matching.phrases import NUMBER, Automaton
from shared.matching.text import Clause, FieldName

SMALL = 300
"""Conditions at most in the segment that a change makes anew: about 15 ms."""
MOST_SEGMENTS = 8

Keys = tuple[int, ...]


class Match(NamedTuple):
    """A condition that holds for a document."""

    name: str
    conditions: Mapping[str, Expression]
    found: Found

    @property
    def expression(self) -> Expression:
        return self.conditions[self.name]

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """What held, as it was typed, with the words that were found; worked out each time it is asked for."""
        return clauses(self.expression, self.found)


# As the class itself makes one, but without a call in Python: a thousand conditions may hold for a document.
_match: Callable[[tuple[str, Mapping[str, Expression], Found]], Match] = partial(tuple.__new__, Match)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Conditions by id, ready to be matched."""

    _segments: tuple["_Segment", ...] = ()
    _gone: tuple[frozenset[str], ...] = ()
    """By segment, the ids that it has no say in any more."""

    @classmethod
    def build(cls, conditions: Mapping[str, Expression]) -> "Snapshot":
        """The snapshot of these conditions; raise ExpressionError for one that cannot be looked for."""
        return cls((_Segment(conditions),), (frozenset(),)) if conditions else cls()

    def __len__(self) -> int:
        return sum(
            len(segment.expressions) - len(gone)
            for segment, gone in zip(self._segments, self._gone, strict=True)
        )

    def get(self, name: str) -> Expression | None:
        """The condition of that id, if there is one."""
        for segment, gone in zip(self._segments, self._gone, strict=True):
            if name in segment.expressions and name not in gone:
                return segment.expressions[name]
        return None

    def items(self) -> Iterator[tuple[str, Expression]]:
        """Every id with its condition."""
        for segment, gone in zip(self._segments, self._gone, strict=True):
            yield from ((name, each) for name, each in segment.expressions.items() if name not in gone)

    def with_changes(self, put: Mapping[str, Expression], drop: Collection[str] = ()) -> "Snapshot":
        """A snapshot in which these are there as given now, and those are not; raise ExpressionError."""
        changed = {*put, *drop}
        segments, gone = list(self._segments), list(self._gone)
        fresh = dict(put)
        # What is small is made anew with what is new, so that segments stay few.
        while segments and len(segments[-1].expressions) + len(fresh) <= SMALL:
            last, without = segments.pop(), gone.pop() | changed
            fresh = {name: each for name, each in last.expressions.items() if name not in without} | fresh
        gone = [
            without | (changed & segment.expressions.keys())
            for segment, without in zip(segments, gone, strict=True)
        ]
        if fresh:
            segments.append(_Segment(fresh))
            gone.append(frozenset())
        return Snapshot(tuple(segments), tuple(gone))

    @property
    def is_scattered(self) -> bool:
        """Whether `compacted` is worth its while."""
        return len(self._segments) > MOST_SEGMENTS or sum(map(len, self._gone)) > max(SMALL, len(self))

    def compacted(self) -> "Snapshot":
        """The same conditions in one segment; takes seconds for 100,000, so not where something waits."""
        return Snapshot.build(dict(self.items()))

    def match(self, document: Document) -> Iterator[tuple[str, Match]]:
        """Yield the id of each condition that holds, and its match. In no particular order."""
        for segment, gone in zip(self._segments, self._gone, strict=True):
            if gone:
                yield from (found for found in segment.match(document) if found[0] not in gone)
            else:
                yield from segment.match(document)


class _Entry:
    """What several ids ask for in the same way."""

    __slots__ = ("must", "names", "never", "rest")

    def __init__(
        self, must: tuple[Keys, ...], never: Keys, rest: Expression | None, names: tuple[str, ...]
    ) -> None:
        self.must = must
        """Sets of keys; a match has one of each."""
        self.never = never
        self.rest = rest
        """What sets cannot tell."""
        self.names = names


class _Segment:
    """Conditions and their index, made once and never changed."""

    def __init__(self, conditions: Mapping[str, Expression]) -> None:
        self.expressions = dict(conditions)
        shared: dict[Expression, list[str]] = {}
        for name, expression in conditions.items():
            check(expression)
            shared.setdefault(canonical(simplified(expression)), []).append(name)
        uses: Counter[Term] = Counter(term for expression in shared for term in terms_of(expression))

        def cost(term: Term) -> float:
            return uses[term] * _commonness(term)

        self._automaton = Automaton(term.words for term in uses if isinstance(term, Phrase))
        self._keys = _Keys(self._automaton, uses)
        self._filed: dict[int, list[_Entry]] = {}
        filed = [(self._keys.of(required_terms(each, cost)), each) for each in shared]
        # What is looked at together is made together, and so lies together in memory.
        for keys, expression in sorted(filed, key=itemgetter(0)):
            entry = self._entry(expression, keys, cost, shared[expression])
            for key in keys:
                self._filed.setdefault(key, []).append(entry)

    def match(self, document: Document) -> Iterator[tuple[str, Match]]:
        places = find_places(self._automaton, document.text)
        present = self._keys.present(places, document)
        found = Found(document, self._automaton, places)
        filed, expressions = self._filed, self.expressions
        lacks = present.isdisjoint
        for entry in set().union(*map(filed.__getitem__, present & filed.keys())):
            for keys in entry.must:
                if lacks(keys):
                    break
            else:
                if (not entry.never or lacks(entry.never)) and (
                    entry.rest is None or holds(entry.rest, found)
                ):
                    for name in entry.names:
                        yield name, _match((name, expressions, found))

    def _entry(self, expression: Expression, filed_under: Keys, cost: Cost, names: list[str]) -> _Entry:
        must, never, rest = _as_sets(expression, cost)
        # Being a candidate says that one of the terms that it is filed under is there.
        keys = (self._keys.of(terms) for terms in must)
        return _Entry(
            tuple(each for each in keys if each != filed_under), self._keys.of(never), rest, tuple(names)
        )


class _Keys:
    """A number for each term: a phrase's number in the automaton; more for phrases in a field, and for facts."""

    def __init__(self, automaton: Automaton, terms: Iterable[Term]) -> None:
        self._numbers: dict[Term, int] = {}
        self._facts: dict[str, int] = {}
        self._fields: dict[FieldName, dict[int, int]] = {"title": {}, "text": {}}
        for number, term in enumerate(terms, start=len(automaton.forms)):
            if isinstance(term, Fact):
                self._facts[term.key] = number
            elif term.field is not None:
                self._fields[term.field][automaton.number_of(term.words)] = number
            else:
                number = automaton.number_of(term.words)
            self._numbers[term] = number

    def of(self, terms: Iterable[Term]) -> Keys:
        return tuple(sorted(self._numbers[term] for term in terms))

    def present(self, places: Places, document: Document) -> set[int]:
        """The keys of the terms that a document has."""
        present: set[int] = set()
        for field, found in places.items():
            numbers = set(map(NUMBER, found))
            present |= numbers
            if in_field := self._fields[field]:
                present.update(in_field[number] for number in numbers & in_field.keys())
        if self._facts:
            present.update(self._facts[key] for key in self._facts.keys() & document.facts.keys())
        return present


def _commonness(term: Term) -> float:
    """How much oftener such a term is in documents than in conditions: a guess that only costs time if wrong."""
    if isinstance(term, Fact):
        return 20.0
    return (2.0 if term.words.endswith("*") else 1.0) / float(20 ** term.words.count(" "))


def _as_sets(expression: Expression, cost: Cost) -> tuple[list[Terms], Terms, Expression | None]:
    """Sets of terms of which a match has one each; terms that it has not; what is left to judge."""
    must: list[Terms] = []
    never: list[Term] = []
    rest: list[Expression] = []
    for part in expression.parts if isinstance(expression, AllOf) else (expression,):
        match part:
            case Phrase() | Fact():
                must.append((part,))
            case Not(Phrase() | Fact() as term):
                never.append(term)
            case AnyOf(parts) if all(isinstance(each, Phrase | Fact) for each in parts):
                must.append(tuple(each for each in parts if isinstance(each, Phrase | Fact)))
            case Near() | Together():
                must += [terms for group in parts_of(part) if (terms := find_required_terms(group, cost))]
                rest.append(part)
            case _:
                if terms := find_required_terms(part, cost):
                    must.append(terms)
                rest.append(part)
    return must, tuple(never), AllOf(tuple(rest)) if len(rest) > 1 else rest[0] if rest else None
