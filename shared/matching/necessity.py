"""What a document must have for a condition to hold: the terms under which the condition is filed.

If none of these terms is in a document, the condition does not hold, and need not be looked at. Of several such
sets the rarest is taken (Whang et al., Indexing Boolean Expressions, VLDB 2009).
"""

from collections.abc import Callable
from math import fsum, inf

from shared.matching.expression import (
    AllOf,
    AnyOf,
    AtLeast,
    Expression,
    ExpressionError,
    Fact,
    Masked,
    Near,
    Phrase,
    Term,
    Together,
    Weighted,
    parts_of,
)

Terms = tuple[Term, ...]
Cost = Callable[[Term], float]
"""How often a term is expected in documents, in any unit."""


def required_terms(expression: Expression, cost: Cost) -> Terms:
    """The cheapest terms of which every match has one; raise ExpressionError if there are none such."""
    terms = find_required_terms(expression, cost)
    if terms is None:
        raise ExpressionError(
            "nothing here says what to find, only what not to",
            "write a word to find beside each NOT (and in each side of an OR)",
        )
    return terms


def find_required_terms(expression: Expression, cost: Cost) -> Terms | None:
    """The same, or None where a document could match that has nothing of what is named."""
    match expression:
        case Phrase() | Fact():
            return (expression,)
        case AllOf() | Near() | Together():
            choices = [find_required_terms(part, cost) for part in parts_of(expression)]
            return min((terms for terms in choices if terms is not None), key=_total(cost), default=None)
        case AnyOf(parts):
            return _united([find_required_terms(part, cost) for part in parts])
        case AtLeast(count, parts):
            # The others are too few to reach the count, so one of these must be among what holds.
            choices = sorted((find_required_terms(part, cost) for part in parts), key=_total(cost))
            return _united(choices[: len(choices) - count + 1])
        case Weighted():
            return _united(_needed_items(expression, cost))
        case Masked(part, _):
            return find_required_terms(part, cost)
    return None


def _needed_items(weighted: Weighted, cost: Cost) -> list[Terms | None]:
    """The terms of the items without which the threshold is out of reach; the dearest are done without."""
    if weighted.threshold <= 0:
        return [None]
    items = [(find_required_terms(part, cost), weight) for part, weight in weighted.items if weight > 0]
    items.sort(key=lambda item: _total(cost)(item[0]))
    spared: list[float] = []
    while items and fsum([*spared, items[-1][1]]) < weighted.threshold:
        spared.append(items.pop()[1])
    return [terms for terms, _ in items]


def _united(choices: list[Terms | None]) -> Terms | None:
    united: dict[Term, None] = {}
    for terms in choices:
        if terms is None:
            return None
        united.update(dict.fromkeys(terms))
    return tuple(united)


def _total(cost: Cost) -> Callable[[Terms | None], float]:
    return lambda terms: inf if terms is None else sum(map(cost, terms))
