"""A report's title and text as words, with the way back to what the original says."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from shared.events import Evidence
from shared.matching.words import Words, cut

FieldName = Literal["title", "text"]


class Span(NamedTuple):
    """A run of words of one field, by their numbers; `last` is in it."""

    field: FieldName
    first: int
    last: int

    def holds(self, other: "Span") -> bool:
        """Whether every word of the other is in this one."""
        return self.field == other.field and self.first <= other.first and other.last <= self.last


@dataclass(frozen=True, slots=True)
class Clause:
    """A term that held, as it was typed, and the words that it found (at most 20, the title's first)."""

    text: str
    evidence: tuple[Evidence, ...]

    def __hash__(self) -> int:
        return hash(self.text)


@dataclass(frozen=True, slots=True)
class Text:
    """A title and a text, ready to be searched any number of times."""

    title: Words
    text: Words
    clauses: dict[tuple[str, str, FieldName | None], Clause] = field(
        default_factory=dict, compare=False, repr=False
    )
    """What phrases have found, by how they are typed, their words and their field: many conditions ask for the same."""
    _quoted: dict[Span, Evidence] = field(default_factory=dict, compare=False, repr=False)

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
        """The span as the original has it: `evidence.text == original[start:end]`. Many ask for the same."""
        known = self._quoted.get(span)
        if known is None:
            place = self.words(span.field).place(span.first, span.last)
            known = self._quoted[span] = self.quote(span.field, *place)
        return known

    def quote(self, field: FieldName, start: int, end: int) -> Evidence:
        """A run of words of a line, from the space before it to its end, as the original has it."""
        words = self.title if field == "title" else self.text
        first, last = words.where(start, end)
        return Evidence(field=field, start=first, end=last, text=words.original[first:last])
