"""One string cut into words: the line that phrases are looked for in, and the way from there to the original.

Words are runs of letters and digits; initials ("U.N."), soft hyphens, zero-width marks and the Ukrainian apostrophe do
not cut a word; a possessive 's is no part of it.

The `line` has all forms joined by single spaces, a newline between sentences, in UTF-8. A place in it begins at the
space before a word and ends at the space after one.

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
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate

from shared.matching.forms import HIDDEN, LONGEST_REMEMBERED, MARKS, MOST_REMEMBERED, form_of, form_of_letter
from shared.matching.sentences import CUT, marked, plain

_RUN = rf"\w[\w{MARKS}]*"
_APOSTROPHE = r"(?<=[\u0400-\u052f])['’`](?=[\u0400-\u052f])"
_INITIALS_END = rf"(?![\w{MARKS}]|['’`][\u0400-\u052f])"
_WORD = re.compile(
    rf"([^\W\d](?:\.[^\W\d])+{_INITIALS_END}|{_RUN}(?:(?:[{HIDDEN}]+|{_APOSTROPHE}){_RUN})*)"
    rf"(?:['’][sS](?![\w{MARKS}]))?"
)

_SHORT = 8_000
"""Bytes of a line in which counting spaces is quicker than to remember where words begin."""

_MARK = "\n"
# Stands for what falls out of the line.
_GONE = "\x7f"
_INITIAL = re.compile(
    rf"\.(?=[^\W\d]{_INITIALS_END})(?<=[^\W\d]\.)(?<![\w{MARKS}][^\W\d]\.)"
    rf"(?<![\w{MARKS}]'[sS]\.)(?<![\u0400-\u052f]'[\u0400-\u052f]\.)"
)
_POSSESSIVE = re.compile(rf"'(?<=[\w{MARKS}]')[sS](?![\w{MARKS}])")
_INNER_APOSTROPHE = re.compile(r"(?<=[\u0400-\u052f])['`](?=[\u0400-\u052f])")
# A word of one letter that looks like what a possessive has.
_LONE_S = re.compile("'[sS]'")
_RARE = ("\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff")
_SMALL_A = ord("a")
_WORDLESS = re.compile(rb"\n \n")
_RUNS = re.compile(rf"[\w{MARKS}{CUT}]+")


class Words:
    """The words of one field. What costs time is worked out when it is asked for."""

    def __init__(
        self, original: str, line: bytes, bounds: Sequence[int] = (), spread: bytes | None = None
    ) -> None:
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

    @property
    def is_latin(self) -> bool:
        """Whether every letter has a form of one ASCII letter."""
        return self._spread is not None

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

    def numbers_at(self, positions: Iterable[int]) -> list[int]:
        """The numbers of the words that begin, with their spaces, at these places of the line, in order."""
        if len(self.line) >= _SHORT:
            return [bisect_left(self._positions, position) for position in positions]
        numbers, number, before = [], 0, 0
        for position in positions:
            number += self.steps(before, position)
            before = position
            numbers.append(number)
        return numbers

    def steps(self, start: int, end: int) -> int:
        """How many words further the one is that begins at the second of two places of the line."""
        # A sentence's end is a newline with a space of its own.
        return self.line.count(b" ", start, end) - self.line.count(b"\n", start, end)

    @cached_property
    def sentences(self) -> list[int]:
        """The number of the first word of each sentence after the first."""
        # Each sentence is " form form ": one space more than words.
        counts = (sentence.count(b" ") - 1 for sentence in self.line.split(b"\n"))
        return list(accumulate(counts))[:-1]

    @cached_property
    def breaks(self) -> list[int]:
        """Where in the line each sentence ends, the last one too."""
        return list(accumulate(map(len, self.line.splitlines(keepends=True))))

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
        # The line has one character more at its beginning, and one more at each sentence's end.
        first, last, gone, breaks = start + 1, end - 1, self._gone, self.breaks
        before, sentence = bisect_right(gone, first), bisect_right(breaks, first)
        return (
            first + before - sentence - 1,
            last + bisect_right(gone, last, before) - bisect_right(breaks, last, sentence),
        )

    def _word_at(self, start: int) -> tuple[int, int]:
        """The word in the original that begins, with its space, there in the line."""
        number = bisect_right(self.breaks, start)
        if number not in self._offsets:
            end = self._bounds[number + 1] if number + 1 < len(self._bounds) else len(self.original)
            matches = _WORD.finditer(self._plain, self._bounds[number], end)
            self._offsets[number] = [(match.start(), match.end(1)) for match in matches]
        return self._offsets[number][self.line.count(b" ", self.breaks[number - 1] if number else 0, start)]

    @cached_property
    def _plain(self) -> str:
        return plain(self.original)

    def written(self, start: int, end: int) -> str:
        """A run of words with its capitals; accents and what stands between the words may be missing."""
        if self._spread is not None:
            return self._cased[start + 1 : end].decode()
        first, last = self.where(start, end)
        return self.original[first:last]

    def before(self, start: int) -> tuple[int, int] | None:
        """The place of the word before one that begins, with its space, there; None at a sentence's beginning."""
        return None if self.begins_a_sentence(start) else (self.line.rindex(b" ", 0, start), start)

    def after(self, end: int) -> tuple[int, int] | None:
        """The place of the word after one that ends there; None at a sentence's end."""
        return None if self.line[end + 1 : end + 2] in b"\n" else (end, self.end_of_word(end + 1))

    def begins_a_sentence(self, start: int) -> bool:
        """Whether the word that begins, with its space, there is the first of its sentence."""
        return start == 0 or self.line[start - 1 : start] == b"\n"

    def begins_small(self, start: int) -> bool:
        """Whether the word that begins, with its space, there begins with a small letter."""
        if self._spread is not None:
            return self._cased[start + 1] >= _SMALL_A
        first = self._word_at(start)[0]
        return self.original[first : first + 1].islower()

    @cached_property
    def _cased(self) -> bytes:
        """The line with its capitals."""
        assert self._spread is not None
        return _closed(self._spread)

    @cached_property
    def _gone(self) -> list[int]:
        """For each character that fell out of the line, the place of what follows it there."""
        assert self._spread is not None
        return list(accumulate(map(len, self._spread.split(_GONE.encode()))))[:-1]


