"""Decide what a report is about, and which words say so. Knows no clock and no store.

1. Find every phrase of the rulebook in title and text, once for all rules.
2. Of each rule's hits, drop those that a masked phrase covers.
3. A sentence counts for the best of the rule's conditions that it meets; the title's sentence counts double.
4. The rule holds if the sum reaches its threshold, which grows with the length of the report: in a long one,
   a passing word is not what it is about.
5. A topic's tag is its strongest rule's, with the words of the sentences that counted.
6. A subtopic ("aid/military") is a tag beside its topic's, if its words stand where the topic is spoken of.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log2
from typing import NamedTuple

from services.classify.core.countries import find_countries
from services.classify.core.evidence import evidence
from services.classify.core.language import foreign_languages
from services.classify.core.rulebook import MASKED, Plan, Rule, Rulebook, Step, Topic
from shared.events import Country, Report, RuleReference, Story, Tag, TaggedReport
from shared.matching.text import FieldName, Span, Text

SHORT = 200
"""Words up to which a report needs the plain threshold; eight times as many need twice as much."""
LEAD_SENTENCES = 2
LEAD_FACTOR = 1.5

Sentence = tuple[FieldName, int]


class Hit(NamedTuple):
    """A phrase of a rule in its place: the bit of its group, the words, the sentence."""

    bit: int
    span: Span
    sentence: Sentence


Hits = dict[str, list[Hit]]
"""Hits by the rule (or subtopic) whose phrases they are."""


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that holds for a report: how strongly, and by which words."""

    rule: Rule
    score: float
    spans: tuple[Span, ...]
    sentences: frozenset[Sentence]
    """Those that counted."""


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
    report = Text.of(title, text)
    foreign = foreign_languages(report, language)
    found = rulebook.index.find(report)
    hits = _hits(found, report, foreign, rulebook)
    tags = tuple(tag for topic in rulebook.topics for tag in _tags(topic, hits, report, rulebook))
    return Findings(tags, find_countries(found, report, foreign, rulebook.gazetteer))


def find_tags(title: str, text: str, language: str | None, rulebook: Rulebook) -> tuple[Tag, ...]:
    """One tag for each topic of the report, in the rulebook's order; none is an answer too."""
    return find_all(title, text, language, rulebook).tags


def tag_report(report: Report, rulebook: Rulebook, story: Story | None = None) -> TaggedReport:
    """The report with its tags and countries; a story of its own if none is given."""
    found = find_all(report.title, report.text, report.language, rulebook)
    return TaggedReport(
        report=report,
        tags=found.tags,
        countries=found.countries,
        story=story or Story(id=report.id, position=1, sources=1),
        rulebook=rulebook.version,
    )


def holds(rule: Rule, title: str, text: str, rulebook: Rulebook) -> bool:
    """Whether this rule holds for a report: what a rule's own tests ask."""
    report = Text.of(title, text)
    hits = _hits(rulebook.index.find(report), report, foreign_languages(report, None), rulebook)
    return find_match(rulebook.plans[rule.id], hits.get(rule.id, []), report) is not None


def find_match(plan: Plan, hits: list[Hit], report: Text) -> Match | None:
    """The rule's match, from the hits of its phrases; None if the report does not reach the threshold."""
    rule, kept = plan.rule, _unmasked(hits)
    sentences: dict[Sentence, int] = defaultdict(int)
    for hit in kept:
        sentences[hit.sentence] |= hit.bit
    steps = _possible(plan.steps, sentences.values())
    score, counted = 0.0, dict[Sentence, int]()
    for sentence, bits in sentences.items() if steps else ():
        for step in steps:
            if bits & step.together == step.together and not bits & step.without:
                score += step.score * _weight(sentence, rule)
                counted[sentence] = step.together
                break
    if not counted or score < required(rule.threshold, len(report.title.forms) + len(report.text.forms)):
        return None
    spans = tuple(hit.span for hit in kept if counted.get(hit.sentence, 0) & hit.bit)
    return Match(rule, round(score, 1), spans, frozenset(counted))


def _possible(steps: tuple[Step, ...], sentences: Iterable[int]) -> list[Step]:
    """The conditions that the report as a whole leaves open, the best first."""
    present = 0
    for bits in sentences:
        present |= bits
    return [
        step
        for step in steps
        if present & step.together == step.together
        and present & step.context == step.context
        and not present & step.no_context
    ]


def required(threshold: float, words: int) -> float:
    """The score that a report of so many words needs: once to twice the threshold."""
    return threshold * (1 + min(1.0, log2(max(words, SHORT) / SHORT) / 3))


def _hits(
    found: Iterable[tuple[str, Span]], report: Text, foreign: frozenset[str], rulebook: Rulebook
) -> Hits:
    hits: Hits = defaultdict(list)
    places_of = rulebook.places.get
    for phrase, span in found:
        if places := places_of(phrase):
            sentence = report.sentence_of(span)
            for owner, bit, languages in places:
                if not (foreign and languages <= foreign):
                    hits[owner].append(Hit(bit, span, sentence))
    return hits


def _strongest(topic: Topic, hits: Hits, report: Text, rulebook: Rulebook) -> Match | None:
    rules = [rule.id for rule in topic.rules if rule.id in hits]
    matches = (find_match(rulebook.plans[rule], hits[rule], report) for rule in rules)
    return max((match for match in matches if match is not None), key=lambda match: match.score, default=None)


def _unmasked(hits: list[Hit]) -> list[Hit]:
    masks = [hit.span for hit in hits if hit.bit == MASKED]
    if not masks:
        return hits
    hidden = {(mask.field, word) for mask in masks for word in range(mask.first, mask.last + 1)}
    return [hit for hit in hits if hit.bit != MASKED and not _is_hidden(hit.span, hidden)]


def _is_hidden(span: Span, hidden: set[tuple[FieldName, int]]) -> bool:
    return any((span.field, word) in hidden for word in range(span.first, span.last + 1))


def _weight(sentence: Sentence, rule: Rule) -> float:
    field, number = sentence
    if field == "title":
        return rule.title_factor
    return LEAD_FACTOR if number < LEAD_SENTENCES else 1.0


def _tags(topic: Topic, hits: Hits, report: Text, rulebook: Rulebook) -> Iterator[Tag]:
    match = _strongest(topic, hits, report, rulebook)
    if match is None:
        return
    rule = RuleReference(id=match.rule.id, version=match.rule.version)
    yield Tag(topic=topic.id, score=match.score, rule=rule, evidence=evidence(match.spans, report))
    for subtopic in topic.subtopics:
        path = topic.path(subtopic)
        spans = [hit.span for hit in hits.get(path, ()) if _is_near(hit.sentence, match)]
        if spans:
            yield Tag(topic=path, score=match.score, rule=rule, evidence=evidence(spans, report))


def _is_near(sentence: Sentence, match: Match) -> bool:
    """Whether a sentence is where the topic is spoken of: one that counted, the title, the lead."""
    return sentence in match.sentences or sentence[0] == "title" or sentence[1] < LEAD_SENTENCES
