"""Decide what a report is about, and which words say so. Knows no clock and no store.

1. Find every phrase of the rulebook in title and text, once for all rules.
2. Of each rule's hits, drop those that a masked phrase covers.
3. A sentence counts for the best of the rule's conditions that it meets; the title's sentence counts double.
4. The rule holds if the sum reaches its threshold, which grows with the length of the report: in a long one,
   a passing word is not what it is about.
5. A topic's tag is its strongest rule's, with the words of the sentences that counted.
6. A subtopic ("aid/military") is a tag beside its topic's, if its words stand where the topic is spoken of.
"""

from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from math import log2
from operator import or_

from services.classify.core.countries import find_countries
from services.classify.core.evidence import Quotes, Spot, evidence
from services.classify.core.language import foreign_languages
from services.classify.core.rulebook import Lexicon, Plan, Rule, Rulebook, Step, Topic
from shared.events import Country, Report, RuleReference, Story, Tag, TaggedReport
from shared.matching.evaluation import Places, find_places
from shared.matching.text import FieldName, Text

SHORT = 200
"""Words up to which a report needs the plain threshold; eight times as many need twice as much."""
LEAD_SENTENCES = 2
LEAD_FACTOR = 1.5


class Passage:
    """A sentence with something in it: the groups of its phrases, and each phrase's in its place."""

    __slots__ = ("field", "groups", "hits", "number")

    def __init__(
        self, field: FieldName, number: int, hits: list[tuple[int, int, int]], groups: int = 0
    ) -> None:
        self.field = field
        self.number = number
        self.hits = hits
        """Groups, and where the phrase begins and ends in the line of the field."""
        self.groups = groups

    def spots(self, groups: int, report: Text) -> list[Spot]:
        """Where the phrases of these groups stand, as they are read, the longest of those that begin together first."""
        line = report.words(self.field).line
        places = sorted([(start, -end) for of, start, end in self.hits if of & groups])
        # A phrase ends with its last word's space, or inside that word.
        return [Spot(self.field, start, line.index(b" ", -end - 1)) for start, end in places]


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that holds for a report: how strongly, and the sentences that counted, with the groups that made them."""

    rule: Rule
    score: float
    counted: tuple[tuple[Passage, int], ...]

    def spots(self, report: Text) -> Iterator[Spot]:
        """The words by which it holds, in order."""
        return (spot for passage, groups in self.counted for spot in passage.spots(groups, report))


@dataclass(frozen=True, slots=True)
class Findings:
    """What a report is about."""

    tags: tuple[Tag, ...]
    countries: tuple[Country, ...]

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics of the tags, each once."""
        return tuple(dict.fromkeys(tag.topic for tag in self.tags))


def find_all(title: str, text: str, language: str | None, rulebook: Rulebook) -> Findings:
    """The tags and the countries of a report, from one search of its words.

    `language` is what the feed says (BCP 47), if anything. Phrases of another language in the same script do not
    count, so that the French "don" is not found in an English text.
    """
    return find_in(Text.of(title, text), language, rulebook)


def find_in(report: Text, language: str | None, rulebook: Rulebook) -> Findings:
    """The same, of a report that is cut into words already."""
    found = find_places(rulebook.automaton, report)
    if not any(hits.places for hits in found.values()):
        return Findings((), ())
    lexicon = rulebook.lexicons[foreign_languages(report, language)]
    quotes = Quotes(report)
    tags = tuple(_find_tags(found, report, lexicon, rulebook, quotes))
    return Findings(tags, find_countries(found, report, lexicon.meanings, quotes))


def find_tags(title: str, text: str, language: str | None, rulebook: Rulebook) -> tuple[Tag, ...]:
    """One tag for each topic of the report, in the rulebook's order; none is an answer too."""
    return find_all(title, text, language, rulebook).tags


def tag_report(report: Report, rulebook: Rulebook, words: Text | None = None) -> TaggedReport:
    """The report with its tags and countries, a story of its own; `words` if it is cut into them already."""
    found = find_in(words or Text.of(report.title, report.text), report.language, rulebook)
    return TaggedReport(
        report=report,
        tags=found.tags,
        countries=found.countries,
        story=Story(id=report.id, position=1, sources=1),
        rulebook=rulebook.version,
    )


def holds(rule: Rule, title: str, text: str, rulebook: Rulebook) -> bool:
    """Whether this rule holds for a report: what a rule's own tests ask."""
    report = Text.of(title, text)
    lexicon = rulebook.lexicons[foreign_languages(report, None)]
    passages = _passages(find_places(rulebook.automaton, report), report, lexicon.groups)
    return find_match(rulebook.plans[rule.id], passages, report) is not None


def _find_tags(
    found: Places, report: Text, lexicon: Lexicon, rulebook: Rulebook, quotes: Quotes
) -> Iterator[Tag]:
    groups = lexicon.groups
    numbers = reduce(or_, (hits.numbers for hits in found.values())) & groups.keys()
    present = reduce(or_, map(groups.__getitem__, numbers), 0)
    # Most reports have no condition's words all, and no other words need be looked at.
    looked_at = {topic.id: _looked_at(topic, present, rulebook) for topic in rulebook.topics}
    wanted = reduce(or_, looked_at.values(), 0)
    if wanted:
        passages = _passages(
            found, report, {number: kept for number in numbers if (kept := groups[number] & wanted)}
        )
        for topic in rulebook.topics:
            if looked_at[topic.id]:
                yield from _tags(topic, passages, report, rulebook, quotes)


