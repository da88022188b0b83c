"""Whether a condition holds for a document, and by which words."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, reduce
from itertools import chain, islice, zip_longest
from math import fsum
from operator import and_

from shared.matching.document import Document
from shared.matching.expression import (
    AllOf,
    AnyOf,
    AtLeast,
    Expression,
    Fact,
    Group,
    Masked,
    Near,
    Not,
    Phrase,
    Together,
    Weighted,
    members,
)
from shared.matching.phrases import Automaton, Place
from shared.matching.text import Clause, FieldName, Span, Text
from shared.matching.words import Words

MOST_EVIDENCE = 20
# A text of one word said ten thousand times has millions of pairs; the first show enough.
_MOST_PAIRS = 1_000

Sentence = tuple[FieldName, int]


Places = Mapping[FieldName, list[Place]]
"""Where phrases stand in the line of each field."""

InLine = tuple[int, int]
"""Where a phrase begins and ends in a line."""


def find_places(automaton: Automaton, text: Text) -> Places:
    """Every place of an automaton's phrases in a text."""
    return {field: automaton.find(words) for field, words in text.fields()}


def find_phrases(automaton: Automaton, document: Document) -> "Found":
    """The same, ready for conditions to be judged by."""
    return Found(document, automaton, find_places(automaton, document.text))


class Found:
    """Where an automaton's phrases were found in a document. Worked out for the phrases that are asked for."""

    def __init__(self, document: Document, automaton: Automaton, places: Places) -> None:
        self.document = document
        self._automaton = automaton
        self._places = places
        self._spans: dict[str, list[Span]] = {}
        self._clauses = document.text.clauses

    @cached_property
    def _lines(self) -> dict[FieldName, dict[str, list[InLine]]]:
        """By field and phrase, where in the line it begins and ends."""
        lines: dict[FieldName, dict[str, list[InLine]]] = {}
        for field, places in self._places.items():
            found: dict[int, list[InLine]] = defaultdict(list)
            for number, start, end in places:
                found[number].append((start, end))
            lines[field] = {self._automaton.forms[number]: each for number, each in found.items()}
        return lines

    def spans(self, phrase: Phrase) -> list[Span]:
        """The places of a phrase, the title's first."""
        words = phrase.words
        if words not in self._spans:
            length, text = words.count(" "), self.document.text
            self._spans[words] = [
                Span(field, first, first + length)
                for field, lines in self._lines.items()
                if words in lines
                for first in text.words(field).numbers_at(start for start, _ in lines[words])
            ]
        spans = self._spans[words]
        return spans if phrase.field is None else [span for span in spans if span.field == phrase.field]

    def has(self, phrase: Phrase) -> bool:
        """Whether the phrase is anywhere; cheaper than to say where."""
        words, lines = phrase.words, self._lines
        if phrase.field:
            return words in lines[phrase.field]
        return words in lines["text"] or words in lines["title"]

    def clause(self, phrase: Phrase) -> Clause:
        """What a phrase found. Remembered: conditions by the hundred may hold by the same phrase."""
        key = phrase.typed, phrase.words, phrase.field
        if key not in self._clauses:
            self._clauses[key] = _clause(phrase, self.spans(phrase), self)
        return self._clauses[key]

    def group(self, group: Group) -> list[Span]:
        """The places of a group's phrases, the title's first, by first word."""
        if isinstance(group, Phrase):
            return self.spans(group)
        spans = {span for phrase in members(group) for span in self.spans(phrase)}
        return sorted(spans, key=lambda span: (span.field != "title", span.first, span.last))

    def near(self, near: Near) -> bool:
        """Whether a pair stands near enough; cheaper than to say which."""
        for field, words in self.document.text.fields():
            left = self._in_line(near.left, field)
            if left and (right := self._in_line(near.right, field)):
                if _follows(left, right, words, near.distance):
                    return True
                if not near.in_order and _follows(right, left, words, near.distance):
                    return True
        return False

    def _in_line(self, group: Group, field: FieldName) -> list[InLine]:
        """Where a group's phrases begin and end in the line of a field, by where they begin."""
        lines = self._lines[field]
        found = [lines.get(each.words, []) for each in members(group) if each.field in (None, field)]
        return found[0] if len(found) == 1 else sorted(chain.from_iterable(found))

    def sentence_of(self, span: Span) -> Sentence:
        return self.document.text.sentence_of(span)


class Unmasked(Found):
    """The same places, without those that share a word with a mask."""

    def __init__(self, found: Found, masks: Iterable[Phrase]) -> None:
        self.document = found.document
        self._all = found
        self._clauses = {}
        self.hidden = frozenset(
            (span.field, word)
            for mask in masks
            for span in found.spans(mask)
            for word in range(span.first, span.last + 1)
        )

    def spans(self, phrase: Phrase) -> list[Span]:
        spans = self._all.spans(phrase)
        return [span for span in spans if not self._hides(span)] if self.hidden else spans

    def has(self, phrase: Phrase) -> bool:
        return bool(self.spans(phrase)) if self.hidden else self._all.has(phrase)

    def near(self, near: Near) -> bool:
        return next(pairs(near, self), None) is not None if self.hidden else self._all.near(near)

    def _hides(self, span: Span) -> bool:
        return any((span.field, word) in self.hidden for word in range(span.first, span.last + 1))


