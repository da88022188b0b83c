"""A report's title and text cut into words, once, with the way back to the original characters.

1. Words are runs of letters and digits; initials ("U.N."), soft hyphens, zero-width marks and the Ukrainian
   apostrophe do not cut a word; a possessive 's is no part of it.
2. A word's form is what phrases are compared with: NFKC, casefold, without Latin accents, Arabic vowel marks
   and the Arabic article. Forms may differ in length from the original.
3. Sentences end at . ! ? … ؟ before white space, and at blank lines; a title is one sentence.

What is searched is the `line` of a field: all forms joined by single spaces, a newline between sentences. It is
made by whole-string operations; word by word, which is several times slower, only where a text has something
rare in it. Where a word stands in the original is worked out for the sentences that are asked for.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Literal, NamedTuple

from shared.events import Evidence

FieldName = Literal["title", "text"]

_MARKS = "\u0300-\u036f\u0483-\u0487\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"
_HIDDEN = "\u00ad\u200b-\u200d\u2060\ufeff"
_RUN = rf"\w[\w{_MARKS}]*"
_APOSTROPHE = r"(?<=[\u0400-\u052f])['’`](?=[\u0400-\u052f])"
_INITIALS_END = rf"(?![\w{_MARKS}]|['’`][\u0400-\u052f])"
_WORD = re.compile(
    rf"([^\W\d](?:\.[^\W\d])+{_INITIALS_END}|{_RUN}(?:(?:[{_HIDDEN}]+|{_APOSTROPHE}){_RUN})*)"
    rf"(?:['’][sS](?![\w{_MARKS}]))?"
)

_UNSEEN = re.compile(rf"[{_HIDDEN}'’`.]")
_MOST_REMEMBERED = 100_000
_LONGEST_REMEMBERED = 40
_ARABIC = re.compile("[\u0600-\u06ff]")
_ARABIC_LETTERS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ـ": None})
_ARABIC_ARTICLES = ("وال", "بال", "كال", "فال", "ولل", "ال", "لل", "و")
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "ё": "е"})

# What stands between words in most texts, one character for another, so that offsets stay true.
_PLAIN = (("_", " "), ("ʼ", "'"), ("’", "'"), ("“", '"'), ("”", '"'), ("–", "-"), ("—", "-"), ("\xa0", " "))
# Stops are taken from the first of a row: a page of dots costs no more than its length.
_AFTER_STOP = r"[.!?…؟۔]*[\"'»)\]]*(?:\[\d+\])*(?=\s+(\S))"
_STOP = re.compile(rf"(?<![.!?…؟۔])[.!?…؟۔]{_AFTER_STOP}")
# Each begins with one plain character: the search then jumps from one to the next.
_PLAIN_STOPS = {mark: re.compile(rf"\{mark}(?<![.!?…؟۔]\{mark}){_AFTER_STOP}") for mark in ".!?"}
_OTHER_STOPS = ("…", "؟", "۔")
_BLANK_LINE = re.compile(r"\n\s*\n")
_LAST_WORD = re.compile(r"\w*\Z")
_LONGEST_ABBREVIATION = 6
_ABBREVIATIONS = """
    dr mr mrs ms st gen lt col maj sgt capt rep sen gov prof rev hon no vs approx jr sr inc ltd co corp
    jan feb mar apr jun jul aug sep sept oct nov dec mme mm sra ee uu ул им тыс тис млн млрд ст см стр