def _looked_at(topic: Topic, present: int, rulebook: Rulebook) -> int:
    """The groups that say whether a report is about a topic; none if it cannot be, by what it has."""
    absent, groups = ~present, 0
    for rule in topic.rules:
        plan = rulebook.plans[rule.id]
        possible = [step.groups for step in plan.steps if not step.needed & absent]
        groups = reduce(or_, possible, groups | plan.mask if possible else groups)
    return reduce(or_, rulebook.subtopics[topic.id].values(), groups) if groups else 0


def find_match(plan: Plan, passages: list[Passage], report: Text) -> Match | None:
    """The rule's match, from the sentences with phrases; None if the report does not reach the threshold."""
    rule, present = plan.rule, _union(passages)
    if present & plan.mask:
        passages = _unmasked(passages, plan.mask, report)
        present = _union(passages)
    steps = _possible(plan.steps, present)
    score, counted = 0.0, list[tuple[Passage, int]]()
    for passage in passages if steps else ():
        groups = passage.groups
        for step in steps:
            if groups & step.together == step.together and not groups & step.without:
                score += step.score * _weight(passage, rule)
                counted.append((passage, step.together))
                break
    if not counted or score < required(rule.threshold, len(report.title) + len(report.text)):
        return None
    return Match(rule, round(score, 1), tuple(counted))


def _union(passages: Iterable[Passage]) -> int:
    groups = 0
    for passage in passages:
        groups |= passage.groups
    return groups


def _possible(steps: tuple[Step, ...], present: int) -> list[Step]:
    """The conditions that the report as a whole leaves open, the best first."""
    return [step for step in steps if not step.needed & ~present and not present & step.no_context]


def required(threshold: float, words: int) -> float:
    """The score that a report of so many words needs: once to twice the threshold."""
    return threshold * (1 + min(1.0, log2(max(words, SHORT) / SHORT) / 3))


def _passages(found: Places, report: Text, groups_of: Mapping[int, int]) -> list[Passage]:
    """The sentences with phrases of these groups in them, as they are read."""
    passages: list[Passage] = []
    find_groups = groups_of.get
    for field, words in report.fields():
        until = 0
        for number, start, end in found[field].places:
            if groups := find_groups(number):
                if start >= until:
                    sentence = bisect_right(words.breaks, start)
                    until = words.breaks[sentence]
                    passage = Passage(field, sentence, [])
                    passages.append(passage)
                passage.hits.append((groups, start, end))
                passage.groups |= groups
    return passages


def _strongest(topic: Topic, passages: list[Passage], report: Text, rulebook: Rulebook) -> Match | None:
    matches = (find_match(rulebook.plans[rule.id], passages, report) for rule in topic.rules)
    return max((match for match in matches if match is not None), key=lambda match: match.score, default=None)


def _unmasked(passages: Iterable[Passage], mask: int, report: Text) -> list[Passage]:
    """The sentences without the phrases that share a word with one of the mask."""
    return [_without(passage, mask, report) if passage.groups & mask else passage for passage in passages]


def _without(passage: Passage, mask: int, report: Text) -> Passage:
    masks = passage.spots(mask, report)
    hits = [
        (groups, start, end)
        for groups, start, end in passage.hits
        if not any(start < each.end and each.start < end - 1 for each in masks)
    ]
    kept = Passage(passage.field, passage.number, hits)
    for groups, _, _ in hits:
        kept.groups |= groups
    return kept


def _weight(passage: Passage, rule: Rule) -> float:
    if passage.field == "title":
        return rule.title_factor
    return LEAD_FACTOR if passage.number < LEAD_SENTENCES else 1.0


def _tags(
    topic: Topic, passages: list[Passage], report: Text, rulebook: Rulebook, quotes: Quotes
) -> Iterator[Tag]:
    match = _strongest(topic, passages, report, rulebook)
    if match is None:
        return
    rule = RuleReference(id=match.rule.id, version=match.rule.version)
    yield Tag(topic=topic.id, score=match.score, rule=rule, evidence=evidence(match.spots(report), quotes))
    counted = {passage.number for passage, _ in match.counted if passage.field == "text"}
    for path, bit in rulebook.subtopics[topic.id].items():
        near = (passage for passage in passages if passage.groups & bit and _is_near(passage, counted))
        spots = (spot for passage in near for spot in passage.spots(bit, report))
        if found := evidence(spots, quotes):
            yield Tag(topic=path, score=match.score, rule=rule, evidence=found)


def _is_near(passage: Passage, counted: Container[int]) -> bool:
    """Whether a sentence is where the topic is spoken of: one that counted, the title, the lead."""
    return passage.field == "title" or passage.number < LEAD_SENTENCES or passage.number in counted
