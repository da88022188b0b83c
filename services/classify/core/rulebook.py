"""The rulebook: topics, their rules, and one automaton over all their phrases and the names of countries.

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
from typing import Any, Literal, NamedTuple

from services.classify.core.countries import Gazetteer, Meaning
from services.classify.core.language import FOREIGN
from shared.matching.phrases import Automaton, normal_form

MASK = "mask"
SUBTOPIC = ""
"""Stands for the name of the group that the words of a subtopic are."""

Status = Literal["stable", "experimental"]

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
    status: Status = "stable"
    false_positives: tuple[str, ...] = ()
    """What it is known to take for the topic, in words for its readers."""

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


class Step(NamedTuple):
    """A condition of a rule, its groups as bits."""

    rule: str
    rank: int
    """Of the rule's conditions the best is 0."""
    score: float
    together: int
    without: int
    context: int
    no_context: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A rule made ready: its conditions, the best first, and the bit of its mask."""

    rule: Rule
    steps: tuple[Step, ...]
    mask: int


Filed = Mapping[int, tuple[tuple[int, Step], ...]]
"""Conditions with what stands together in them, each under the one of its groups that has the fewest phrases."""


class Lexicon(NamedTuple):
    """What the automaton's phrases stand for in a report of some language, by their numbers there."""

    groups: Mapping[int, int]
    """The groups and subtopics that a phrase belongs to: one bit for each of the whole rulebook."""
    meanings: Mapping[int, tuple[Meaning, ...]]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All topics, ready to tag with. `version` changes whenever anything that tags changes."""

    topics: tuple[Topic, ...]
    version: str
    automaton: Automaton = field(repr=False, compare=False)
    lexicons: Mapping[frozenset[str], Lexicon] = field(repr=False, compare=False)
    """By the languages that a report is not written in."""
    plans: Mapping[str, Plan] = field(repr=False, compare=False)
    filed: Filed = field(repr=False, compare=False)
    rare: int
    """The groups under which conditions are filed."""
    subtopics: Mapping[str, Mapping[str, int]] = field(repr=False, compare=False)
    """By the id of a topic, the bit of each subtopic by its path."""


Bits = Mapping[tuple[str, str], int]
"""Those of groups, by the id of a rule, or the path of a subtopic, and the name of a group."""


def compile_rulebook(topics: Iterable[Topic], gazetteer: Gazetteer | None = None) -> Rulebook:
    """The rulebook of these topics and a gazetteer; raise PhraseError for a phrase that cannot be looked for."""
    kept, names = tuple(topics), gazetteer or Gazetteer()
    groups = [each for topic in kept for each in _groups(topic)]
    bits = {(owner, group): 1 << number for number, (owner, group, _) in enumerate(groups)}
    phrases = _phrases(groups, bits)
    forms = {phrase: normal_form(phrase) for phrase in dict.fromkeys([*sorted(phrases), *names.names])}
    automaton = Automaton(forms.values())
    same: dict[Any, Any] = {}
    numbers = {phrase: automaton.number_of(form) for phrase, form in forms.items()}
    plans = {rule.id: _plan(rule, bits) for topic in kept for rule in topic.rules}
    sizes = {bits[owner, group]: sum(map(len, listed.values())) for owner, group, listed in groups}
    filed = _filed(plans.values(), sizes)
    return Rulebook(
        kept,
        _version(kept, names),
        automaton,
        {foreign: _lexicon(foreign, numbers, phrases, names, same) for foreign in FOREIGN},
        plans,
        filed,
        sum(filed),
        {
            topic.id: {path: bits[path, SUBTOPIC] for path in map(topic.path, topic.subtopics)}
            for topic in kept
        },
    )


def _plan(rule: Rule, bits: Bits) -> Plan:
    best_first = sorted(rule.conditions, key=lambda condition: -condition.score)
    steps = (_step(rule, rank, condition, bits) for rank, condition in enumerate(best_first))
    return Plan(rule, tuple(steps), bits[rule.id, MASK])


def _step(rule: Rule, rank: int, condition: Condition, bits: Bits) -> Step:
    asked = (condition.together, condition.without, condition.context, condition.no_context)
    return Step(
        rule.id,
        rank,
        condition.score,
        *(sum(bits[rule.id, group] for group in set(groups)) for groups in asked),
    )


def _filed(plans: Iterable[Plan], sizes: Mapping[int, int]) -> Filed:
    filed: dict[int, tuple[tuple[int, Step], ...]] = defaultdict(tuple)
    for step in (step for plan in plans for step in plan.steps):
        rarest = min((bit for bit in sizes if bit & step.together), key=sizes.__getitem__)
        filed[rarest] += ((step.together, step),)
    return dict(filed)


def _groups(topic: Topic) -> Iterator[tuple[str, str, Phrases]]:
    for rule in topic.rules:
        for group, phrases in rule.all_groups().items():
            yield rule.id, group, phrases
    for subtopic in topic.subtopics:
        yield topic.path(subtopic), SUBTOPIC, subtopic.words


def _phrases(
    groups: Iterable[tuple[str, str, Phrases]], bits: Bits
) -> dict[str, list[tuple[int, frozenset[str]]]]:
    """For each phrase the bits of its groups, and the languages in which it is listed there."""
    phrases: dict[str, list[tuple[int, frozenset[str]]]] = defaultdict(list)
    for owner, group, listed in groups:
        for phrase, languages in _languages(listed).items():
            phrases[phrase].append((bits[owner, group], frozenset(languages)))
    return phrases


def _lexicon(
    foreign: frozenset[str],
    numbers: Mapping[str, int],
    phrases: Mapping[str, list[tuple[int, frozenset[str]]]],
    gazetteer: Gazetteer,
    same: dict[Any, Any],
) -> Lexicon:
    """`same` has one of all that are equal: most lexicons say the same of a phrase, which would be megabytes."""
    groups: dict[int, int] = defaultdict(int)
    meanings: dict[int, tuple[Meaning, ...]] = defaultdict(tuple)
    for phrase, number in numbers.items():
        for bit, languages in phrases.get(phrase, ()):
            if not languages <= foreign:
                groups[number] |= bit
        if phrase in gazetteer.names and (meant := gazetteer.meanings(phrase, foreign)):
            meanings[number] += meant
    # Spellings of one name with one form mean it once.
    distinct = ((number, tuple(dict.fromkeys(each))) for number, each in meanings.items())
    return Lexicon(
        {number: same.setdefault(bits, bits) for number, bits in groups.items()},
        {number: same.setdefault(each, each) for number, each in distinct},
    )


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
        for key in ("version", "examples", "status", "false_positives"):
            part.pop(key, None)
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