"""
_NO_SENTENCE_END = frozenset(_ABBREVIATIONS.split())

_SHORT = 8_000
"""Bytes of a line in which counting spaces is quicker than to remember where words begin."""

_MARK = "\n"
# Stands for a sentence's end while a line is made.
_CUT = "\x1e"
_INITIAL = re.compile(
    rf"\.(?<=[^\W\d]\.)(?<![\w{_MARKS}][^\W\d]\.)(?<![\w{_MARKS}]'[sS]\.)(?<![\u0400-\u052f]'[\u0400-\u052f]\.)"
    rf"([^\W\d]){_INITIALS_END}"
)
_POSSESSIVE = re.compile(rf"'(?<=[\w{_MARKS}]')[sS](?![\w{_MARKS}])")
_INNER_APOSTROPHE = re.compile(r"'(?<=[\u0400-\u052f]')(?=[\u0400-\u052f])")
_RARE = (_CUT, "'s'", "'S'", "`", "\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff")
_ASCII = "".join(chr(n).lower() if chr(n).isalnum() else _MARK if chr(n) == _CUT else " " for n in range(128))
_RUNS = re.compile(rf"[\w{_MARKS}{_CUT}]+")


class Span(NamedTuple):
    """A run of words of one field, by their numbers; `last` is in it."""

    field: FieldName
    first: int
    last: int

    def holds(self, other: "Span") -> bool:
        """Whether every word of the other is in this one."""
        return self.field == other.field and self.first <= other.first and other.last <= self.last


class Words:
    """The words of one field. What costs time is worked out when it is asked for."""

    def __init__(self, original: str, line: str, bounds: list[int]) -> None:
        self.original = original
        self.line = line
        """" form form \\n form ": what is searched. Empty if there is no word."""
        self._bounds = bounds
        self._offsets: dict[int, tuple[list[int], list[int]]] = {}

    @cached_property
    def encoded(self) -> bytes:
        """The line in UTF-8."""
        return self.line.encode()

    @cached_property
    def forms(self) -> list[str]:
        """The form of each word."""
        return self.line.split()

    def __len__(self) -> int:
        return self.line.count(" ") - self.line.count(_MARK) - 1 if self.line else 0

    @cached_property
    def _positions(self) -> list[int]:
        """Where in the encoded line each word begins, the space before it."""
        tokens = self.encoded.split(b" ")[1:-1]
        positions = accumulate((len(token) + 1 for token in tokens), initial=0)
        return [position for position, token in zip(positions, tokens, strict=False) if token != b"\n"]

    def number_at(self, position: int) -> int:
        """The number of the word that begins, with its space, there in the encoded line."""
        line = self.encoded
        if len(line) < _SHORT:
            # A sentence's end is a newline with a space of its own.
            return line.count(b" ", 0, position) - line.count(b"\n", 0, position)
        return bisect_left(self._positions, position)

    @cached_property
    def sentences(self) -> list[int]:
        """The number of the first word of each sentence after the first."""
        # Each sentence is " form form ": one space more than words.
        counts = (sentence.count(" ") - 1 for sentence in self.line.split(_MARK))
        return list(accumulate(counts))[:-1]

    @cached_property
    def starts(self) -> list[int]:
        """Where each word begins in the original (code points)."""
        return [start for number in range(len(self._bounds)) for start in self._sentence(number)[0]]

    @cached_property
    def ends(self) -> list[int]:
        """Where each word ends in the original."""
        return [end for number in range(len(self._bounds)) for end in self._sentence(number)[1]]

    def sentence_of(self, word: int) -> int:
        """The number of the sentence that a word stands in, from 0."""
        return bisect_right(self.sentences, word)

    def where(self, first: int, last: int) -> tuple[int, int]:
        """Where a run of words begins and ends in the original."""
        return self._place(first)[0], self._place(last)[1]

    def _place(self, word: int) -> tuple[int, int]:
        number = self.sentence_of(word)
        starts, ends = self._sentence(number)
        word -= self.sentences[number - 1] if number else 0
        return starts[word], ends[word]

    def _sentence(self, number: int) -> tuple[list[int], list[int]]:
        if number not in self._offsets:
            end = self._bounds[number + 1] if number + 1 < len(self._bounds) else len(self.original)
            plain = _plain(self.original)
            matches = list(_WORD.finditer(plain, self._bounds[number], end))
            self._offsets[number] = [match.start() for match in matches], [match.end(1) for match in matches]
        return self._offsets[number]


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
        start, end = words.where(span.first, span.last)
        return Evidence(field=span.field, start=start, end=end, text=words.original[start:end])


def cut(original: str, *, one_sentence: bool = False) -> Words:
    """The words of one string."""
    plain = _plain(original)
    bounds = [0] if one_sentence else [0, *_breaks(plain)]
    pieces = [plain[start:end] for start, end in zip(bounds, [*bounds[1:], len(plain)], strict=True)]
    lines = _lines(pieces) if not any(map(plain.__contains__, _RARE)) else None
    if lines is None:
        lines = list(map(_line_by_words, pieces))
    kept = [number for number, line in enumerate(lines) if line]
    if len(kept) < len(lines):
        bounds, lines = [bounds[number] for number in kept], [lines[number] for number in kept]
    return Words(original, f" {f' {_MARK} '.join(lines)} " if lines else "", bounds)


def form_of(word: str) -> str:
    """The form of one word: two words with the same form are the same word to every phrase."""
    if word.isascii():
        return word.lower().replace(".", "")
    return _remembered(word) if len(word) <= _LONGEST_REMEMBERED else _folded(word)


def _plain(original: str) -> str:
    for curled, straight in _PLAIN:
        original = original.replace(curled, straight)
    return original


def _lines(pieces: list[str]) -> list[str] | None:
    """The line of each sentence, made from all at once; None if that would be wrong."""
    joined = f"{_CUT} ".join(pieces)
    if "." in joined:
        joined = _INITIAL.sub(r"\1", joined)
    if "'" in joined:
        joined = _INNER_APOSTROPHE.sub("", _POSSESSIVE.sub("", joined))
    if joined.isascii():
        line = joined.translate(_ASCII)
        while "  " in line:
            line = line.replace("  ", " ")
    else:
        line = f" {' '.join(map(_FORMS.__getitem__, _RUNS.findall(joined)))} "
        if "  " in line:
            return None
    return [sentence.strip(" ") for sentence in line.split(_MARK)]


def _line_by_words(piece: str) -> str:
    return " ".join(form_of(match[1]) for match in _WORD.finditer(piece))


class _Forms(dict[str, str]):
    """The forms of words seen before."""

    def __missing__(self, word: str) -> str:
        form = "" if unicodedata.combining(word[0]) else _MARK if word == _CUT else form_of(word)
        if len(word) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[word] = form
        return form


_FORMS = _Forms()


def _folded(word: str) -> str:
    folded = "".join(unicodedata.normalize("NFKC", _UNSEEN.sub("", word)).casefold().split())
    if _ARABIC.search(folded):
        return _without_article("".join(filter(str.isalnum, folded)).translate(_ARABIC_LETTERS)) or folded
    return _without_accents(folded).translate(_LETTERS) or word


_remembered = lru_cache(maxsize=_MOST_REMEMBERED)(_folded)


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


def _breaks(plain: str) -> list[int]:
    """Where sentences end, in order."""
    if any(map(plain.__contains__, _OTHER_STOPS)):
        stops = list(_STOP.finditer(plain))
    else:
        stops = [
            match for mark, stop in _PLAIN_STOPS.items() if mark in plain for match in stop.finditer(plain)
        ]
    ends = {match.end() for match in stops if _ends(plain, match)}
    if "\n" in plain:
        ends.update(match.end() for match in _BLANK_LINE.finditer(plain))
    return sorted(ends)


def _ends(plain: str, match: re.Match[str]) -> bool:
    if match[1].islower():
        return False
    stop = match.start()
    if plain[stop] != "." or plain[stop + 1] in ".!?…؟۔":
        return True
    before = plain[max(0, stop - _LONGEST_ABBREVIATION - 1) : stop]
    if not before.isalnum():
        found = _LAST_WORD.search(before)
        before = found[0] if found else ""
    return before.lower() not in _NO_SENTENCE_END and not (len(before) == 1 and before.isalpha())
