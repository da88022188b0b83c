"""A report's title and text cut into words, once, with the way back to the original characters.

1. Words are runs of letters and digits; initials ("U.N."), soft hyphens, zero-width marks and the Ukrainian
   apostrophe do not cut a word; a possessive 's is no part of it.
2. A word's form is what phrases are compared with: NFKC, casefold, without Latin accents, Arabic vowel marks
   and the Arabic article. Forms may differ in length from the original.
3. Sentences end at . ! ? … ؟ before white space, and at blank lines; a title is one sentence.

What is searched is the `line` of a field: all forms joined by single spaces, a newline between sentences, in UTF-8.

- Where every letter has a form of one ASCII letter, the whole string becomes the line at once: no word is looked at.
  What falls out of it is remembered, so that a place in the line leads back to the original by counting.
- Other scripts are cut into words, whose forms are remembered.
- Where a text has something rare in it (hidden marks, digraphs), its forms are made word by word.

In the last two, where a word stands in the original is worked out for the sentences that are asked for.
"""

import codecs
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
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
_PLAIN = tuple(zip("_ʼ’“”–—\xa0…۔؟", " ''\"\"-- !!?", strict=True))
_BLANK_LINE = re.compile(r"\n\s*\n")
_ABBREVIATIONS = """
    dr mr mrs ms st gen lt col maj sgt capt rep sen gov prof rev hon no vs approx jr sr inc ltd co corp
    jan feb mar apr jun jul aug sep sept oct nov dec mme mm sra ee uu ул им тыс тис млн млрд ст см стр
"""


def _not_after(abbreviations: str) -> str:
    by_length: dict[int, list[str]] = defaultdict(list)
    for word in abbreviations.split():
        by_length[len(word)].append(word)
    return "".join(rf"(?<!\b(?i:{'|'.join(words)})\.)" for words in by_length.values())


# Stops are taken from the first of a row: a page of dots costs no more than its length.
_AFTER_STOP = r"[.!?]*[\"'»)\]]*(?:\[\d+\])*(?=\s+([^\sa-z]))"
# Each begins with one plain character: the search then jumps from one to the next.
_STOPS = {mark: re.compile(rf"\{mark}(?<![.!?]\{mark}){_AFTER_STOP}") for mark in "!?"}
_STOPS["."] = re.compile(
    rf"\.(?=[\s.!?\"'»)\]\[])(?<![.!?]\.)(?:(?=[.!?])|(?<!\b[^\W\d]\.){_not_after(_ABBREVIATIONS)}){_AFTER_STOP}"
)

_SHORT = 8_000
"""Bytes of a line in which counting spaces is quicker than to remember where words begin."""

