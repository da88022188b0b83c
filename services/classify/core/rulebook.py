"""The rulebook: topics, their rules, and one phrase index over all of them and the names of countries.

A rule has groups of phrases. Its conditions say which groups, standing together in one sentence, make that
sentence count, and how much; `threshold` says how much a report needs. Groups named `without` spoil a
sentence; groups named `context` must (`no_context`: must not) be anywhere in the report. Phrases of `mask`
count for nothing themselves and hide whatever shares a word with them ("hearing aid" hides "aid").
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from services.classify.core.countries import Gazetteer
from shared.matching.phrases import PhraseIndex

MASK = "mask"

Phrases = Mapping[str, tuple[str, ...]]
"""Phrases by language (two-letter code)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One way for a sentence to count."""

    together: tuple[str, ...]
    score: float
    without: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    no_context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A report that a rule must, or must not, hold for."""

    title: str
    text: str
    expected: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One way for a report to be about a topic."""

    id: str
    version: int
    title: str
    groups: Mapping[str, Phrases]
    conditions: tuple[Condition, ...]
    mask: Phrases = field(default_factory=dict)
    threshold: float = 10
    title_factor: float = 2
    examples: tuple[Example, ...] = ()

    def all_groups(self) -> dict[str, Phrases]:
        """The groups by name, the mask among them."""
        return {**self.groups, MASK: self.mask}


@dataclass(frozen=True, slots=True)
class Subtopic:
    """A part of a topic: a report of the topic has it if its words are where the topic is spoken of."""

    id: str
    title: str
    words: Phrases
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Topic:
    """A subject that people follow."""

    id: str
    title: str
    description: str
    rules: tuple[Rule, ...]
    subtopics: tuple[Subtopic, ...] = ()

    def path(self, subtopic: Subtopic) -> str:
        """How a subtopic is called where topics are: "aid/military"."""
        return f"{self.id}/{subtopic.id}"

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that its rules have phrases in, in alphabetical order."""
        groups = (phrases for rule in self.rules for phrases in rule.groups.values())
        return tuple(sorted({language for phrases in groups for language in phrases}))


class Place(NamedTuple):
    """Where a phrase belongs: a group of a rule, as a bit, or the words of a subtopic; in some languages of it."""

    owner: str
    bit: int
    languages: frozenset[str]


class Step(NamedTuple):
    """A condition with its groups as bits."""

    together: int
    without: int
    context: int
    no_context: int
    score: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A rule made ready: its conditions, the best first, over the bits of its groups."""

    rule: Rule
    steps: tuple[Step, ...]


MASKED = 1
"""The bit of the words that hide others, in every rule; a subtopic's only bit."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All topics, ready to tag with. `version` changes whenever anything that tags changes."""

    topics: tuple[Topic, ...]
    version: str
    index: PhraseIndex = field(repr=False, compare=False)
    places: Mapping[str, tuple[Place, ...]] = field(repr=False, compare=False)
    plans: Mapping[str, Plan] = field(repr=False, compare=False)
    gazetteer: Gazetteer = field(repr=False, compare=False)


def compile_rulebook(topics: Iterable[Topic], gazetteer: Gazetteer | None = None) -> Rulebook:
    """The rulebook of these topics and a gazetteer; raise PhraseError for a phrase that cannot be looked for."""
    kept = tuple(topics)
    places, countries = _places(kept), gazetteer or Gazetteer()
    plans = {rule.id: _plan(rule) for topic in kept for rule in topic.rules}
    index = PhraseIndex([*places, *(name for name in countries.names if name not in places)])
    return Rulebook(kept, _version(kept, countries), index, places, plans, countries)


def _plan(rule: Rule) -> Plan:
    bits = _bits(rule)

    def mask(groups: Iterable[str]) -> int:
        return sum(bits[group] for group in set(groups))

    steps = (
        Step(mask(each.together), mask(each.without), mask(each.context), mask(each.no_context), each.score)
        for each in rule.conditions
    )
    return Plan(rule, tuple(sorted(steps, key=lambda step: -step.score)))


def _bits(rule: Rule) -> dict[str, int]:
    return {group: MASKED if group == MASK else 2 << number for number, group in enumerate(rule.all_groups())}


def _places(topics: tuple[Topic, ...]) -> dict[str, tuple[Place, ...]]:
    places: dict[str, list[Place]] = defaultdict(list)
    for owner, bit, phrases in (each for topic in topics for each in _groups(topic)):
        for phrase, languages in _languages(phrases).items():
            places[phrase].append(Place(owner, bit, frozenset(languages)))
    return {phrase: tuple(found) for phrase, found in sorted(places.items())}


def _groups(topic: Topic) -> Iterator[tuple[str, int, Phrases]]:
    for rule in topic.rules:
        bits = _bits(rule)
        for group, phrases in rule.all_groups().items():
            yield rule.id, bits[group], phrases
    for subtopic in topic.subtopics:
        yield topic.path(subtopic), MASKED, subtopic.words


def _languages(phrases: Phrases) -> dict[str, set[str]]:
    languages: dict[str, set[str]] = defaultdict(set)
    for language, listed in phrases.items():
        for phrase in listed:
            languages[phrase].add(language)
            if language == "ar":
                for preposition in _ARABIC_PREPOSITIONS:
                    languages[preposition + phrase.removeprefix("ال")].add(language)
    return languages


_ARABIC_PREPOSITIONS = "بل"
"""They are written together with the word: a rule lists the word, a report has both."""


def _version(topics: tuple[Topic, ...], gazetteer: Gazetteer) -> str:
    """sha256 of the content, 12 hex digits: the same rules are the same version on every machine."""
    content = json.dumps([gazetteer.version, *map(asdict, topics)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def fingerprint(topic: Topic, rule: Rule) -> str:
    """sha256 of all that a rule tags with, 16 hex digits: its version must grow when this changes."""
    content = {**asdict(rule), "subtopics": [asdict(each) for each in topic.subtopics]}
    for part in (content, *content["subtopics"]):
        for key in ("version", "examples"):
            part.pop(key, None)
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
