"""The same answers as `evaluation` and `snapshot`, slowly and obviously: what property tests compare them with.

Word by word, condition by condition, nothing remembered, nothing skipped.
"""

from collections.abc import Mapping
from math import fsum

from shared.matching.document import Document
from shared.matching.expression import (
    AllOf,
    AnyOf,
    AtLeast,
    Expression,
    Fact,
    Group,
    Masked,
    Near,
    Not,
    Phrase,
    Together,
    Weighted,
)
from shared.matching.text import Span

Masks = tuple[Phrase, ...]


def matching(conditions: Mapping[str, Expression], document: Document) -> set[str]:
    """The ids of the conditions that hold."""
    return {name for name, expression in conditions.items() if holds(expression, document)}


def holds(expression: Expression, document: Document, masks: Masks = ()) -> bool:
    """Whether the condition holds where the masked words count for nothing."""
    match expression:
        case Phrase():
            return spans(expression, document, masks) != []
        case Fact(key):
            return key in document.facts
        case AllOf(parts):
            return [part for part in parts if not holds(part, document, masks)] == []
        case AnyOf(parts):
            return [part for part in parts if holds(part, document, masks)] != []
        case Not(part):
            return not holds(part, document, masks)
        case Near():
            return near_pairs(expression, document, masks) != []
        case Together(groups):
            return sentences_with_all(groups, document, masks) != []
        case AtLeast(count, parts):
            return len([part for part in parts if holds(part, document, masks)]) >= count
        case Weighted(threshold, items):
            return fsum(weight for part, weight in items if holds(part, document, masks)) >= threshold
        case Masked(part, more):
            return holds(part, document, masks + more)


def spans(phrase: Phrase, document: Document, masks: Masks = ()) -> list[Span]:
    """The places of a phrase that no mask touches."""
    masked = [span for mask in masks for span in spans(mask, document)]
    return [
        Span(field, first, first + length - 1)
        for field, words in document.text.fields()
        if phrase.field in (None, field)
        for length in [len(phrase.words.split())]
        for first in range(len(words.forms) - length + 1)
        if _fits(phrase, words.forms[first : first + length])
        and words.sentence_of(first) == words.sentence_of(first + length - 1)
        and not any(_share_a_word(Span(field, first, first + length - 1), mask) for mask in masked)
    ]


def group_spans(group: Group, document: Document, masks: Masks = ()) -> list[Span]:
    """The places of the phrases of a group."""
    phrases = group.parts if isinstance(group, AnyOf) else (group,)
    return [span for each in phrases if isinstance(each, Phrase) for span in spans(each, document, masks)]


def near_pairs(near: Near, document: Document, masks: Masks = ()) -> list[tuple[Span, Span]]:
    """Every two places that stand as near as the condition wants."""
    return [
        (left, right)
        for left in group_spans(near.left, document, masks)
        for right in group_spans(near.right, document, masks)
        if left.field == right.field
        and (
            1 <= right.first - left.last <= near.distance
            or (not near.in_order and 1 <= left.first - right.last <= near.distance)
        )
    ]


def sentences_with_all(
    groups: tuple[Group, ...], document: Document, masks: Masks = ()
) -> list[tuple[str, int]]:
    """The sentences that have one of each group."""
    each = [[document.text.sentence_of(span) for span in group_spans(g, document, masks)] for g in groups]
    return [sentence for sentence in each[0] if all(sentence in sentences for sentences in each)]


def _fits(phrase: Phrase, forms: list[str]) -> bool:
    return all(
        form.startswith(word[:-1]) if word.endswith("*") else form == word
        for word, form in zip(phrase.words.split(), forms, strict=True)
    )


def _share_a_word(one: Span, other: Span) -> bool:
    return one.field == other.field and one.first <= other.last and other.first <= one.last
