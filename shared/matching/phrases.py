"""Many phrases looked for at once, word by word. The cost grows with the text, hardly with the phrases."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from shared.matching.text import Span, Text, Words, cut

SHORTEST_PREFIX = 3
_MOST_REMEMBERED = 200_000
_LONGEST_REMEMBERED = 40


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

    def fits(self, form: str) -> bool:
        return form.startswith(self.form) if self.is_prefix else form == self.form


@dataclass(frozen=True, slots=True)
class _Entry:
    phrase: str
    rest: tuple[Part, ...]


def parts_of(phrase: str) -> tuple[Part, ...]:
    """The words of a phrase, `*` after a word's first letters read as a prefix; raise PhraseError."""
    words = cut(phrase, one_sentence=True)
    if not words.forms:
        raise PhraseError(f"no letter or digit in {phrase!r}", "write at least one word")
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


class PhraseIndex:
    """Phrases filed by their first word. Whole words, any case; no phrase crosses a sentence's end."""

    def __init__(self, phrases: Iterable[str]) -> None:
        """File each phrase once; raise PhraseError for one that cannot be looked for."""
        self._words: dict[str, list[_Entry]] = defaultdict(list)
        self._prefixes: dict[str, list[_Entry]] = defaultdict(list)
        for phrase in dict.fromkeys(phrases):
            first, *rest = parts_of(phrase)
            filed = self._prefixes if first.is_prefix else self._words
            filed[first.form].append(_Entry(phrase, tuple(rest)))
        self._lengths = sorted({len(prefix) for prefix in self._prefixes})
        self._remembered = _Remembered(self)

    def find(self, text: Text) -> list[tuple[str, Span]]:
        """Every place of every phrase, overlapping ones too; the title's first, then as the words stand."""
        hits = []
        for field, words in text.fields():
            for position, entries in enumerate(map(self._remembered.__getitem__, words.forms)):
                for entry in entries:
                    last = position + len(entry.rest)
                    if not entry.rest or _continues(entry, words, position, last):
                        hits.append((entry.phrase, Span(field, position, last)))
        self._remembered.shrink()
        return hits

    def beginning_with(self, form: str) -> tuple[_Entry, ...]:
        """The phrases whose first word this can be."""
        entries = list(self._words.get(form, ()))
        for length in self._lengths:
            if length > len(form):
                break
            entries += self._prefixes.get(form[:length], ())
        return tuple(entries)


class _Remembered(dict[str, tuple[_Entry, ...]]):
    """What `beginning_with` said of a word: most words of a text have been seen before."""

    def __init__(self, index: PhraseIndex) -> None:
        super().__init__()
        self._index = index

    def __missing__(self, form: str) -> tuple[_Entry, ...]:
        entries = self._index.beginning_with(form)
        if len(form) <= _LONGEST_REMEMBERED:
            self[form] = entries
        return entries

    def shrink(self) -> None:
        if len(self) > _MOST_REMEMBERED:
            self.clear()


def _continues(entry: _Entry, words: Words, position: int, last: int) -> bool:
    forms = words.forms[position + 1 : last + 1]
    return (
        len(forms) == len(entry.rest)
        and all(part.fits(form) for part, form in zip(entry.rest, forms, strict=True))
        and words.sentence_of(position) == words.sentence_of(last)
    )
