"""Many phrases looked for at once. The cost grows with the text, hardly with the phrases.

All phrases are one Aho-Corasick automaton over the line of a field: the phrase `aid convoy` is the string
" aid convoy ", the prefix `drone*` is " drone". A phrase with a prefix inside is found by what comes before that
prefix, and the rest is compared where it was found.
"""

import ctypes
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from ahocorasick_rs import BytesAhoCorasick, Implementation

from shared.matching.words import Words, cut

SHORTEST_PREFIX = 3
LARGE = 5_000
"""Phrases from which the memory is given back that was only needed to make their automaton: more than it keeps."""

Place = tuple[int, int, int]
"""A phrase's number, and where it begins and ends in a line (UTF-8)."""


class PhraseError(ValueError):
    """A phrase that cannot be looked for. The message says the problem and what would be right."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Part:
    """One word of a phrase; a prefix holds for every word that begins with it."""

    form: str
    is_prefix: bool = False

    def __str__(self) -> str:
        return self.form + "*" * self.is_prefix


@lru_cache(maxsize=10_000)
def parts_of(phrase: str) -> tuple[Part, ...]:
    """The words of a phrase, `*` after a word's first letters read as a prefix; raise PhraseError."""
    words = cut(phrase, one_sentence=True)
    if not words.line:
        raise PhraseError(f"no letter or digit in {phrase!r}", "write at least one word")
    if "*" not in phrase:
        return tuple(map(Part, words.forms))
    stars = {
        end for end in words.ends if phrase[end : end + 1] == "*" and not phrase[end + 1 : end + 2].isalnum()
    }
    if phrase.count("*") != len(stars):
        raise PhraseError(f"misplaced * in {phrase!r}", "put it right after the first letters of a word")
    parts = tuple(Part(form, end in stars) for form, end in zip(words.forms, words.ends, strict=True))
    for part in parts:
        if part.is_prefix and len(part.form) < SHORTEST_PREFIX:
            raise PhraseError(f"too few letters before * in {phrase!r}", f"write at least {SHORTEST_PREFIX}")
    return parts


def normal_form(phrase: str) -> str:
    """The phrase as it is compared, e.g. `cruise missile*`; raise PhraseError."""
    return " ".join(map(str, parts_of(phrase)))


class Automaton:
    """Phrases in normal form, and a number for each."""

    def __init__(self, forms: Iterable[str]) -> None:
        different = [form for form, _ in groupby(sorted(forms))]
        plain = [form for form in different if "* " not in form]
        chunked = [form for form in different if "* " in form]
        heads = sorted({*map(_head, chunked)}.difference(plain)) if chunked else []
        # A phrase's number is its place here: half the memory of a dictionary beside the automaton.
        self.forms = (*plain, *heads, *chunked)
        """The phrases by their numbers, and the beginnings by which those with a prefix inside are found."""
        self._plain = len(plain)
        self._others = {
            form: number for number, form in enumerate(self.forms[len(plain) :], start=len(plain))
        }
        self._chunked: dict[int, list[tuple[int, list[bytes]]]] = {}
        for form in chunked:
            rest = [chunk.encode() for chunk in _chunks(form)[1:]]
            self._chunked.setdefault(self.number_of(_head(form)), []).append((self._others[form], rest))
        # Bytes: with strings, the engine would count code points along every line.
        self._find = BytesAhoCorasick(
            (_atom(form).encode() for form in (*plain, *heads)), implementation=Implementation.ContiguousNFA
        ).find_matches_as_indexes
        if len(self.forms) >= LARGE:
            _GIVE_BACK(0)

    def number_of(self, form: str) -> int:
        """The number of a phrase that it was made with."""
        number = self._others.get(form)
        return bisect_left(self.forms, form, hi=self._plain) if number is None else number

    def find(self, words: Words) -> list[Place]:
        """Every place of every phrase in the line of a field, sentence by sentence; and of beginnings of some."""
        places = self._find(words.line, overlapping=True) if words.line else []
        heads = self._chunked
        if not heads or heads.keys().isdisjoint(map(NUMBER, places)):
            return places
        more = [
            (number, start, last)
            for atom, start, end in [place for place in places if place[0] in heads]
            for number, chunks in heads[atom]
            if (last := _end(words.line, end, chunks))
        ]
        return sorted(places + more, key=_START) if more else places


NUMBER, _START = itemgetter(0), itemgetter(1)
# The allocator of the GNU C library keeps what is freed unless it is told; others have no such call.
_GIVE_BACK = getattr(ctypes.CDLL(None), "malloc_trim", bool)


def _atom(form: str) -> str:
    return f" {form[:-1]}" if form.endswith("*") else f" {form} "


def _head(form: str) -> str:
    """The phrase by which one with a prefix inside is found: of `a b* c*` it is `a b*`."""
    return form.partition("* ")[0] + "*"


def _chunks(form: str) -> list[str]:
    """`a b* c d*` is " a b", " c d"; `a* b` is " a", " b "."""
    *heads, last = form.split("* ")
    return [*(f" {head}" for head in heads), _atom(last)]


def _end(line: bytes, end: int, chunks: list[bytes]) -> int:
    """Where the last chunk ends, if each follows right after the word in which the one before ends; 0 if not."""
    for chunk in chunks:
        end = line.find(b" ", end)
        if not line.startswith(chunk, end):
            return 0
        end += len(chunk)
    return end
