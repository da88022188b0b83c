"""Countries as they are found, in one search, beside countries found slowly: word by word, name by name."""

from collections import defaultdict
from collections.abc import Iterator
from math import fsum, log2
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classify.core import countries
from services.classify.core.countries import NOTHING, PLAIN, Gazetteer, Name, Sense, capitals_of, senses_of
from services.classify.core.language import foreign_languages
from services.classify.core.rulebook import compile_rulebook
from services.classify.core.tag import find_all
from shared.matching.phrases import normal_form
from shared.matching.text import FieldName, Text

NAMES = {
    "Georgia": ("GE",),
    "Грузія": ("GE",),
    "Грузия": ("GE",),
    "Tbilisi": ("GE",),
    "Atlanta": ("US",),
    "US": ("US",),
    "Jordan": ("JO",),
    "Amman": ("JO",),
    "Turkey": ("TR",),
    "turques": ("TR",),
    "Guinea": ("GN",),
    "New Guinea": ("PG",),
    "Guinea Bissau": ("GW",),
    "Congo": ("CD", "CG"),
    "Geneva": ("CH",),
    "Geneva Convention": (NOTHING, "CH"),
    "Gulf of Guinea": (NOTHING,),
    "غانا": ("GH",),
}
LANGUAGES = {"Грузія": {"uk"}, "Грузия": {"ru"}, "turques": {"fr"}, "غانا": {"ar"}}
GAZETTEER = Gazetteer(
    {
        phrase: tuple(
            Name(code, frozenset(LANGUAGES.get(phrase, {"en"})), capitals_of(phrase)) for code in codes
        )
        for phrase, codes in NAMES.items()
    },
    senses_of(
        unless={"Georgia": ["senate", "Café"]},
        instead={"Georgia": "US"},
        people=["Jordan", "Guinea"],
        everyday=["Turkey"],
        venues=["Geneva"],
    ),
)
RULEBOOK = compile_rulebook([], GAZETTEER)

WORDS = """
Georgia georgia GEORGIA Georgia’s Грузія Грузия грузія Tbilisi Atlanta US us U.S. Jordan jordan Amman Turkey turkey
turques New Guinea GUINEA Bissau Gulf of Congo Geneva Geneva-based غانا Convention Michael Smith MICHAEL King in café
senate sénat Avenue avenue Street Rue rue de la HMS hms
talks they word , . : ! ( — Dr. .[1]
"""
PIECES = [
    *WORDS.split(),
    ".\u00a0They",
    "\n\n",
    "the with and from has was their that",
    "les des dans pour avec sont cette leur",
    "word " * 60,
    "Word. " * 90,
]
titles = st.lists(st.sampled_from(PIECES[:-2]), max_size=6).map(" ".join)
texts = st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join)


class Word(NamedTuple):
    field: FieldName
    number: int
    sentence: int
    form: str
    written: str
    start: int
    end: int


class Named(NamedTuple):
    """A name in its place: its words, and what it stands for."""

    words: list[Word]
    code: str
    sense: Sense


def words_of(report: Text) -> list[Word]:
    return [
        Word(field, number, words.sentence_of(number), form, words.original[start:end], start, end)
        for field, words in report.fields()
        for number, (form, start, end) in enumerate(zip(words.forms, words.starts, words.ends, strict=True))
    ]


def is_written(wanted: str, written: str) -> bool:
    return written == written.upper() if wanted == "AA" else not wanted or not written[0].islower()


def named(report: Text) -> Iterator[Named]:
    """Every name, written as it is listed, where it stands in one sentence."""
    words, foreign = words_of(report), foreign_languages(report, None)
    for at in range(len(words)):
        for phrase, names in GAZETTEER.names.items():
            forms = normal_form(phrase).split()
            run = words[at : at + len(forms)]
            if [each.form for each in run] != forms or len({(each.field, each.sentence) for each in run}) > 1:
                continue
            for name in names:
                if not name.languages <= foreign and all(
                    is_written(wanted, each.written) for wanted, each in zip(name.capitals, run, strict=True)
                ):
                    yield Named(run, name.code, GAZETTEER.senses.get(phrase, PLAIN))


def longest(all_named: list[Named]) -> list[Named]:
    kept: list[Named] = []
    for each in sorted(all_named, key=lambda each: -len(each.words)):
        beside = kept[-1] if kept and kept[-1].words == each.words else None
        is_another = beside is not None and beside.code not in (NOTHING, each.code)
        if is_another or not any(word in other.words for other in kept for word in each.words):
            kept.append(each)
    return [each for each in kept if each.code != NOTHING]