def cut(original: str, *, one_sentence: bool = False) -> Words:
    """The words of one string."""
    text = plain(original)
    if not one_sentence:
        text = marked(text)
    if any(map(text.__contains__, _RARE)) or ("'" in text and _LONE_S.search(text)):
        return _words(original, text, list(map(_line_by_words, text.split(CUT))))
    joined = _joined(text)
    spread = _spread(joined)
    if spread is None:
        return _words(original, text, _lines(joined) or list(map(_line_by_words, text.split(CUT))))
    cased = _closed(spread)
    if _WORDLESS.search(between := b"\n%b\n" % cased):
        # A sentence without words is part of the one before.
        starts = ("" if sentence == b" " else CUT for sentence in between.split(b"\n")[1:-1])
        joined = "".join(map(str.__add__, starts, joined.split(CUT))).replace(CUT, "", 1)
        spread = (_spread(joined) or b"") if between.strip() else b""
        cased = _closed(spread)
    return Words(original, cased.lower(), spread=spread)


def _words(original: str, text: str, lines: list[str]) -> Words:
    """Those of a text whose sentences are marked, from the line of each."""
    bounds = list(accumulate(map(len, text.split(CUT)), initial=0))
    kept = [number for number, line in enumerate(lines) if line]
    if len(kept) < len(lines):
        bounds, lines = [bounds[number] for number in kept], [lines[number] for number in kept]
    return Words(original, f" {f' {_MARK} '.join(lines)} ".encode() if lines else b"", bounds)


def _joined(text: str) -> str:
    """The text without what may stand inside a word."""
    if "." in text:
        text = _INITIAL.sub(_GONE, text)
    return _POSSESSIVE.sub("  ", text) if "'" in text else text


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


def _closed(spread: bytes) -> bytes:
    """The line with its capitals."""
    return spread.replace(b"\x7f", b"")


def _folded_run(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    forms = "".join(map(form_of_letter, error.object[error.start : error.end]))
    if "\0" in forms:
        raise error
    return forms, error.end


_FOLD = "tocsin.fold"
codecs.register_error(_FOLD, _folded_run)


def _lines(joined: str) -> list[str] | None:
    """The line of each sentence, from words whose forms are remembered; None if that would be wrong."""
    if "'" in joined or "`" in joined:
        joined = _INNER_APOSTROPHE.sub("", joined)
    line = " ".join(map(_FORMS.__getitem__, _RUNS.findall(joined.replace(_GONE, ""))))
    return None if "  " in f" {line} " else [sentence.strip(" ") for sentence in line.split(_MARK)]


def _line_by_words(piece: str) -> str:
    return " ".join(form_of(match[1]) for match in _WORD.finditer(piece))


class _Forms(dict[str, str]):
    """The forms of words seen before."""

    def __missing__(self, word: str) -> str:
        form = "" if unicodedata.combining(word[0]) else _MARK if word == CUT else form_of(word)
        if len(word) <= LONGEST_REMEMBERED:
            if len(self) >= MOST_REMEMBERED:
                self.clear()
            self[word] = form
        return form


_FORMS = _Forms()


_BASE_LETTERS = bytes(
    ord(_MARK if letter == CUT else letter if letter == _GONE else form_of_letter(letter))
    for letter in map(chr, range(256))
)
