"""What tells a report's happening from others in the same wording: its names, figures, days and countries.

Wire reports are templates: "Munich airport closed after drone sightings", "Oslo airport closed after drone sightings".
Words alone cannot part them, what is filled in can: where each of two reports has a name or a figure that the other has
not, they are two happenings. The comparison is in `join_story.lua`, as the report that is compared with is in Redis.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from services.classify.core.figures import figures_in, is_strong
from shared.matching.forms import form_of

LEAD = 45
"""Words of the text in which names are looked for."""
ALL = 70
"""Words of the text in which those of the other report are looked for: what is named late is named too."""
CHARACTERS = 600
HOURS = 12
"""Reports further apart are of one story only if they are nearly the same: a wording comes back the next day."""
SHORTEST = 3
STEM = 6
CAPITALISED = 0.6
"""The share of words with a capital from which those of a title say nothing."""

_WORD = re.compile(r"[^\W\d_]{1,3}-\d{1,3}\b|[^\W_]+")
_SENTENCE_END = re.compile(r"[.!?:…\n][\s\"'“”«»(]*$|^[\s\"'“”«»(]*$")
# "No. 41", "Report 17": a number that is a name.
_NUMBERED = re.compile(
    r"(?:[№#]|\b(?:no|nr|number|report|update|bulletin|issue|part|round|day|flight|resolution|convoy|rapport|jour|informe"
    r"|bolet[ií]n|d[ií]a|отч[её]т|сводка|бюллетень|выпуск|день|звіт|зведення|бюлетень|випуск)\b|رقم)[\s.:#№°º]*(\d{1,6})\b",
    re.IGNORECASE,
)
# Arabic has no capitals; a place stands after a word for "in", "to", "from", "near", "city", "airport".
_ARABIC_PLACE = re.compile(r"\b(?:في|إلى|من|قرب|مدينة|مطار)\s+(\w{3,})")
_SLAVIC_ENDING = re.compile("(?<=[а-яіїєґ]{3})[аеиоуыэюяіїєьйхм]{1,2}$")
_DAYS = """
monday lundi lunes понедельник понеділок اثنين
tuesday mardi martes вторник вівторок ثلاثاء
wednesday mercredi miercoles среду середу اربعاء
thursday jeudi jueves четверг четвер خميس
friday vendredi viernes пятницу ятницю جمعه
saturday samedi sabado субботу суботу سبت
sunday dimanche domingo воскресенье неділю
"""
_NUMBERS = """
two deux dos два две двое дві двоє
three trois tres три трое троє
four quatre cuatro четыре четверо чотири
five cinq cinco пять пятеро
six seis шесть шестеро шість
seven sept siete семь сім
eight huit ocho восемь вісім
nine neuf nueve девять
ten dix diez десять
eleven onze
twelve douze doce
"""
_DAY = {form: str(day) for day, forms in enumerate(_DAYS.split("\n")) for form in forms.split()}
_NUMBER = {form: str(n) for n, forms in enumerate(_NUMBERS.split("\n"), 1) for form in forms.split()}
_NAMELESS = frozenset(
    "january february march april may june july august september october november december"
    " reuters afp tass interfax ukrinform breaking update exclusive the and for with from after".split()
)


class Traits(NamedTuple):
    """The parts that are compared; each is the codes of its words, of three characters. `written` is what Redis keeps."""

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
    """Figures that no later count corrects: those of three digits or more, and numbers of a series."""
    days: str
    countries: str

    @property
    def written(self) -> str:
        return " ".join(self)


class _Word(NamedTuple):
    form: str
    is_capital: bool
    is_start: bool


def traits_of(title: str, text: str, moment: datetime, countries: Iterable[str] = ()) -> Traits:
    """The traits of a report published at this moment, about these countries (ISO 3166)."""
    text = text[:CHARACTERS]
    head, body = list(_words(title)), list(islice(_words(text), ALL))
    lead = body[:LEAD]
    named = {word.form for word in lead if word.is_capital and not word.is_start}
    named.update(map(form_of, _ARABIC_PLACE.findall(text)))
    head_names = {word.form for word in head if word.is_capital and not word.is_start}
    if _is_set_in_capitals(head):
        head_names &= named
    starts = {word.form for word in head if word.is_capital and word.is_start}
    head_names |= starts & named
    everything, whole = [*head, *body], f"{title}\n{text}"
    spoken = {_NUMBER[word.form] for word in everything if word.form in _NUMBER}
    figures = {*figures_in(whole), *spoken}
    numbered = set(_NUMBERED.findall(whole))
    return Traits(
        str(int(moment.timestamp()) // 3600),
        str(int(any(map(str.islower, whole)))),
        _codes(word.form for word in head),
        _codes(word.form for word in everything),
        _codes(head_names),
        _codes(starts - head_names),
        _codes(head_names | named),
        _codes(head_names | named | {word.form for word in lead if word.is_capital}),
        _codes(figures | numbered, least=1),
        _codes({*numbered, *filter(is_strong, figures)}, least=1),
        "".join(sorted({_DAY[word.form] * 3 for word in everything if word.form in _DAY})),
        _codes(countries, least=1),
    )


def _words(text: str) -> Iterator[_Word]:
    for match in _WORD.finditer(text):
        word = match[0]
        is_start = bool(_SENTENCE_END.search(text, max(0, match.start() - 4), match.start()))
        yield _Word(form_of(word), word[0].isupper(), is_start)


def _is_set_in_capitals(words: list[_Word]) -> bool:
    long = [word.is_capital for word in words if len(word.form) > SHORTEST]
    return sum(long) >= max(3, CAPITALISED * len(long))


def _codes(words: Iterable[str], least: int = SHORTEST) -> str:
    return "".join(dict.fromkeys(_code(word) for word in words if len(word) >= least and _tells(word)))


def _tells(word: str) -> bool:
    return word not in _NAMELESS and word not in _DAY and word not in _NUMBER


# A hundred bytes each.
@lru_cache(maxsize=30_000)
def _code(word: str) -> str:
    stem = _SLAVIC_ENDING.sub("", word)[:STEM]
    return urlsafe_b64encode(hashlib.blake2b(stem.encode(), digest_size=3).digest()).decode()[:3]