def is_called_after_a_place(each: Named, report: Text) -> bool:
    """Whether it is a street or a ship, in a field whose words do not all have capitals."""
    words = [word for word in words_of(report) if word.field == each.words[0].field]
    original = report.words(each.words[0].field).original
    first, last = each.words[0].number, each.words[-1].number
    before, after = first - 1, last + 1
    while before >= 0 and words[before].form in ("de", "du", "d", "la", "l", "del"):
        before -= 1
    kinds = ((after, ("avenue", "street")), (before, ("rue", "avenue", "hms")))
    for number, forms in kinds:
        if is_set_in_capitals(words) or not 0 <= number < len(words) or words[number].form not in forms:
            continue
        run = words[min(number, first) : max(number, last) + 1]
        stretch = original[run[0].start : run[-1].end]
        is_one_sentence = len({word.sentence for word in run}) == 1
        if words[number].written[0].isupper() and is_one_sentence and not set(stretch) & set(',:;()«»"“”'):
            return True
    return False


def is_set_in_capitals(words: list[Word]) -> bool:
    long = [word.written[0] for word in words if len(word.written) > 3]
    return len(words) < 40 and len(long) > 3 and sum(map(str.isupper, long)) >= 0.85 * len(long)


def is_part_of_a_name(each: Named, places: list[Word], report: Text) -> bool:
    """Whether a capitalised word that is no place stands beside it, with one space and nothing else between."""
    beside = [word for word in words_of(report) if word.field == each.words[0].field]
    if is_set_in_capitals(beside):
        return False
    original = report.words(each.words[0].field).original
    first, last = each.words[0].number, each.words[-1].number
    for number, run in (
        (first - 1, beside[max(first - 1, 0) : last + 1]),
        (last + 1, beside[first : last + 2]),
    ):
        if not 0 <= number < len(beside) or len({word.sentence for word in run}) > 1:
            continue
        word, stretch = beside[number], original[run[0].start : run[-1].end]
        if (
            word.written[0].isupper()
            and not (len(word.written) > 1 and word.written.isupper())
            and word not in places
            and word.form.encode() not in countries._NOT_A_GIVEN_NAME
            and stretch.split(" ") == stretch.split()
            and len(stretch.split()) == len(run)
            and not set(stretch) & set(',:;()«»"“”')
        ):
            return True
    return False


def stands_for(each: Named, found: list[Named], report: Text) -> str | None:
    """The country that it means here, if any."""
    sure, sense = {other.code for other in found if other.sense.is_sure}, each.sense
    if each.code in sure:
        return each.code
    if sense.instead in sure:
        return sense.instead
    words = words_of(report)
    if {word.form.encode() for word in words} & sense.unless:
        return None
    if sense.is_person and is_part_of_a_name(each, [other.words[0] for other in found], report):
        return None
    first = each.words[0]
    begins = [(word.field, word.sentence) for word in words].index((first.field, first.sentence))
    return None if sense.is_everyday and words[begins] == first else each.code


def weight(each: Named) -> float:
    place = 8.0 if each.words[0].field == "title" else 2.0 if each.words[0].sentence < 3 else 1.0
    return place * (0.4 if each.sense.is_venue else 1.0)


def slowly(title: str, text: str) -> list[tuple[str, list[str]]]:
    """The countries, most mentioned first, each with its names as they are read."""
    report = Text.of(title, text)
    found = [each for each in longest(list(named(report))) if not is_called_after_a_place(each, report)]
    by_country: dict[str, list[Named]] = defaultdict(list)
    for each in found:
        if code := stands_for(each, found, report):
            by_country[code].append(each)
    weights = {code: fsum(map(weight, each)) for code, each in by_country.items()}
    count = len(words_of(report))
    least = max([1 + log2(max(count, 100) / 100), *(0.1 * each for each in weights.values())])
    kept = sorted(
        (code for code in weights if weights[code] >= least), key=lambda code: (-weights[code], code)
    )
    return [(code, cut_out(by_country[code], report)) for code in kept]


def cut_out(names: list[Named], report: Text) -> list[str]:
    ordered = sorted(names, key=lambda each: (each.words[0].field != "title", each.words[0].number))
    return [
        report.words(each.words[0].field).original[each.words[0].start : each.words[-1].end]
        for each in ordered
    ][:12]


@given(titles, texts)
def test_the_countries_of_a_report_are_those_found_slowly(title: str, text: str):
    found = find_all(title, text, None, RULEBOOK).countries
    assert [(each.code, [piece.text for piece in each.evidence]) for each in found] == slowly(title, text)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("They met Smith. Jordan agreed", ["JO"]),
        ("They met Michael Jordan", []),
        ("In the Gulf of Guinea", []),
        ("Georgia and Atlanta", ["US"]),
        ("Word. " * 160 + "Georgia and Atlanta", ["US"]),
        ("Georgia and Tbilisi, not Atlanta", ["GE", "US"]),
    ],
)
def test_examples_come_out_as_people_read_them(text: str, codes: list[str]):
    assert [code for code, _ in slowly("", text)] == codes
    assert [each.code for each in find_all("", text, None, RULEBOOK).countries] == codes
