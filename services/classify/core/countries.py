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
from math import fsum, log2
from typing import NamedTuple

from services.classify.core.evidence import Quotes, Spot, evidence, in_order
from shared.events import Country, Evidence
from shared.matching.evaluation import Places
from shared.matching.forms import form_of
from shared.matching.text import FieldName, Text
from shared.matching.words import Words, cut

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
LONGEST_TITLE = 40


class Name(NamedTuple):
    """What a phrase stands for. `code` is ISO 3166-1 alpha-2 (XK for Kosovo), or NOTHING."""

    code: str
    languages: frozenset[str]
    capitals: tuple[str, ...]
    """For each word as listed: "" any case, "A" a capital first, "AA" capitals only."""


@dataclass(frozen=True, slots=True)
class Sense:
    """When a name stands for something else."""

    unless: frozenset[bytes] = frozenset()
    """Forms (UTF-8) that speak against it, anywhere in the report, unless something surer speaks for the country."""
    instead: str = NOTHING
    """The country that it means where only that one is surely there."""
    is_person: bool = False
    is_everyday: bool = False
    is_venue: bool = False

    @property
    def is_sure(self) -> bool:
        return not (self.unless or self.instead or self.is_person or self.is_everyday)


PLAIN = Sense()


class Meaning(NamedTuple):
    """The country that a phrase stands for if its words are written like this, and in which sense."""

    code: str
    capitals: tuple[str, ...]
    sense: Sense


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """Names by phrase, and the senses of those that have more than one."""

    names: Mapping[str, tuple[Name, ...]] = field(default_factory=dict, repr=False)
    senses: Mapping[str, Sense] = field(default_factory=dict, repr=False)
    version: str = ""

    def meanings(self, phrase: str, foreign: frozenset[str]) -> tuple[Meaning, ...]:
        """What a phrase may mean in a report that is not written in the foreign languages."""
        sense = self.senses.get(phrase, PLAIN)
        return tuple(
            Meaning(name.code, name.capitals, sense)
            for name in self.names.get(phrase, ())
            if not name.languages <= foreign
        )


class Mention(NamedTuple):
    """A name in its place: a run of words in the line of a field, and where each of them begins."""

    field: FieldName
    start: int
    end: int
    words: tuple[int, ...]
    code: str
    sense: Sense


def find_countries(
    found: Places, report: Text, meanings: Mapping[int, tuple[Meaning, ...]], quotes: Quotes
) -> tuple[Country, ...]:
    """The countries of a report, most mentioned first; none is an answer too.

    `found` are the places of phrases, `meanings` what those phrases mean that are names.
    """
    names = {field: [place for place in found[field] if place[0] in meanings] for field in found}
    least = needed(len(report.title) + len(report.text))
    end_of_lead = max(report.text.breaks[:LEAD_SENTENCES], default=0)
    if _most(names, meanings, end_of_lead) < least:
        return ()
    mentions: dict[str, list[Mention]] = defaultdict(list)
    written = _longest(_as_written(names, report, meanings))
    for mention in _in_their_sense(
        [each for each in written if not _is_street_or_ship(each, report)], report
    ):
        mentions[mention.code].append(mention)
    weights = {code: fsum([_weight(each, end_of_lead) for each in those]) for code, those in mentions.items()}
    least = max(least, SMALLEST_SHARE * max(weights.values(), default=0))
    kept = sorted((-weight, code) for code, weight in weights.items() if weight >= least)
    return tuple(Country(code=code, evidence=_evidence(mentions[code], quotes)) for _, code in kept)


def _most(names: Places, meanings: Mapping[int, tuple[Meaning, ...]], end_of_lead: int) -> float:
    """The most that a country can weigh, if every name counts as whatever it can mean."""
    most: dict[str, float] = defaultdict(float)
    for field_name, places in names.items():
        for number, start, _ in places:
            weight = _weight_of(field_name, start, end_of_lead)
            for code, _, sense in meanings[number]:
                most[code] += weight
                most[sense.instead] += weight
    most.pop(NOTHING, None)
    return max(most.values(), default=0)


