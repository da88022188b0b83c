"""Decide which countries a report is about, and which words say so: a gazetteer, and the sense its names have here.

1. Names, peoples, cities and seats of power are found with the phrases of the rulebook, in one search.
2. A name counts as it is written: "Turkey", not "turkey"; "US", not "us". The longest of overlapping names counts, and
   some phrases hide what they cover ("Paris Agreement", "Gulf of Mexico").
3. A name that is also something else waits for a surer one, or falls by the words around it: the Georgia of Atlanta, a
   man called Jordan, a roast turkey.
4. What is said in the title and at the beginning counts more. A country is what a report is about if its mentions reach
   a threshold that grows with the length of the report.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import log2
from typing import NamedTuple

from services.classify.core.evidence import evidence
from shared.events import Country
from shared.matching.text import FieldName, Span, Text, Words, cut, form_of

NOTHING = ""
"""The code of phrases that only hide what they cover."""

TITLE_WEIGHT = 8.0
LEAD_WEIGHT = 2.0
LEAD_SENTENCES = 3
VENUE_SHARE = 0.4
SHORT = 100
"""Words up to which one mention is enough; each doubling asks for one more."""
SMALLEST_SHARE = 0.1
"""Of the weight of the country that a report is most about."""
CAPITALISED = 0.85
"""The share of words with a capital from which a title is set in capitals throughout."""


class Name(NamedTuple):
    """What a phrase stands for. `code` is ISO 3166-1 alpha-2 (XK for Kosovo), or NOTHING."""

    code: str
    languages: frozenset[str]
    capitals: tuple[str, ...]
    """For each word as listed: "" any case, "A" a capital first, "AA" capitals only."""


@dataclass(frozen=True, slots=True)
class Sense:
    """When a name stands for something else."""

    unless: frozenset[str] = frozenset()
    """Forms of words that speak against it, anywhere in the report, unless something surer speaks for the country."""
    instead: str = NOTHING
    """The country that it means where only that one is surely there."""
    is_person: bool = False
    is_everyday: bool = False
    is_venue: bool = False

    @property
    def is_sure(self) -> bool:
        return not (self.unless or self.instead or self.is_person or self.is_everyday)


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """Names by phrase, and the senses of those that have more than one."""

    names: Mapping[str, tuple[Name, ...]] = field(default_factory=dict, repr=False)
    senses: Mapping[str, Sense] = field(default_factory=dict, repr=False)
    version: str = ""


class Mention(NamedTuple):
    """A name in its place."""

    span: Span
    code: str
    sense: Sense


Hits = Iterable[tuple[str, Span]]
PLAIN = Sense()


def find_countries(
    hits: Hits, report: Text, foreign: frozenset[str], gazetteer: Gazetteer
) -> tuple[Country, ...]:
    """The countries of a report, most mentioned first; none is an answer too.

    `hits` are the gazetteer's phrases found in the report. `foreign` are the languages that it is not written in.
    """
    mentions = _longest(_as_written(hits, report, foreign, gazetteer))
    found: dict[str, list[Span]] = defaultdict(list)
    weights: dict[str, float] = defaultdict(float)
    for mention in _in_their_sense(mentions, report):
        found[mention.code].append(mention.span)
        weights[mention.code] += _weight(mention, report)
    words = len(report.title.forms) + len(report.text.forms)
    least = max(needed(words), SMALLEST_SHARE * max(weights.values(), default=0))
    kept = sorted((code for code in found if weights[code] >= least), key=lambda code: (-weights[code], code))
    return tuple(Country(code=code, evidence=evidence(found[code], report)) for code in kept)


def needed(words: int) -> float:
    """The weight that a report of so many words asks for: 1 up to a hundred, one more for each doubling."""
    return 1 + log2(max(words, SHORT) / SHORT)


def capitals_of(phrase: str) -> tuple[str, ...]:
    """How each word of a listed phrase is written: see Name."""
    return tuple(
        "AA" if len(word) > 1 and word.isupper() else "A" if word[:1].isupper() else ""
        for word in _plain_words(phrase)
    )


def _plain_words(phrase: str) -> list[str]:
    words = cut(phrase, one_sentence=True)
    return [
        words.original[start:end].replace(".", "")
        for start, end in zip(words.starts, words.ends, strict=True)
    ]


def _as_written(hits: Hits, report: Text, foreign: frozenset[str], gazetteer: Gazetteer) -> list[Mention]:
    mentions, names = [], gazetteer.names
    for phrase, span in hits:
        for name in names.get(phrase, ()):
            if not name.languages <= foreign and _is_written(name, span, report.words(span.field)):
                mentions.append(Mention(span, name.code, gazetteer.senses.get(phrase, PLAIN)))
    return mentions


def _is_written(name: Name, span: Span, words: Words) -> bool:
    for number, wanted in enumerate(name.capitals, span.first):
        if wanted and not _has_capital(words, number, throughout=wanted == "AA"):
            return False
    return True


def _has_capital(words: Words, number: int, *, throughout: bool = False) -> bool:
    word = _word(words, number)
    # A script without capitals has nothing to show.
    return word.upper() == word if throughout else not word[:1].islower()


def _longest(mentions: list[Mention]) -> list[Mention]:
    """Of mentions that share words, the one of most words; of two countries, the one that was listed first."""
    kept: list[Mention] = []
    taken: set[tuple[FieldName, int]] = set()
    for mention in sorted(
        mentions, key=lambda each: (each.span.first - each.span.last, each.span.field, each.span.first)
    ):
        field_name, first, last = mention.span
        words = {(field_name, word) for word in range(first, last + 1)}
        if taken.isdisjoint(words):
            kept.append(mention)
            taken |= words
    return [mention for mention in kept if mention.code != NOTHING]


def _in_their_sense(mentions: list[Mention], report: Text) -> list[Mention]:
    sure = {mention.code for mention in mentions if mention.sense.is_sure}
    places = {(mention.span.field, mention.span.first) for mention in mentions}
    doubtful = [mention for mention in mentions if mention.code not in sure]
    forms = {*report.title.forms, *report.text.forms} if any(m.sense.unless for m in doubtful) else set()
    kept = []
    for mention in mentions:
        sense = mention.sense
        if mention.code in sure:
            kept.append(mention)
        elif sense.instead in sure:
            kept.append(mention._replace(code=sense.instead))
        elif not (
            sense.unless & forms
            or (sense.is_person and _is_part_of_a_name(mention.span, report, places))
            or (sense.is_everyday and _begins_a_sentence(mention.span, report))
        ):
            kept.append(mention)
    return kept


_NOT_A_GIVEN_NAME = frozenset(
    [
        "in",
        "of",
        "to",
        "from",
        "at",
        "the",
        "and",
        "for",
        "with",
        "by",
        "on",
        "near",
        "over",
        "king",
        "queen",
        "prince",
        "crown",
        "across",
        "neighbouring",
        "neighboring",
        "as",
        "but",
        "into",
        "if",
        "a",
        "an",
        "after",
        "before",
        "while",
        "when",
        "east",
        "west",
        "north",
        "south",
        "eastern",
        "western",
        "northern",
        "southern",
        "el",
        "la",
        "le",
        "les",
        "en",
        "de",
        "y",
        "et",
        "dans",
        "au",
        "president",
        "republic",
        "gulf",
        "greater",
        "visit",
        "kingdom",
        "state",
        "occupied",
        "neither",
        "nor",
        "or",
        "whether",
        "between",
        "like",
        "both",
        "since",
        "inside",
        "why",
        "how",
        "what",
    ]
)


def _is_part_of_a_name(span: Span, report: Text, places: set[tuple[FieldName, int]]) -> bool:
    """Whether a capitalised word that is no place stands right before or right after: Michael Jordan, Jordan Smith."""
    words = report.words(span.field)
    if is_in_capitals(words):
        return False
    before, after = span.first - 1, span.last + 1
    return any(
        0 <= number < len(words.forms)
        and _stand_together(words, min(number, span.first), max(number, span.last))
        and _is_name_like(words, number, span.field, places)
        for number in (before, after)
    )


def _is_name_like(
    words: Words, number: int, field_name: FieldName, places: set[tuple[FieldName, int]]
) -> bool:
    word = _word(words, number)
    return (
        word[:1].isupper()
        and not word.isupper()
        and (field_name, number) not in places
        and words.forms[number] not in _NOT_A_GIVEN_NAME
    )


_PARTS = frozenset(',:;()«»"“”')
"""What parts a word from the next: "Melissa: Cuba" is no name."""


def _stand_together(words: Words, first: int, last: int) -> bool:
    start, end = words.where(first, last)
    written = words.original[start:end]
    return written.count(" ") == last - first == len(written.split()) - 1 and _PARTS.isdisjoint(written)


def _word(words: Words, number: int) -> str:
    start, end = words.where(number, number)
    return words.original[start:end]


def _begins_a_sentence(span: Span, report: Text) -> bool:
    words = report.words(span.field)
    return span.first == 0 or span.first in words.sentences


def is_in_capitals(words: Words) -> bool:
    """Whether a title is set With Capitals Throughout, so that they say nothing."""
    long = [
        words.original[start] for start, end in zip(words.starts, words.ends, strict=True) if end - start > 3
    ]
    return len(words.forms) < 40 and len(long) > 3 and sum(map(str.isupper, long)) >= CAPITALISED * len(long)


def _weight(mention: Mention, report: Text) -> float:
    field_name, sentence = report.sentence_of(mention.span)
    where = TITLE_WEIGHT if field_name == "title" else LEAD_WEIGHT if sentence < LEAD_SENTENCES else 1.0
    return where * (VENUE_SHARE if mention.sense.is_venue else 1.0)


def senses_of(
    unless: Mapping[str, Iterable[str]],
    instead: Mapping[str, str],
    people: Iterable[str],
    everyday: Iterable[str],
    venues: Iterable[str],
) -> dict[str, Sense]:
    """The senses by phrase, from lists by kind of trap."""
    people, everyday, venues = frozenset(people), frozenset(everyday), frozenset(venues)
    return {
        phrase: Sense(
            unless=frozenset(map(form_of, unless.get(phrase, ()))),
            instead=instead.get(phrase, NOTHING),
            is_person=phrase in people,
            is_everyday=phrase in everyday,
            is_venue=phrase in venues,
        )
        for phrase in {*unless, *instead, *people, *everyday, *venues}
    }