_MARK = "\n"
# Stands for a sentence's end while a line is made.
_CUT = "\x1e"
# Stands for what falls out of the line.
_GONE = "\x7f"
_INITIAL = re.compile(
    rf"\.(?=[^\W\d]{_INITIALS_END})(?<=[^\W\d]\.)(?<![\w{_MARKS}][^\W\d]\.)"
    rf"(?<![\w{_MARKS}]'[sS]\.)(?<![\u0400-\u052f]'[\u0400-\u052f]\.)"
)
_POSSESSIVE = re.compile(rf"'(?<=[\w{_MARKS}]')[sS](?![\w{_MARKS}])")
_INNER_APOSTROPHE = re.compile(r"'(?<=[\u0400-\u052f]')(?=[\u0400-\u052f])")
# A word of one letter that looks like what a possessive has.
_LONE_S = re.compile("'[sS]'")
_RARE = (_CUT, _GONE, "`", "\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff")
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

    def __init__(self, original: str, line: bytes, bounds: list[int], spread: bytes | None = None) -> None:
        self.original = original
        self.line = line
        """" form form \\n form ": what is searched. Empty if there is no word."""
        self._bounds = bounds
        self._spread = spread
        self._offsets: dict[int, list[tuple[int, int]]] = {}

    @cached_property
    def forms(self) -> list[str]:
        """The form of each word."""
        return self.line.decode().split()

    def first_forms(self, count: int) -> list[bytes]:
        """The forms of so many words at the beginning, in UTF-8."""
        return self.line.split(maxsplit=count)[:count]

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        return self.line.count(b" ") - self.line.count(b"\n") - 1 if self.line else 0

    @cached_property
    def _positions(self) -> list[int]:
        """Where in the line each word begins, the space before it; and where the last one ends."""
        tokens = self.line.split(b" ")[1:-1]
        positions = accumulate((len(token) + 1 for token in tokens), initial=0)
        return [position for position, token in zip(positions, [*tokens, b""], strict=True) if token != b"\n"]

    def number_at(self, position: int) -> int:
        """The number of the word that begins, with its space, there in the line."""
        if len(self.line) < _SHORT:
            # A sentence's end is a newline with a space of its own.
            return self.line.count(b" ", 0, position) - self.line.count(b"\n", 0, position)
        return bisect_left(self._positions, position)

    @cached_property
    def sentences(self) -> list[int]:
        """The number of the first word of each sentence after the first."""
        # Each sentence is " form form ": one space more than words.
        counts = (sentence.count(b" ") - 1 for sentence in self.line.split(b"\n"))
        return list(accumulate(counts))[:-1]

    @cached_property
    def breaks(self) -> list[int]:
        """Where in the line each sentence ends, the last one too."""
        return list(accumulate(len(sentence) + 1 for sentence in self.line.split(b"\n")))

    @cached_property
    def starts(self) -> list[int]:
        """Where each word begins in the original (code points)."""
        return [self.where(start, start + 2)[0] for start in self._positions[:-1]]

    @cached_property
    def ends(self) -> list[int]:
        """Where each word ends in the original."""
        return [self.where(start, self.end_of_word(start + 1))[1] for start in self._positions[:-1]]

    def sentence_of(self, word: int) -> int:
        """The number of the sentence that a word stands in, from 0."""
        return bisect_right(self.sentences, word)

    def place(self, first: int, last: int) -> tuple[int, int]:
        """Where a run of words begins, with its space, and ends in the line."""
        return self._positions[first], self.end_of_word(self._positions[last] + 1)

    def end_of_word(self, position: int) -> int:
        """Where in the line the word ends that has a letter there."""
        return self.line.index(b" ", position)

    def where(self, start: int, end: int) -> tuple[int, int]:
        """Where a run of words of the line, from the space before it to its end, stands in the original."""
        if self._spread is None:
            return self._word_at(start)[0], self._word_at(self.line.rindex(b" ", 0, end))[1]
        first, last, gone, breaks = start + 1, end - 1, self._gone, self.breaks
        # The line has one character more at its beginning, and two more at each sentence's end.
        return (
            first + bisect_right(gone, first) - 2 * bisect_right(breaks, first) - 1,
            last + bisect_right(gone, last) - 2 * bisect_right(breaks, last),
        )

    def _word_at(self, start: int) -> tuple[int, int]:
        """The word in the original that begins, with its space, there in the line."""
        number = bisect_right(self.breaks, start)
        if number not in self._offsets:
            end = self._bounds[number + 1] if number + 1 < len(self._bounds) else len(self.original)
            matches = _WORD.finditer(_plain(self.original), self._bounds[number], end)
            self._offsets[number] = [(match.start(), match.end(1)) for match in matches]
        return self._offsets[number][self.line.count(b" ", self.breaks[number - 1] if number else 0, start)]

    def written(self, start: int, end: int) -> str:
        """A run of words with its capitals; accents and what stands between the words may be missing."""
        if self._spread is not None:
            return self._cased[start + 1 : end].decode()
        first, last = self.where(start, end)
        return self.original[first:last]

    def before(self, start: int) -> tuple[int, int] | None:
        """The place of the word before one that begins, with its space, there."""
        end = start if self.line[start - 1 : start] != b"\n" else start - 2
        return (self.line.rindex(b" ", 0, end), end) if end > 0 else None

    def after(self, end: int) -> tuple[int, int] | None:
        """The place of the word after one that ends there."""
        start = end if self.line[end + 1 : end + 2] != b"\n" else end + 2
        return (start, self.end_of_word(start + 1)) if start + 1 < len(self.line) else None

    def begins_a_sentence(self, start: int) -> bool:
        """Whether the word that begins, with its space, there is the first of its sentence."""
        return start == 0 or self.line[start - 1 : start] == b"\n"

    def begins_small(self, start: int) -> bool:
        """Whether the word that begins, with its space, there begins with a small letter."""
        if self._spread is not None:
            return self._cased[start + 1 : start + 2].islower()
        first = self._word_at(start)[0]
        return self.original[first : first + 1].islower()

    @cached_property
    def _cased(self) -> bytes:
        assert self._spread is not None
        return self._spread.translate(None, _GONE.encode())

    @cached_property
    def _gone(self) -> list[int]:
        """For each character that fell out of the line, the place of what follows it there."""
        assert self._spread is not None
        return list(accumulate(map(len, self._spread.split(_GONE.encode()))))[:-1]


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
        return self.quote(span.field, *self.words(span.field).place(span.first, span.last))

    def quote(self, field: FieldName, start: int, end: int) -> Evidence:
        """A run of words of a line, from the space before it to its end, as the original has it."""
        words = self.title if field == "title" else self.text
        first, last = words.where(start, end)
        return Evidence(field=field, start=first, end=last, text=words.original[first:last])


