"""What tells a report's happening from others in the same wording: its names, figures, days and countries.

Wire reports are templates: "Munich airport closed after drone sightings", "Oslo airport closed after drone sightings".
Words alone cannot part them, what is filled in can: where each of two reports has a name or a figure that the other has
not, they are two happenings. The comparison is in `join_story.lua`, as the report that is compared with is in Redis.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from services.classify.core.figures import figures_in
from services.classify.core.sketch import LEAD, STEM
from shared.matching.forms import form_of

ALL = 70
"""Words of the text in which those of the other report are looked for: what is named late is named too."""
CHARACTERS = 500
MOST_DIGITS = 2
"""Of a toll that a later report may correct."""
HOURS = 12
"""Reports further apart are of one story only if they are nearly the same: a wording comes back the next day."""
SHORTEST = 3
CAPITALISED = 0.6
"""The share of words with a capital from which those of a title say nothing."""

# What begins a sentence, and a word; "F-16" is one.
_WORD = re.compile(r"([.!?:…\n][\s\"'“”«»(]*)?([№#]\d+|[^\W\d_]{1,3}-\d{1,3}\b|\d+-\w{1,2}\b|[^\W_]+)")
# "#12", "19th".
_OF_A_SERIES = re.compile(r"[№#]\d+|\d+(?:st|nd|rd|th|er|e|ème|-\w\w?)", re.IGNORECASE)
# Arabic has no capitals; a place stands after a word for "in", "to", "from", "near", "city", "town", "airport".
_ARABIC_PLACE = re.compile(r"\b(?:في|إلى|من|قرب|مدينة|بلدة|قرية|مخيم|مطار)\s+(\w{3,})")
_SLAVIC_ENDING = re.compile("(?<=[а-яіїєґ]{3})[аеиоуыэюяіїєьйхм]{1,2}$")
_DAYS = """
monday lundi lunes понедельник понеділок اثنين; tuesday mardi martes вторник вівторок ثلاثاء;
wednesday mercredi miercoles среду середу اربعاء; thursday jeudi jueves четверг четвер خميس;
friday vendredi viernes пятницу ятницю جمعه; saturday samedi sabado субботу суботу سبت;
sunday dimanche domingo воскресенье неділю
"""
_NUMBERS = """
one один одна; two deux dos два две двое дві двоє; three trois tres три трое троє;
four quatre cuatro четыре четверо чотири; five cinq cinco пять пятеро; six seis шесть шестеро шість;
seven sept siete семь сім; eight huit ocho восемь вісім; nine neuf nueve девять;
ten dix diez десять; eleven onze; twelve douze doce
"""
_SERIES = """
no nr number report update bulletin issue part round day flight resolution convoy rapport jour informe boletin dia
отчет сводка бюллетень выпуск день звіт зведення бюлетень випуск رقم
"""
_NAMELESS = """
january february march april may june july august september october november december
reuters afp tass interfax ukrinform breaking update exclusive the and for with from after
"""
_DAY = {form: str(day) for day, forms in enumerate(_DAYS.split(";")) for form in forms.split()}
_NUMBER = {form: str(n) for n, forms in enumerate(_NUMBERS.split(";"), 1) for form in forms.split()}
# "Report 17", "No. 41": the number after it is a name.
_LABELS = frozenset(_SERIES.split())
_IGNORED = frozenset(_NAMELESS.split())


class Traits(NamedTuple):
    """The parts that are compared: codes, of three characters each."""

    hour: str
    cased: str
    """"1", or "0" where the letters have no capitals."""
    title: str
    words: str
    title_names: str
    title_starts: str
    """What may be a name, or have its capital from where it stands."""
    names: str
    capitals: str
    """The names, and what begins a sentence."""
    figures: str
    firm: str
    """Figures that no later count corrects: of a hundred or more, fractions, and the numbers of a series."""
    days: str
    countries: str

    @property
    def written(self) -> str:
        """What Redis keeps."""
        return " ".join(self)


class _Word(NamedTuple):
    """A word; without a code if it names nothing."""

    code: str
    is_capital: bool
    is_long: bool
    day: str
    number: str
    series: str
    """Its digits, if it is of a series by itself."""
    digits: str
    numbers: bool
    """Whether a number after it is of a series."""


def traits_of(title: str, text: str, moment: datetime, countries: Iterable[str] = ()) -> Traits:
    """The traits of a report published at this moment, about these countries (ISO 3166)."""
    title, text = title[:CHARACTERS], text[:CHARACTERS]
    whole = f"{title}\n{text}"
    head, body = _cut(title), _cut(text)[:ALL]
    everything = [word for _, word in (*head, *body)]
    named = {word.code for start, word in body[:LEAD] if word.is_capital and not start}
    named.update(_code(form_of(place)) for place in _ARABIC_PLACE.findall(text))
    starts = {word.code for start, word in head if word.is_capital and start}
    head_names = {word.code for start, word in head if word.is_capital and not start}
    head_names = (head_names & named if _is_set_in_capitals(head) else head_names) | (starts & named)
    numbered = {_code(word.series) for word in everything if word.series}
    numbered |= {_code(word.digits) for label, word in pairwise(everything) if word.digits and label.numbers}
    found = figures_in(whole)
    figures = {*map(_code, found), *(_code(word.number) for word in everything if word.number)}
    return Traits(
        str(int(moment.timestamp()) // 3600),
        str(int(any(map(str.islower, whole)))),
        _joined(word.code for _, word in head),
        _joined(word.code for word in everything),
        _joined(head_names),
        _joined(starts - head_names),
        _joined(head_names | named),
        _joined(head_names | named | {word.code for _, word in body[:LEAD] if word.is_capital}),
        _joined(figures | numbered),
        _joined(numbered | set(map(_code, filter(_is_large, found)))),
        _joined(_code(word.day) for word in everything if word.day),
        _joined(map(_code, countries)),
    )


def _cut(text: str) -> list[tuple[str, _Word]]:
    """The words, each with what begins a sentence before it, if it does."""
    return [(start, _word(word)) for start, word in _WORD.findall(f"\n{text}")]


def _is_set_in_capitals(words: list[tuple[str, _Word]]) -> bool:
    long = [word.is_capital for _, word in words if word.is_long]
    return sum(long) >= max(3, CAPITALISED * len(long))


def _is_large(figure: str) -> bool:
    return "." in figure or len(figure) > MOST_DIGITS


def _joined(codes: Iterable[str]) -> str:
    return "".join(dict.fromkeys(codes))


# Some two hundred bytes each.
@lru_cache(maxsize=30_000)
def _word(written: str) -> _Word:
    form = form_of(written)
    day, number = _DAY.get(form, ""), _NUMBER.get(form, "")
    series = re.sub(r"\D", "", written) if _OF_A_SERIES.fullmatch(written) else ""
    is_nameless = len(form) < SHORTEST or day or number or series or form in _IGNORED
    return _Word(
        "" if is_nameless else _code(form),
        written[0].isupper(),
        len(form) > SHORTEST,
        day,
        number,
        series,
        form if form.isdecimal() else "",
        form in _LABELS,
    )


@lru_cache(maxsize=30_000)
def _code(form: str) -> str:
    stem = _SLAVIC_ENDING.sub("", form)[:STEM]
    return urlsafe_b64encode(hashlib.blake2b(stem.encode(), digest_size=3).digest()).decode()[:3]
