"""What a rule or a query asks of a report: a tree of conditions.

`Phrase` and `Fact` are the leaves. `AllOf`, `AnyOf`, `Not`, `AtLeast` and `Weighted` join conditions of any kind;
`Near` and `Together` join groups: a phrase, or phrases of which any will do. `Masked` says which words
count for nothing. How each is judged stands in `evaluation`, and once more, slowly, in `oracle`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import field as attribute
from operator import attrgetter
from typing import Any

from shared.matching.phrases import normal_form
from shared.matching.text import FieldName

MOST_TERMS = 1_000
DEEPEST = 200
FARTHEST = 100


class ExpressionError(ValueError):
    """A condition that cannot be looked for. The message says the problem and what would be right."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Phrase:
    """These words one after another in one sentence. Make it with `Phrase.of`."""

    words: str
    """In normal form."""
    field: FieldName | None = None
    typed: str = attribute(default="", compare=False)

    @classmethod
    def of(cls, phrase: str, field: FieldName | None = None, typed: str = "") -> "Phrase":
        """The condition that a phrase as people write it is found; raise PhraseError."""
        return cls(normal_form(phrase), field, typed or (f'{field}:"{phrase}"' if field else phrase))

    def __str__(self) -> str:
        return self.typed or self.words


@dataclass(frozen=True, slots=True)
class Fact:
    """Something known of the report beside its words, e.g. topic:displacement."""

    key: str
    typed: str = attribute(default="", compare=False)

    def __str__(self) -> str:
        return self.typed or self.key


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple["Expression", ...]

    def __str__(self) -> str:
        return " ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple["Expression", ...]

    def __str__(self) -> str:
        return " OR ".join(map(str, self.parts))


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Expression"

    def __str__(self) -> str:
        return f"NOT {_bracketed(self.part)}"


@dataclass(frozen=True, slots=True)
class Near:
    """One of the left group and one of the right stand in one field, at most so many words apart.

    Neighbours are 1 apart. The two share no word; `in_order` wants the left one first.
    """

    left: "Group"
    right: "Group"
    distance: int
    in_order: bool = False

    def __str__(self) -> str:
        operator = f"{'ONEAR' if self.in_order else 'NEAR'}/{self.distance}"
        return f"{_bracketed(self.left)} {operator} {_bracketed(self.right)}"


@dataclass(frozen=True, slots=True)
class Together:
    """One of each group stands in one and the same sentence."""

    groups: tuple["Group", ...]

    def __str__(self) -> str:
        return " SAME ".join(map(_bracketed, self.groups))


@dataclass(frozen=True, slots=True)
class AtLeast:
    """So many of the parts hold."""

    count: int
    parts: tuple["Expression", ...]

    def __str__(self) -> str:
        return f"{self.count} OF ({', '.join(map(str, self.parts))})"


@dataclass(frozen=True, slots=True)
class Weighted:
    """The weights of the parts that hold reach the threshold. A weight may be negative."""

    threshold: float
    items: tuple[tuple["Expression", float], ...]

    def __str__(self) -> str:
        return f"{self.threshold:g} from ({', '.join(f'{part}: {weight:g}' for part, weight in self.items)})"


@dataclass(frozen=True, slots=True)
class Masked:
    """The part holds by words that none of the masks covers, not even in part."""

    part: "Expression"
    masks: tuple[Phrase, ...]

    def __str__(self) -> str:
        return f"{_bracketed(self.part)} without {', '.join(f'“{mask}”' for mask in self.masks)}"


Term = Phrase | Fact
Group = Phrase | AnyOf
"""Of phrases only; `check` sees to it."""
Expression = Phrase | Fact | AllOf | AnyOf | Not | Near | Together | AtLeast | Weighted | Masked


def parts_of(expression: Expression) -> tuple[Expression, ...]:
    """The conditions directly inside this one, masks left out."""
    return _PARTS[type(expression)](expression)


# Asked for millions of times while a hundred thousand queries are read: a table is twice as fast as a match.
_PARTS: dict[type, Callable[[Any], tuple[Expression, ...]]] = {
    Phrase: lambda _: (),
    Fact: lambda _: (),
    AllOf: attrgetter("parts"),
    AnyOf: attrgetter("parts"),
    AtLeast: attrgetter("parts"),
    Not: lambda each: (each.part,),
    Masked: lambda each: (each.part,),
    Near: attrgetter("left", "right"),
    Together: attrgetter("groups"),
    Weighted: lambda each: tuple(part for part, _ in each.items),
}


def terms_of(expression: Expression) -> Iterator[Term]:
    """Every phrase that is looked for, masks among them, and every fact, from left to right."""
    waiting: list[Expression] = [expression]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Phrase | Fact):
            yield each
        else:
            if isinstance(each, Masked):
                yield from each.masks
            waiting += reversed(parts_of(each))


