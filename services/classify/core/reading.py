"""A report as a rulebook sees it: which sentences have words of which groups, and which rules hold by them.

1. A sentence is looked at by the conditions that are filed under one of its groups: each is filed under its rarest.
2. A word that shares a place with a masked phrase is not there.
3. A sentence counts for the best of the rule's conditions that it meets; the title's sentence counts double.
4. The rule holds if the sum reaches its threshold, which grows with the length of the report: in a long one, a passing
   word is not what it is about.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from math import fsum, log2
from operator import itemgetter, or_

from services.classify.core.evidence import Spot
from services.classify.core.rulebook import Plan, Rule, Rulebook, Step
from shared.matching.evaluation import Places
from shared.matching.phrases import Place
from shared.matching.text import FieldName, Text

SHORT = 200
"""Words up to which a report needs the plain threshold; eight times as many would need twice as much."""
BEGINNING, SHARE = 500, 350
"""Of a long report, words that ask for no more; and those of which each asks for the threshold once more."""
TITLE = 0
"""The number of its sentence; those of the text follow."""
LEAD_SENTENCES = 2
LEAD_FACTOR = 1.5

Groups = Mapping[int, int]
"""By the number of a phrase, the bits of the groups that it belongs to."""

Sentence = tuple[int, int, list[Place]]
"""Its number, all groups of its phrases, and where these stand."""

Candidate = tuple[int, Sentence, Step]
"""A sentence that has what stands together in a condition, by the condition's rank: the best is 0."""


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that holds for a report: how strongly, and the sentences that counted, each by a condition."""

    rule: Rule
    score: float
    counted: Mapping[int, tuple[Sentence, Step]]


class Reading:
    """The sentences of a report that have phrases of the rulebook."""

    def __init__(self, places: Places, report: Text, groups: Groups) -> None:
        self._report = report
        self._groups = groups
        self._sentences = list(_sentences(places, report, groups))

    def matches(self, rulebook: Rulebook) -> Iterator[Match]:
        """The rules that hold."""
        met: dict[str, list[Candidate]] = defaultdict(list)
        filed, rare = rulebook.filed, rulebook.rare
        for sentence in self._sentences:
            groups = sentence[1]
            left = groups & rare
            while left:
                group = left & -left
                left ^= group
                for together, step in filed[group]:
                    if groups & together == together:
                        met[step.rule].append((step.rank, sentence, step))
        for rule, candidates in met.items():
            if match := self._match(rulebook.plans[rule], candidates):
                yield match

    def spots(self, match: Match) -> Iterator[Spot]:
        """The words by which a rule holds, in order."""
        for _, (sentence, step) in sorted(match.counted.items()):
            yield from self._spots(sentence, step.together)

    def spots_of(self, subtopic: int, match: Match) -> Iterator[Spot]:
        """The words of a subtopic where its topic is spoken of: in sentences that counted, the title, the lead."""
        for sentence in self._sentences:
            if sentence[1] & subtopic and (sentence[0] <= LEAD_SENTENCES or sentence[0] in match.counted):
                yield from self._spots(sentence, subtopic)

    def _match(self, plan: Plan, candidates: list[Candidate]) -> Match | None:
        rule = plan.rule
        candidates.sort(key=_RANK)
        # For each sentence the best condition: masks and what else is in the report only take away.
        best = {sentence[0]: step for _, sentence, step in reversed(candidates)}
        if self._score(rule, best) is None:
            return None
        mended = {each[0]: self._without(plan.mask, each) for each in self._sentences if each[1] & plan.mask}
        anywhere = _united(mended.get(each[0], each) for each in self._sentences)
        counted: dict[int, tuple[Sentence, Step]] = {}
        for _, sentence, step in candidates:
            if sentence[0] not in counted:
                here = mended.get(sentence[0], sentence)
                if _holds(step, here[1], anywhere):
                    counted[sentence[0]] = here, step
        score = self._score(rule, {number: step for number, (_, step) in counted.items()})
        return None if score is None else Match(rule, round(score, 1), counted)

    def _score(self, rule: Rule, counted: Mapping[int, Step]) -> float | None:
        """The sum for the sentences that count; None if it is not enough."""
        score = fsum(step.score * _weight(number, rule) for number, step in counted.items())
        words = len(self._report.title) + len(self._report.text)
        enough = counted and score >= required(rule.threshold, words, in_title=TITLE in counted)
        return score if enough else None

    def _without(self, mask: int, sentence: Sentence) -> Sentence:
        """A sentence without the phrases that share a word with one of the mask."""
        number, _, hits = sentence
        masks = self._spots(sentence, mask)
        # A sentence may be the whole of a text without stops, so not each phrase beside each mask.
        starts, ends = [each.start for each in masks], list(accumulate((each.end for each in masks), max))
        left = [
            hit
            for hit in hits
            if not ((before := bisect_left(starts, hit[2] - 1)) and hit[1] < ends[before - 1])
        ]
        return number, reduce(or_, (self._groups.get(hit[0], 0) for hit in left), 0), left

    def _spots(self, sentence: Sentence, wanted: int) -> list[Spot]:
        """As they are read, the longest of those that begin together first."""
        field = _field(sentence[0])
        groups, find = self._groups.get, self._report.words(field).line.index
        places = sorted([(start, -end) for number, start, end in sentence[2] if groups(number, 0) & wanted])
        # A phrase ends with its last word's space, or inside that word.
        return [Spot(field, start, find(b" ", -end - 1)) for start, end in places]


_RANK = itemgetter(0)


def _holds(step: Step, here: int, anywhere: int) -> bool:
    return (
        here & step.together == step.together
        and not here & step.without
        and anywhere & step.context == step.context
        and not anywhere & step.no_context
    )


def _united(sentences: Iterable[Sentence]) -> int:
    groups = 0
    for _, here, _ in sentences:
        groups |= here
    return groups


def _weight(sentence: int, rule: Rule) -> float:
    if sentence == TITLE:
        return rule.title_factor
    return LEAD_FACTOR if sentence <= LEAD_SENTENCES else 1.0


def required(threshold: float, words: int, *, in_title: bool) -> float:
    """The score that a report of so many words needs: of a long one a share is about the topic, or its title is."""
    grown = 1 + min(1.0, log2(max(words, SHORT) / SHORT) / 3)
    return threshold * (grown if in_title else max(grown, (words - BEGINNING) / SHARE))


def _field(sentence: int) -> FieldName:
    return "text" if sentence else "title"


def _sentences(places: Places, report: Text, groups: Groups) -> Iterator[Sentence]:
    """Those with phrases that belong to some group, as they are read."""
    find_groups = groups.get
    if title := reduce(or_, (find_groups(phrase, 0) for phrase, _, _ in places["title"]), 0):
        yield TITLE, title, places["title"]
    hits = places["text"]
    sentence, until, breaks, here, first = TITLE, 0, iter(report.text.breaks), 0, 0
    for index, (phrase, start, _) in enumerate(hits):
        if of := find_groups(phrase):
            if start < until:
                here |= of
                continue
            if here:
                yield sentence, here, hits[first:index]
            here, first = of, index
            while start >= until:
                until = next(breaks)
                sentence += 1
    if here:
        yield sentence, here, hits[first:]
