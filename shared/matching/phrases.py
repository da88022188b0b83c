"""Many phrases looked for at once, word by word. The cost grows with the text, hardly with the phrases."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.matching.text import FieldName, Span, Text, Words, cut

SHORTEST_PREFIX = 3
_MOST_REMEMBERED = 100_000
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
    """Phrases filed word by word. Whole words, any case; no phrase crosses a sentence's end."""

    def __init__(self, phrases: Iterable[str]) -> None:
        """File each phrase once; raise PhraseError for one that cannot be looked for."""
        root = _Node()
        for phrase in dict.fromkeys(phrases):
            node = root
            for part in parts_of(phrase):
                node = node.child(part)
            node.phrases.append(phrase)
        self._first_words = _Remembered(root)

    def find(self, text: Text) -> list[tuple[str, Span]]:
        """Every place of every phrase, overlapping ones too: title, then text; by first word, shorter first."""
        hits: list[tuple[str, Span]] = []
        for field, words in text.fields():
            for position, nodes in enumerate(map(self._first_words.__getitem__, words.forms)):
                if nodes:
                    hits += _phrases_from(position, nodes, field, words)
        return hits


class _Node:
    """Some words of phrases, read so far: the phrases that end here, and the words that may come next."""

    __slots__ = ("_lengths", "_prefixes", "_words", "phrases")

    def __init__(self) -> None:
        self.phrases: list[str] = []
        self._words: dict[str, _Node] = {}
        self._prefixes: dict[str, _Node] = {}
        self._lengths: list[int] = []

    def child(self, part: Part) -> "_Node":
        """The node after one more word, made if need be."""
        if not part.is_prefix:
            return self._words.setdefault(part.form, _Node())
        self._lengths = sorted({*self._lengths, len(part.form)})
        return self._prefixes.setdefault(part.form, _Node())

    def after(self, form: str) -> list["_Node"]:
        """The nodes that a word leads to: as itself, and as the beginnings it has."""
        nodes = [self._words[form]] if form in self._words else []
        nodes += [
            self._prefixes[form[:length]]
            for length in self._lengths
            if length <= len(form) and form[:length] in self._prefixes
        ]
        return nodes


class _Remembered(dict[str, list[_Node]]):
    """Where a first word leads: most words of a text have been seen before, and lead nowhere."""

    def __init__(self, root: _Node) -> None:
        super().__init__()
        self._root = root

    def __missing__(self, form: str) -> list[_Node]:
        nodes = self._root.after(form)
        if len(form) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[form] = nodes
        return nodes


def _phrases_from(
    first: int, nodes: list[_Node], field: FieldName, words: Words
) -> Iterator[tuple[str, Span]]:
    forms, last = words.forms, first
    while nodes:
        for node in nodes:
            for phrase in node.phrases:
                if first == last or words.sentence_of(first) == words.sentence_of(last):
                    yield phrase, Span(field, first, last)
        last += 1
        nodes = (
            [following for node in nodes for following in node.after(forms[last])]
            if last < len(forms)
            else []
        )
