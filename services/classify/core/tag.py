"""Decide what a report is about, and which words say so. Knows no clock and no store.

1. Find every phrase of the rulebook in title and text, once for all rules and the names of countries.
2. See which rules hold: `reading`.
3. A topic's tag is its strongest rule's, with the words of the sentences that counted.
4. A subtopic ("aid/military") is a tag beside its topic's, if its words stand where the topic is spoken of.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from services.classify.core.countries import find_countries
from services.classify.core.evidence import Quotes, evidence
from services.classify.core.language import foreign_languages
from services.classify.core.reading import Reading
from services.classify.core.rulebook import Rule, Rulebook
from shared.events import Country, Report, RuleReference, Story, Tag, TaggedReport
from shared.matching.evaluation import find_places
from shared.matching.text import Text


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
    if not any(found.values()):
        return Findings((), ())
    lexicon = rulebook.lexicons[foreign_languages(report, language)]
    quotes = Quotes(report)
    tags = tuple(_find_tags(Reading(found, report, lexicon.groups), rulebook, quotes))
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
    groups = rulebook.lexicons[foreign_languages(report, None)].groups
    places = find_places(rulebook.automaton, report)
    return any(match.rule.id == rule.id for match in Reading(places, report, groups).matches(rulebook))


def _find_tags(reading: Reading, rulebook: Rulebook, quotes: Quotes) -> Iterator[Tag]:
    matches = {match.rule.id: match for match in reading.matches(rulebook)}
    for topic in rulebook.topics if matches else ():
        if of_topic := [matches[rule.id] for rule in topic.rules if rule.id in matches]:
            match = max(of_topic, key=lambda match: match.score)
            rule = RuleReference(id=match.rule.id, version=match.rule.version)
            spots = {topic.id: reading.spots(match)}
            spots |= {
                path: reading.spots_of(number, match) for path, number in rulebook.subtopics[topic.id].items()
            }
            for path, each in spots.items():
                if quoted := evidence(each, quotes):
                    yield Tag(topic=path, score=match.score, rule=rule, evidence=quoted)