def phrases_of(expression: Expression) -> Iterator[Phrase]:
    """Every phrase that the condition looks for, masks among them."""
    return (term for term in terms_of(expression) if isinstance(term, Phrase))


def facts_of(expression: Expression) -> Iterator[Fact]:
    """Every fact that the condition asks for."""
    return (term for term in terms_of(expression) if isinstance(term, Fact))


def members(group: Group) -> tuple[Phrase, ...]:
    """The phrases of a group."""
    if isinstance(group, Phrase):
        return (group,)
    return tuple(part for part in group.parts if isinstance(part, Phrase))


def check(expression: Expression) -> None:
    """Raise ExpressionError for a tree that makes no sense, or is larger than it may be."""
    terms = sum(1 for _ in terms_of(expression))
    if terms > MOST_TERMS:
        raise ExpressionError(f"{terms} terms", f"keep to {MOST_TERMS}")
    _check(expression, DEEPEST)


def simplified(expression: Expression) -> Expression:
    """The same condition with negations as far inside as they go: what is left of them is at the leaves."""
    return _simplified(expression, negative=False)


def canonical(expression: Expression) -> Expression:
    """The same condition in a form that other ways of writing it share (within one process)."""
    match expression:
        case AllOf() | AnyOf():
            return _flat(expression)
        case Not(part):
            return Not(canonical(part))
        case AtLeast(count, parts):
            return AtLeast(count, tuple(sorted(map(canonical, parts), key=hash)))
        case Near(left, right, distance, in_order):
            one, other = _flat_group(left), _flat_group(right)
            if not in_order and hash(one) > hash(other):
                one, other = other, one
            return Near(one, other, distance, in_order)
        case Together(groups):
            return Together(tuple(sorted(set(map(_flat_group, groups)), key=hash)))
        case Weighted(threshold, items):
            return Weighted(threshold, tuple((canonical(part), weight) for part, weight in items))
        case Masked(part, masks):
            return Masked(canonical(part), tuple(sorted(set(masks), key=hash)))
    return expression


def _bracketed(expression: Expression) -> str:
    return f"({expression})" if isinstance(expression, AnyOf | AllOf) else str(expression)


def _check(expression: Expression, levels: int) -> None:
    if levels < 0:
        raise ExpressionError("conditions too deep", f"keep to {DEEPEST} levels")
    match expression:
        case AllOf(()) | AnyOf(()) | Together(()) | Weighted(_, ()):
            raise ExpressionError("a condition without parts", "name at least one")
        case AtLeast(count, parts) if not 1 <= count <= len(parts):
            raise ExpressionError(f"at least {count} of {len(parts)}", f"ask for 1 to {len(parts)}")
        case Near(_, _, distance) if not 1 <= distance <= FARTHEST:
            raise ExpressionError(f"a distance of {distance} words", f"ask for 1 to {FARTHEST}")
    if isinstance(expression, Near | Together):
        _check_groups(parts_of(expression))
    for part in parts_of(expression):
        _check(part, levels - 1)


def _check_groups(groups: tuple[Expression, ...]) -> None:
    for group in groups:
        phrases = group.parts if isinstance(group, AnyOf) else (group,)
        if not all(isinstance(phrase, Phrase) for phrase in phrases):
            raise ExpressionError(
                f"{group} has no one place in the text", "name a word, a phrase, or several joined by OR"
            )


def _simplified(expression: Expression, negative: bool) -> Expression:
    match expression:
        case Not(part):
            return _simplified(part, not negative)
        case AllOf(parts) | AnyOf(parts):
            kind = AllOf if isinstance(expression, AllOf) != negative else AnyOf
            return kind(tuple(_simplified(part, negative) for part in parts))
        case AtLeast(count, parts):
            expression = AtLeast(count, tuple(map(simplified, parts)))
        case Weighted(threshold, items):
            expression = Weighted(threshold, tuple((simplified(part), weight) for part, weight in items))
        case Masked(part, masks):
            expression = Masked(simplified(part), masks)
    return Not(expression) if negative else expression


def _flat(expression: Expression) -> Expression:
    """Nested conditions of one kind made one, parts once, in one order."""
    if not isinstance(expression, AllOf | AnyOf):
        return canonical(expression)
    kind = type(expression)
    parts: dict[Expression, None] = {}
    for part in map(canonical, expression.parts):
        parts.update(dict.fromkeys(part.parts if isinstance(part, kind) else (part,)))
    return next(iter(parts)) if len(parts) == 1 else kind(tuple(sorted(parts, key=hash)))


def _flat_group(group: Group) -> Group:
    flat = _flat(group)
    return flat if isinstance(flat, Phrase | AnyOf) else group