def holds(expression: Expression, found: Found) -> bool:
    """Whether the condition holds."""
    match expression:
        case Phrase():
            return found.has(expression)
        case Fact(key):
            return key in found.document.facts
        case AllOf(parts):
            return all(holds(part, found) for part in parts)
        case AnyOf(parts):
            return any(holds(part, found) for part in parts)
        case Not(part):
            return not holds(part, found)
        case Near():
            return found.near(expression)
        case Together(groups):
            return bool(common_sentences(groups, found))
        case AtLeast(count, parts):
            return sum(holds(part, found) for part in parts) >= count
        case Weighted(threshold):
            return score(expression, found) >= threshold
        case Masked(part, masks):
            return holds(part, Unmasked(found, masks))


def score(weighted: Weighted, found: Found) -> float:
    """The sum of the weights of what holds."""
    return fsum(weight for part, weight in weighted.items if holds(part, found))


def pairs(near: Near, found: Found) -> Iterator[tuple[Span, Span]]:
    """The places, left and right, that stand near enough."""
    left, right = found.group(near.left), found.group(near.right)
    for field in ("title", "text") if left and right else ():
        others = [span for span in right if span.field == field]
        firsts = [span.first for span in others]
        longest = max((span.last - span.first for span in others), default=0)
        for span in left:
            if span.field == field:
                start = bisect_left(firsts, span.first - near.distance - longest)
                end = bisect_right(firsts, span.last + near.distance)
                yield from ((span, other) for other in others[start:end] if is_near(near, span, other))


def _follows(firsts: list[InLine], thens: list[InLine], words: Words, distance: int) -> bool:
    """Whether one of the second begins at most so many words after the end of one of the first."""
    starts, ends = [start for start, _ in thens], sorted([end for _, end in firsts])
    for end, following in zip_longest(ends, ends[1:]):
        last = words.end_of_word(end - 1)
        at = bisect_left(starts, last)
        if at == len(starts):
            return False
        # If the following first is before it too, that one is nearer. So no part of a line is counted twice.
        if (following is None or following - 1 > starts[at]) and words.steps(last, starts[at]) < distance:
            return True
    return False


def is_near(near: Near, left: Span, right: Span) -> bool:
    """Whether two places of one field stand as the condition wants them."""
    distance = right.first - left.last
    if not near.in_order and distance < 1:
        distance = left.first - right.last
    return 1 <= distance <= near.distance


def common_sentences(groups: Iterable[Group], found: Found) -> set[Sentence]:
    """The sentences that have one of each group."""
    places = [found.group(group) for group in groups]
    return reduce(and_, [set(map(found.sentence_of, spans)) for spans in places]) if all(places) else set()


def clauses(expression: Expression, found: Found) -> tuple[Clause, ...]:
    """What speaks for a condition that holds, clause by clause, each once."""
    return tuple(dict.fromkeys(_clauses(expression, found)))


def _clauses(expression: Expression, found: Found) -> Iterator[Clause]:
    match expression:
        case Phrase():
            yield found.clause(expression)
        case Fact(key):
            yield Clause(str(expression), found.document.facts[key][:MOST_EVIDENCE])
        case Near():
            near = islice(pairs(expression, found), _MOST_PAIRS)
            yield _clause(expression, _ordered(span for pair in near for span in pair), found)
        case Together(groups):
            sentences = common_sentences(groups, found)
            spans = (span for group in groups for span in found.group(group))
            yield _clause(expression, _ordered(s for s in spans if found.sentence_of(s) in sentences), found)
        case AllOf(parts) | AnyOf(parts) | AtLeast(_, parts):
            for part in parts:
                # Nearly all parts are phrases, and most of those are not there.
                if isinstance(part, Phrase):
                    if found.has(part):
                        yield found.clause(part)
                elif holds(part, found):
                    yield from _clauses(part, found)
        case Weighted(_, items):
            for part, weight in items:
                if weight > 0 and holds(part, found):
                    yield from _clauses(part, found)
        case Masked(part, masks):
            yield from _clauses(part, Unmasked(found, masks))


def _clause(expression: Expression, spans: Iterable[Span], found: Found) -> Clause:
    evidence = found.document.text.evidence
    return Clause(str(expression), tuple(evidence(span) for span in list(spans)[:MOST_EVIDENCE]))


def _ordered(spans: Iterable[Span]) -> list[Span]:
    return sorted(set(spans), key=lambda span: (span.field != "title", span.first, span.last))
