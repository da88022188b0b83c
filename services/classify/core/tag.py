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

from services.classify.core.countries import find_countries
from services.classify.core.evidence import evidence
from services.classify.core.language import LATIN, latin_language
from services.classify.core.rulebook import MASK, WORDS, Condition, Rule, Rulebook, Topic
from shared.events import Country, Report, RuleReference, Story, Tag, TaggedReport
from shared.matching.text import FieldName, Span, Text

SHORT = 200
"""Words up to which a report needs the plain threshold; eight times as many need twice as much."""
LEAD_SENTENCES = 2
LEAD_FACTOR = 1.5

Sentence = tuple[FieldName, int]
Groups = dict[str, list[Span]]
"""Hits by the name of their group."""


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
    foreign = _foreign(report, language)
    found = rulebook.index.find(report)
    hits = _hits_by_rule(found, foreign, rulebook)
    tags = tuple(tag for topic in rulebook.topics for tag in _tags(topic, hits, report))
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
    hits = _hits_by_rule(rulebook.index.find(report), _foreign(report, None), rulebook)
    return find_match(rule, hits.get(rule.id, {}), report) is not None


def find_match(rule: Rule, groups: Groups, report: Text) -> Match | None:
    """The rule's match, from its hits by group; None if the report does not reach the threshold."""
    sentences = _by_sentence(_unmasked(groups), report)
    present = {group for found in sentences.values() for group in found}
    score, spans, counted = 0.0, [], set()
    for sentence, found in sentences.items():
        best = _best_condition(rule.conditions, found, present)
        if best is not None:
            score += best.score * _weight(sentence, rule)
            spans += [span for group in best.together for span in found[group]]
            counted.add(sentence)
    if not spans or score < required(rule.threshold, len(report.title.forms) + len(report.text.forms)):
        return None
    return Match(rule, round(score, 1), tuple(spans), frozenset(counted))


def required(threshold: float, words: int) -> float:
    """The score that a report of so many words needs: once to twice the threshold."""
    return threshold * (1 + min(1.0, log2(max(words, SHORT) / SHORT) / 3))


def _foreign(report: Text, declared: str | None) -> frozenset[str]:
    language = latin_language(report, declared)
    return LATIN - {language} if language else frozenset()


def _hits_by_rule(
    found: Iterable[tuple[str, Span]], foreign: frozenset[str], rulebook: Rulebook
) -> dict[str, Groups]:
    hits: dict[str, Groups] = defaultdict(lambda: defaultdict(list))
    for phrase, span in found:
        for place in rulebook.places.get(phrase, ()):
            if not place.languages <= foreign:
                hits[place.rule][place.group].append(span)
    return hits


def _strongest(topic: Topic, hits: dict[str, Groups], report: Text) -> Match | None:
    matches = (find_match(rule, hits[rule.id], report) for rule in topic.rules if rule.id in hits)
    return max((match for match in matches if match is not None), key=lambda match: match.score, default=None)


def _unmasked(groups: Groups) -> Groups:
    masks = groups.get(MASK, ())
    hidden = {(mask.field, word) for mask in masks for word in range(mask.first, mask.last + 1)}
    return {
        group: [span for span in spans if not _is_hidden(span, hidden)]
        for group, spans in groups.items()
        if group != MASK
    }


def _is_hidden(span: Span, hidden: set[tuple[FieldName, int]]) -> bool:
    return bool(hidden) and any((span.field, word) in hidden for word in range(span.first, span.last + 1))


def _by_sentence(groups: Groups, report: Text) -> dict[Sentence, Groups]:
    sentences: dict[Sentence, Groups] = defaultdict(lambda: defaultdict(list))
    for group, spans in groups.items():
        for span in spans:
            sentences[report.sentence_of(span)][group].append(span)
    return sentences


def _best_condition(conditions: Iterable[Condition], found: Groups, present: set[str]) -> Condition | None:
    met = (condition for condition in conditions if _is_met(condition, found, present))
    return max(met, key=lambda condition: condition.score, default=None)


def _is_met(condition: Condition, found: Groups, present: set[str]) -> bool:
    return (
        all(map(found.__contains__, condition.together))
        and not any(map(found.__contains__, condition.without))
        and present.issuperset(condition.context)
        and present.isdisjoint(condition.no_context)
    )


def _weight(sentence: Sentence, rule: Rule) -> float:
    field, number = sentence
    if field == "title":
        return rule.title_factor
    return LEAD_FACTOR if number < LEAD_SENTENCES else 1.0


def _tags(topic: Topic, hits: dict[str, Groups], report: Text) -> Iterator[Tag]:
    match = _strongest(topic, hits, report)
    if match is None:
        return
    rule = RuleReference(id=match.rule.id, version=match.rule.version)
    yield Tag(topic=topic.id, score=match.score, rule=rule, evidence=evidence(match.spans, report))
    for subtopic in topic.subtopics:
        path = topic.path(subtopic)
        words = hits[path][WORDS] if path in hits else []
        spans = [span for span in words if _is_near(report.sentence_of(span), match)]
        if spans:
            yield Tag(topic=path, score=match.score, rule=rule, evidence=evidence(spans, report))


def _is_near(sentence: Sentence, match: Match) -> bool:
    """Whether a sentence is where the topic is spoken of: one that counted, the title, the lead."""
    return sentence in match.sentences or sentence[0] == "title" or sentence[1] < LEAD_SENTENCES