def cut(original: str, *, one_sentence: bool = False) -> Words:
    """The words of one string."""
    plain = _plain(original)
    bounds = [0] if one_sentence else [0, *_breaks(plain)]
    if any(map(plain.__contains__, _RARE)) or ("'" in plain and _LONE_S.search(plain)):
        return _words(original, bounds, list(map(_line_by_words, _pieces(plain, bounds))))
    joined = _joined(plain, bounds)
    spread = _spread(joined)
    if spread is None:
        lines = _lines(joined) or list(map(_line_by_words, _pieces(plain, bounds)))
        return _words(original, bounds, lines)
    line = spread.translate(_LOWER, b"\x7f")
    if b" " in (sentences := line.split(b"\n")):
        # A sentence without words is part of the one before.
        bounds = [bound for bound, each in zip(bounds, sentences, strict=True) if each != b" "]
        spread = _spread(_joined(plain, [0, *bounds[1:]]))
        line = spread.translate(_LOWER, b"\x7f") if spread and bounds else b""
    return Words(original, line, bounds, spread)


def _words(original: str, bounds: list[int], lines: list[str]) -> Words:
    kept = [number for number, line in enumerate(lines) if line]
    if len(kept) < len(lines):
        bounds, lines = [bounds[number] for number in kept], [lines[number] for number in kept]
    return Words(original, f" {f' {_MARK} '.join(lines)} ".encode() if lines else b"", bounds)


def _pieces(plain: str, bounds: list[int]) -> list[str]:
    return [plain[start:end] for start, end in pairwise([*bounds, len(plain)])]


def form_of(word: str) -> str:
    """The form of one word: two words with the same form are the same word to every phrase."""
    if word.isascii():
        return word.lower().replace(".", "")
    return _remembered(word) if len(word) <= _LONGEST_REMEMBERED else _folded(word)


def _plain(original: str) -> str:
    for curled, straight in _PLAIN:
        original = original.replace(curled, straight)
    return original


def _joined(plain: str, bounds: list[int]) -> str:
    """All sentences, a mark between them, and without what may stand inside a word."""
    joined = f"{_CUT} ".join(_pieces(plain, bounds))
    if "." in joined:
        joined = _INITIAL.sub(_GONE, joined)
    if "'" in joined:
        joined = _INNER_APOSTROPHE.sub(_GONE, _POSSESSIVE.sub("  ", joined))
    return joined


def _spread(joined: str) -> bytes | None:
    """The line with a mark for each character that falls out of it; None where a letter's form is not one of ASCII."""
    try:
        spread = f" {joined} ".encode("latin-1", errors=_FOLD).translate(_BASE_LETTERS)
    except UnicodeEncodeError:
        return None
    if b"\0" in spread:
        return None
    # Of a row of spaces the first stays.
    return spread.replace(b"  ", b" \x7f").replace(b"\x7f ", b"\x7f\x7f")


@lru_cache(maxsize=_MOST_REMEMBERED)
def _form_of_letter(letter: str) -> str:
    """One ASCII character, as large as the letter; NUL if its form is not one."""
    form = form_of(letter) if _RUNS.match(letter) else " "
    if len(form) != 1 or not form.isascii():
        return "\0"
    return form.upper() if letter.isupper() else form


def _folded_run(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    forms = "".join(map(_form_of_letter, error.object[error.start : error.end]))
    if "\0" in forms:
        raise error
    return forms, error.end


_FOLD = "tocsin.fold"
codecs.register_error(_FOLD, _folded_run)


def _lines(joined: str) -> list[str] | None:
    """The line of each sentence, from words whose forms are remembered; None if that would be wrong."""
    line = " ".join(map(_FORMS.__getitem__, _RUNS.findall(joined.replace(_GONE, ""))))
    return None if "  " in f" {line} " else [sentence.strip(" ") for sentence in line.split(_MARK)]


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
    ends = {
        match.end()
        for mark, stop in _STOPS.items()
        if mark in plain
        for match in stop.finditer(plain)
        if not match[1].islower()
    }
    if "\n" in plain:
        # Before a blank line there often is a stop: between the two is no sentence.
        ends.update(match.end() for match in _BLANK_LINE.finditer(plain) if match.start() not in ends)
    return sorted(ends)


_BASE_LETTERS = bytes(
    ord(_MARK if letter == _CUT else letter if letter == _GONE else _form_of_letter(letter))
    for letter in map(chr, range(256))
)
_LOWER = bytes(range(128)).lower() + bytes(range(128, 256))