def _evidence(mentions: Iterable[Mention], quotes: Quotes) -> tuple[Evidence, ...]:
    return evidence(in_order(Spot(each.field, each.start, each.end) for each in mentions), quotes)


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


def _as_written(names: Places, report: Text, meanings: Mapping[int, tuple[Meaning, ...]]) -> list[Mention]:
    mentions: list[Mention] = []
    for field_name, words in report.fields():
        for number, start, end in names[field_name]:
            is_small = words.begins_small(start)
            for code, capitals, sense in meanings[number]:
                if is_small and capitals[0]:
                    continue
                last = words.end_of_word(end - 1)
                if len(capitals) == 1 and capitals[0] != "AA":
                    mentions.append(Mention(field_name, start, last, (start,), code, sense))
                    continue
                each = _words_of(words, start, last)
                if _is_written(capitals, each, last, words):
                    mentions.append(Mention(field_name, start, last, each, code, sense))
    return mentions


def _words_of(words: Words, start: int, end: int) -> tuple[int, ...]:
    """Where each word begins, with its space."""
    starts = [start]
    while (start := words.line.find(b" ", start + 1, end)) >= 0:
        starts.append(start)
    return tuple(starts)


def _is_written(capitals: tuple[str, ...], starts: tuple[int, ...], end: int, words: Words) -> bool:
    for wanted, start, following in zip(capitals, starts, (*starts[1:], end), strict=False):
        if wanted:
            word = words.written(start, following)
            # A script without capitals has nothing to show.
            if (word.upper() != word) if wanted == "AA" else word[:1].islower():
                return False
    return True


def _longest(mentions: list[Mention]) -> list[Mention]:
    """Of mentions that share words, the one of most words; one phrase may stand for two countries: the Koreas."""
    kept: list[Mention] = []
    taken: dict[FieldName, set[int]] = {"title": set(), "text": set()}
    for mention in sorted(mentions, key=lambda each: -len(each.words)):
        words = taken[mention.field]
        is_another = bool(kept) and mention[:4] == kept[-1][:4] and mention.code != kept[-1].code
        if is_another or words.isdisjoint(mention.words):
            words.update(mention.words)
            if mention.code != NOTHING:
                kept.append(mention)
    return kept


_STREETS = (b"avenue ", b"street ", b"road ", b"boulevard ", b"lane ")
_STREETS_AND_SHIPS = (
    b" rue",
    b" avenue",
    b" boulevard",
    b" calle",
    b" avenida",
    b" hms",
    b" uss",
    b" hmcs",
    b" usns",
    b" mv",
)
_OF = (b" de", b" du", b" d", b" la", b" l", b" del")


def _is_street_or_ship(name: Mention, report: Text) -> bool:
    """Whether it is called after the place: Jamaica Avenue, rue de Londres, HMS Ireland."""
    words = report.words(name.field)
    line, start = words.line, name.start
    if line.startswith(_STREETS, name.end + 1):
        end = words.end_of_word(name.end + 1)
        return _is_part(words, (name.end, end), name.start, end)
    while line.endswith(_OF, 0, start):
        start = line.rindex(b" ", 0, start)
    if not line.endswith(_STREETS_AND_SHIPS, 0, start):
        return False
    before = line.rindex(b" ", 0, start)
    return _is_part(words, (before, start), before, name.end)


def _is_part(words: Words, place: tuple[int, int], start: int, end: int) -> bool:
    """Whether a word of a name is written with a capital where not all are, and right beside it."""
    first, last = words.where(start, end)
    return (
        words.written(*place)[:1].isupper()
        and not is_in_capitals(words)
        and _PARTS.isdisjoint(words.original[first:last])
    )


