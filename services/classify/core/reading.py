"""A report as a rulebook sees it: which sentences have words of which groups, and which rules hold by them.

1. A sentence is looked at by the conditions that are filed under one of its groups: each is filed under its rarest.
2. A word that shares a place with a masked phrase is not there.
3. A sentence counts for the best of the rule's conditions that it meets; the title's sentence counts double.
4. The rule holds if the sum reaches its threshold, which grows with the length of the report: in a long one, a passing
   word is not what it is about.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import NamedTuple

from services.classify.core.evidence import Spot
from services.classify.core.rulebook import Plan, Rule, Rulebook, Step
from shared.matching.evaluation import Places
from shared.matching.phrases import Place
from shared.matching.text import FieldName, Text

SHORT = 200
"""Words up to which a report needs the plain threshold; eight times as many need twice as much."""
TITLE = 0
"""The number of its sentence; those of the text follow."""
LEAD_SENTENCES = 2
LEAD_FACTOR = 1.5

Groups = Mapping[int, int]
"""By the number of a phrase, the bits of the groups that it belongs to."""

Sentence = tuple[int, int, int, int]
"""Its number, the groups of its phrases, and from which to which place of the field these are."""


class Passage(NamedTuple):
    """A sentence with phrases in it, and all their groups."""

    number: int
    groups: int
    hits: list[Place]


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that holds for a report: how strongly, and the sentences that counted, each by a condition."""

    rule: Rule
    score: float
    counted: tuple[tuple[Passage, Step], ...]


class Reading:
    """The sentences of a report that have phrases of the rulebook."""

    def __init__(self, places: Places, report: Text, groups: Groups) -> None:
        self._report = report
        self._groups = groups
        self._places = places
        self._sentences = list(_sentences(places, report, groups))

    def matches(self, rulebook: Rulebook) -> Iterator[Match]:
        """The rules that hold."""
        met: dict[str, list[tuple[Sentence, Step]]] = defaultdict(list)
        filed, rare = rulebook.filed, rulebook.rare
        for sentence in self._sentences:
            groups = sentence[1]
            left = groups & rare
            while left:
                group = left & -left
                left ^= group
                for together, step in filed[group]:
                    if groups & together == together:
                        met[step.rule].append((sentence, step))
        for rule, candidates in met.items():
            if match := self._match(rulebook.plans[rule], candidates):
                yield match

    def spots(self, match: Match) -> Iterator[Spot]:
        """The words by which a rule holds, in order."""
        return (spot for passage, step in match.counted for spot in self._spots(passage, step.together))

    def spots_of(self, subtopic: int, match: Match) -> Iterator[Spot]:
        """The words of a subtopic where its topic is spoken of: in sentences that counted, the title, the lead."""
        counted = {passage.number for passage, _ in match.counted}
        for sentence in self._sentences:
            if sentence[1] & subtopic and (sentence[0] <= LEAD_SENTENCES or sentence[0] in counted):
                yield from self._spots(self._passage(sentence), subtopic)

    def unmasked(self, sentence: Sentence, mask: int) -> Passage:
        """A sentence without the phrases that share a word with one of the mask."""
        passage = self._passage(sentence)
        if not passage.groups & mask:
            return passage
        masks = self._spots(passage, mask)
        hits = [
            hit for hit in passage.hits if not any(hit[1] < each.end and each.start < hit[2] - 1 for each in masks)
        ]
        groups = 0
        for number, _, _ in hits:
            groups |= self._groups.get(number, 0)
        return Passage(passage.number, groups, hits)

    def _passage(self, sentence: Sentence) -> Passage:
        number, groups, first, last = sentence
        return Passage(number, groups, self._places[_field(number)][first:last])

    def _spots(self, passage: Passage, wanted: int) -> list[Spot]:
        """As they are read, the longest of those that begin together first."""
        field, groups = _field(passage.number), self._groups.get
        places = sorted((start, -end) for number, start, end in passage.hits if groups(number, 0) & wanted)
        # A phrase ends with its last word's space, or inside that word.
        end_of_word = self._report.words(field).end_of_word
        return [Spot(field, start, end_of_word(-end - 1)) for start, end in places]

    def _match(self, plan: Plan, candidates: list[tuple[Sentence, Step]]) -> Match | None:
        rule, masked = plan.rule, _Masked(self, self._sentences, plan.mask)
        counted: dict[int, tuple[Passage, Step]] = {}
        for sentence, step in sorted(candidates, key=_rank):
            if sentence[0] not in counted and _holds(step, passage := self.unmasked(sentence, plan.mask), masked):
                counted[sentence[0]] = passage, step
        score = sum(step.score * _weight(number, rule) for number, (_, step) in counted.items())
        if not counted or score < required(rule.threshold, len(self._report.title) + len(self._report.text)):
            return None
        return Match(rule, round(score, 1), tuple(counted[number] for number in sorted(counted)))


class _Masked:
    """A report without what the mask of a rule covers."""

    def __init__(self, reading: Reading, sentences: list[Sentence], mask: int) -> None:
        self._reading = reading
        self._sentences = sentences
        self._mask = mask

    @cached_property
    def groups(self) -> int:
        """Those that are anywhere."""
        groups = 0
        for each in self._sentences:
            groups |= self._reading.unmasked(each, self._mask).groups if each[1] & self._mask else each[1]
        return groups


def _holds(step: Step, passage: Passage, report: _Masked) -> bool:
    if passage.groups & step.together != step.together or passage.groups & step.without:
        return False
    return not (step.context and step.context & ~report.groups) and not (
        step.no_context and step.no_context & report.groups
    )


def _rank(candidate: tuple[Sentence, Step]) -> int:
    return candidate[1].rank


def _weight(sentence: int, rule: Rule) -> float:
    if sentence == TITLE:
        return rule.title_factor
    return LEAD_FACTOR if sentence <= LEAD_SENTENCES else 1.0


def required(threshold: float, words: int) -> float:
    """The score that a report of so many words needs: once to twice the threshold."""
    return threshold * (1 + min(1.0, log2(max(words, SHORT) / SHORT) / 3))


def _field(sentence: int) -> FieldName:
    return "text" if sentence else "title"


def _sentences(places: Places, report: Text, groups: Groups) -> Iterator[Sentence]:
    """Those with phrases that belong to some group, as they are read."""
    find_groups = groups.get
    title = 0
    for phrase, _, _ in places["title"]:
        title |= find_groups(phrase, 0)
    if title:
        yield TITLE, title, 0, len(places["title"])
    sentence, until, breaks, here, first = TITLE, 0, iter(report.text.breaks), 0, 0
    for index, (phrase, start, _) in enumerate(places["text"]):
        if of := find_groups(phrase):
            if start >= until:
                if here:
                    yield sentence, here, first, index
                here, first = 0, index
                while start >= until:
                    until = next(breaks)
                    sentence += 1
            here |= of
    if here:
        yield sentence, here, first, len(places["text"])
