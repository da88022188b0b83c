"""A report as a rulebook sees it: which sentences have words of which groups, and which rules hold by them.

1. A sentence is looked at by the conditions that are filed under one of its groups: each is filed under its rarest.
2. A word that shares a place with a masked phrase is not there.
3. A sentence counts for the best of the rule's conditions that it meets; the title's sentence counts double.
4. The rule holds if the sum reaches its threshold, which grows with the length of the report: in a long one, a passing
   word is not what it is about.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from math import log2

from services.classify.core.evidence import Spot
from services.classify.core.rulebook import Groups, Plan, Rule, Rulebook, Step
from shared.matching.evaluation import Places
from shared.matching.text import FieldName, Text
from shared.matching.words import Words

SHORT = 200
"""Words up to which a report needs the plain threshold; eight times as many need twice as much."""
TITLE = 0
"""The number of its sentence; those of the text follow."""
LEAD_SENTENCES = 2
LEAD_FACTOR = 1.5

Hits = list[tuple[Groups, int, int]]
"""The groups of phrases, and where each begins and ends in the line of the field."""


class Passage:
    """A sentence with phrases in it, and all their groups."""

    __slots__ = ("groups", "hits", "number", "words")

    def __init__(self, number: int, words: Words, hits: Hits) -> None:
        self.number = number
        self.words = words
        self.hits = hits
        self.groups = {group for groups, _, _ in hits for group in groups}

    def without(self, mask: int) -> "Passage":
        """The same without the phrases that share a word with one of a group."""
        masks = [(start, self._end(end)) for groups, start, end in self.hits if mask in groups]
        left = [
            hit for hit in self.hits if not any(hit[1] < end and start < hit[2] - 1 for start, end in masks)
        ]
        return Passage(self.number, self.words, left)

    def spots(self, wanted: Set[int]) -> list[Spot]:
        """Where phrases of these groups stand, as they are read, the longest of those that begin together first."""
        places = sorted((start, -end) for groups, start, end in self.hits if not wanted.isdisjoint(groups))
        field: FieldName = "text" if self.number else "title"
        return [Spot(field, start, self._end(-end)) for start, end in places]

    def weight(self, title_factor: float) -> float:
        if self.number == TITLE:
            return title_factor
        return LEAD_FACTOR if self.number <= LEAD_SENTENCES else 1.0

    def _end(self, end: int) -> int:
        """Where the word ends in which a phrase does: with its space, or after a prefix."""
        return self.words.end_of_word(end - 1)


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that holds for a report: how strongly, and the sentences that counted, each by a condition."""

    rule: Rule
    score: float
    counted: tuple[tuple[Passage, Step], ...]

    def spots(self) -> Iterator[Spot]:
        """The words by which it holds, in order."""
        return (spot for passage, step in self.counted for spot in passage.spots(step.together))


class Reading:
    """The sentences of a report that have phrases of the rulebook."""

    def __init__(self, places: Places, report: Text, groups: Mapping[int, Groups]) -> None:
        self._passages = list(_passages(places, report, groups))
        self._words = len(report.title) + len(report.text)

    def matches(self, rulebook: Rulebook) -> Iterator[Match]:
        """The rules that hold."""
        filed = rulebook.filed
        met: dict[str, list[tuple[Passage, Step]]] = defaultdict(list)
        for passage in self._passages:
            for group in passage.groups & filed.keys():
                for step in filed[group]:
                    if step.together <= passage.groups:
                        met[step.rule].append((passage, step))
        for rule, candidates in met.items():
            if match := self._match(rulebook.plans[rule], candidates):
                yield match

    def subtopic(self, group: int, match: Match) -> Iterator[Spot]:
        """The words of a subtopic where its topic is spoken of: in sentences that counted, the title, the lead."""
        counted = {passage.number for passage, _ in match.counted}
        for passage in self._passages:
            if group in passage.groups and (passage.number <= LEAD_SENTENCES or passage.number in counted):
                yield from passage.spots(frozenset({group}))

    def _match(self, plan: Plan, candidates: list[tuple[Passage, Step]]) -> Match | None:
        rule, seen = plan.rule, _Masked(self._passages, plan.mask)
        counted: dict[int, tuple[Passage, Step]] = {}
        for passage, step in sorted(candidates, key=_rank):
            if passage.number not in counted and _holds(step, here := seen.passage(passage), seen):
                counted[passage.number] = here, step
        score = sum(step.score * passage.weight(rule.title_factor) for passage, step in counted.values())
        if not counted or score < required(rule.threshold, self._words):
            return None
        return Match(rule, round(score, 1), tuple(counted[number] for number in sorted(counted)))


class _Masked:
    """A report without what the mask of a rule covers."""

    def __init__(self, passages: list[Passage], mask: int) -> None:
        self._passages = passages
        self._mask = mask

    def passage(self, passage: Passage) -> Passage:
        return passage.without(self._mask) if self._mask in passage.groups else passage

    @cached_property
    def groups(self) -> set[int]:
        """Those that are anywhere."""
        return set().union(*(self.passage(each).groups for each in self._passages))


def _holds(step: Step, passage: Passage, report: _Masked) -> bool:
    if not (step.together <= passage.groups and step.without.isdisjoint(passage.groups)):
        return False
    return (not step.context or step.context <= report.groups) and (
        not step.no_context or step.no_context.isdisjoint(report.groups)
    )


def _rank(candidate: tuple[Passage, Step]) -> int:
    return candidate[1].rank


def required(threshold: float, words: int) -> float:
    """The score that a report of so many words needs: once to twice the threshold."""
    return threshold * (1 + min(1.0, log2(max(words, SHORT) / SHORT) / 3))


def _passages(places: Places, report: Text, groups: Mapping[int, Groups]) -> Iterator[Passage]:
    """The sentences with phrases that belong to some group, as they are read."""
    of = groups.get
    if hits := [(each, start, end) for number, start, end in places["title"].places if (each := of(number))]:
        yield Passage(TITLE, report.title, hits)
    number, until, breaks, hits = TITLE, 0, iter(report.text.breaks), []
    for phrase, start, end in places["text"].places:
        if each := of(phrase):
            if start >= until:
                if hits:
                    yield Passage(number, report.text, hits)
                hits = []
                while start >= until:
                    until = next(breaks)
                    number += 1
            hits.append((each, start, end))
    if hits:
        yield Passage(number, report.text, hits)