def _in_their_sense(mentions: list[Mention], report: Text) -> list[Mention]:
    sure = {mention.code for mention in mentions if mention.sense is PLAIN or mention.sense.is_sure}
    doubtful = [mention for mention in mentions if mention.code not in sure]
    if not doubtful:
        return mentions
    places = {(mention.field, mention.start) for mention in mentions}
    forms = _forms(report) if any(mention.sense.unless for mention in doubtful) else set()
    kept = []
    for mention in mentions:
        sense = mention.sense
        if mention.code in sure:
            kept.append(mention)
        elif sense.instead in sure:
            kept.append(mention._replace(code=sense.instead))
        elif not (
            sense.unless & forms
            or (sense.is_person and _is_part_of_a_name(mention, report, places))
            or (sense.is_everyday and report.words(mention.field).begins_a_sentence(mention.start))
        ):
            kept.append(mention)
    return kept


def _forms(report: Text) -> set[bytes]:
    return {*report.title.line.split(), *report.text.line.split()}


_NOT_A_GIVEN_NAME = frozenset(
    b"""
    in of to from at the and for with by on near over king queen prince crown across neighbouring
    neighboring as but into if a an after before while when east west north south eastern western northern
    southern el la le les en de y et dans au president republic gulf greater visit kingdom state occupied
    neither nor or whether between like both since inside why how what
    """.split()
)


def _is_part_of_a_name(name: Mention, report: Text, places: set[tuple[FieldName, int]]) -> bool:
    """Whether a capitalised word that is no place stands right before or right after: Michael Jordan, Jordan Smith."""
    words = report.words(name.field)
    before, after = words.before(name.start), words.after(name.end)
    return not is_in_capitals(words) and (
        (before is not None and _is_name_like(words, before, (before[0], name.end), name.field, places))
        or (after is not None and _is_name_like(words, after, (name.start, after[1]), name.field, places))
    )


def _is_name_like(
    words: Words,
    place: tuple[int, int],
    around: tuple[int, int],
    field_name: FieldName,
    places: set[tuple[FieldName, int]],
) -> bool:
    start, end = place
    word = words.written(start, end)
    return (
        word[:1].isupper()
        and not word.isupper()
        and (field_name, start) not in places
        and words.line[start + 1 : end] not in _NOT_A_GIVEN_NAME
        and _stand_together(words, *around)
    )


_PARTS = frozenset(',:;()«»"“”')
"""What parts a word from the next: "Melissa: Cuba" is no name."""


def _stand_together(words: Words, start: int, end: int) -> bool:
    first, last = words.where(start, end)
    between = words.line.count(b" ", start + 1, end)
    original = words.original[first:last]
    return original.count(" ") == between == len(original.split()) - 1 and _PARTS.isdisjoint(original)


def is_in_capitals(words: Words) -> bool:
    """Whether a title is set With Capitals Throughout, so that they say nothing."""
    if len(words) >= LONGEST_TITLE:
        return False
    long = [
        words.original[start] for start, end in zip(words.starts, words.ends, strict=True) if end - start > 3
    ]
    return len(long) > 3 and sum(map(str.isupper, long)) >= CAPITALISED * len(long)


def _weight(mention: Mention, end_of_lead: int) -> float:
    here = _weight_of(mention.field, mention.start, end_of_lead)
    return here * VENUE_SHARE if mention.sense.is_venue else here


def _weight_of(field_name: FieldName, start: int, end_of_lead: int) -> float:
    return TITLE_WEIGHT if field_name == "title" else LEAD_WEIGHT if start < end_of_lead else 1.0


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
            unless=frozenset(form_of(word).encode() for word in unless.get(phrase, ())),
            instead=instead.get(phrase, NOTHING),
            is_person=phrase in people,
            is_everyday=phrase in everyday,
            is_venue=phrase in venues,
        )
        for phrase in {*unless, *instead, *people, *everyday, *venues}
    }
