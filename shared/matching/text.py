"""A report's title and text cut into words, once, with the way back to the original characters.

1. Words are runs of letters and digits; initials ("U.N."), soft hyphens, zero-width marks and the Ukrainian
   apostrophe do not cut a word; a possessive 's is no part of it.
2. A word's form is what phrases are compared with: NFKC, casefold, without Latin accents, Arabic vowel marks
   and the Arabic article. Forms may differ in length from the original, so offsets are kept by word.
3. Sentences end at . ! ? … ؟ before white space, and at blank lines; a title is one sentence.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from shared.events import Evidence

FieldName = Literal["title", "text"]

_MARKS = "\u0300-\u036f\u0483-\u0487\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"
_HIDDEN = "\u00ad\u200b-\u200d\u2060\ufeff"
_RUN = rf"\w[\w{_MARKS}]*"
_APOSTROPHE = r"(?<=[\u0400-\u052f])['’`](?=[\u0400-\u052f])"
_WORD = re.compile(
    rf"([^\W\d](?:\.[^\W\d])+(?!\w)|{_RUN}(?:(?:[{_HIDDEN}]+|{_APOSTROPHE}){_RUN})*)(?:['’][sS](?!\w))?"
)

_UNSEEN = re.compile(rf"[{_HIDDEN}'’`.]")
_LONGEST_REMEMBERED = 40
_ARABIC = re.compile("[\u0600-\u06ff]")
_ARABIC_LETTERS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ـ": None})
_ARABIC_ARTICLES = ("وال", "بال", "كال", "فال", "ولل", "ال", "لل", "و")
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "ё": "е"})

# Stops are taken from the first of a row: a page of dots costs no more than its length.
_BREAK = re.compile(r"(?P<stop>(?<![.!?…؟۔])[.!?…؟۔]+)[\"'”’»)\]]*(?:\[\d+\])*(?=\s+(?P<next>\S))|\n\s*\n")
_BEFORE_STOP = 14
_NO_SENTENCE_END = re.compile(
    r"\b(?:[^\W\d]|dr|mrs?|ms|st|gen|lt|col|maj|sgt|capt|rep|sen|gov|prof|rev|hon|no|vs|approx|jr|sr|inc|ltd|co|corp"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mme|mm|sra|ee|uu|ул|им|тыс|тис|млн|млрд|ст|см|стр)$",
    re.IGNORECASE,
)


class Span(NamedTuple):
    """A run of words of one field, by their numbers; `last` is in it."""

    field: FieldName
    first: int
    last: int

    def holds(self, other: "Span") -> bool:
        """Whether every word of the other is in this one."""
        return self.field == other.field and self.first <= other.first and other.last <= self.last


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one field: their forms, and where each stands in the original (code points)."""

    original: str
    forms: list[str]
    starts: list[int]
    ends: list[int]
    sentences: list[int]
    """The number of the first word of each sentence after the first."""

    def sentence_of(self, word: int) -> int:
        """The number of the sentence that a word stands in, from 0."""
        return bisect_right(self.sentences, word)


@dataclass(frozen=True, slots=True)
class Text:
    """A title and a text, ready to be searched any number of times."""

    title: Words
    text: Words

    @classmethod
    def of(cls, title: str, text: str) -> "Text":
        """The words of a report. Any string will do, the empty one too."""
        return cls(title=cut(title, one_sentence=True), text=cut(text))

    def fields(self) -> Iterator[tuple[FieldName, Words]]:
        """Title, then text."""
        yield "title", self.title
        yield "text", self.text

    def words(self, field: FieldName) -> Words:
        return self.title if field == "title" else self.text

    def sentence_of(self, span: Span) -> tuple[FieldName, int]:
        """The sentence that a span stands in: its field, and its number there."""
        return span.field, self.words(span.field).sentence_of(span.first)

    def evidence(self, span: Span) -> Evidence:
        """The span as the original has it: `evidence.text == original[start:end]`."""
        words = self.words(span.field)
        start, end = words.starts[span.first], words.ends[span.last]
        return Evidence(field=span.field, start=start, end=end, text=words.original[start:end])


def cut(original: str, *, one_sentence: bool = False) -> Words:
    """The words of one string."""
    # One character for another: offsets stay true.
    matches = list(_WORD.finditer(original.replace("_", " ").replace("ʼ", "’")))
    starts = [match.start() for match in matches]
    return Words(
        original=original,
        forms=[form_of(match[1]) for match in matches],
        starts=starts,
        ends=[match.end(1) for match in matches],
        sentences=[] if one_sentence else _sentences(original, starts),
    )


def form_of(word: str) -> str:
    """The form of one word: two words with the same form are the same word to every phrase."""
    if word.isascii():
        return word.lower().replace(".", "")
    return _remembered(word) if len(word) <= _LONGEST_REMEMBERED else _folded(word)


def _folded(word: str) -> str:
    folded = unicodedata.normalize("NFKC", _UNSEEN.sub("", word)).casefold()
    if _ARABIC.search(folded):
        return _without_article("".join(filter(str.isalnum, folded)).translate(_ARABIC_LETTERS)) or folded
    return _without_accents(folded).translate(_LETTERS) or word


_remembered = lru_cache(maxsize=100_000)(_folded)


def _without_accents(word: str) -> str:
    return "".join(map(_without_accent, unicodedata.normalize("NFC", word)))


def _without_accent(letter: str) -> str:
    # Of Latin letters only: й and ї are letters of their own.
    if "\u0300" <= letter <= "\u036f":
        return ""
    is_latin = letter < "\u0300" or "\u1e00" <= letter <= "\u1eff"
    return unicodedata.normalize("NFD", letter)[0] if is_latin else letter


def _without_article(word: str) -> str:
    for article in _ARABIC_ARTICLES:
        if word.startswith(article) and len(word) - len(article) >= 3 + (article == "و"):
            return word[len(article) :]
    return word


def _sentences(original: str, starts: list[int]) -> list[int]:
    firsts = (bisect_left(starts, match.end()) for match in _BREAK.finditer(original) if _ends(match))
    return [first for first in dict.fromkeys(firsts) if 0 < first < len(starts)]


def _ends(match: re.Match[str]) -> bool:
    if match["stop"] is None:
        return True
    if match["next"].islower():
        return False
    before = match.string[max(0, match.start() - _BEFORE_STOP) : match.start()]
    return match["stop"] != "." or not _NO_SENTENCE_END.search(before)
