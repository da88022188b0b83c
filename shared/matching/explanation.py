"""Why a condition holds for a document, or how near it came, clause by clause."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.events import Evidence
from shared.matching.document import Document
from shared.matching.evaluation import (
    Found,
    Unmasked,
    clauses,
    find_phrases,
    holds,
    is_near,
    score,
)
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
    parts_of,
    phrases_of,
)
from shared.matching.phrases import SHORTEST_PREFIX, Automaton
from shared.matching.text import Span

_LOOKED_AT = 300
"""Places of each side of a nearness that did not hold: enough for any text that is read by people."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a condition held; if not, how near it came; what it found; and the same for its parts."""

    text: str
    held: bool
    note: str
    evidence: tuple[Evidence, ...] = ()
    parts: tuple["Explanation", ...] = ()


def explain(expression: Expression, document: Document) -> Explanation:
    """The explanation of a condition, of any size; works harder than a match does."""
    automaton = Automaton(_looked_up(expression))
    return _explained(expression, find_phrases(automaton, document))


def _looked_up(expression: Expression) -> dict[str, None]:
    """The phrases, the single words of each, and what begins as these do: which are there is how near it came."""
    phrases = dict.fromkeys(phrase.words for phrase in phrases_of(expression))
    words = dict.fromkeys(word for words in phrases for word in words.split())
    return phrases | words | dict.fromkeys(_longer(word) for word in words)


def _longer(word: str) -> str:
    """The prefix that finds the word with any ending; the word itself if it is one, or too short to be one."""
    return word if word.endswith("*") or len(word) < SHORTEST_PREFIX else f"{word}*"


def _explained(expression: Expression, found: Found) -> Explanation:
    held = holds(expression, found)
    inside = Unmasked(found, expression.masks) if isinstance(expression, Masked) else found
    show = held and not isinstance(expression, Not)
    evidence = (piece for clause in clauses(expression, found) for piece in clause.evidence) if show else ()
    return Explanation(
        text=str(expression),
        held=held,
        note=_note(expression, held, found),
        evidence=tuple(dict.fromkeys(evidence)),
        parts=tuple(_explained(part, inside) for part in parts_of(expression)),
    )


def _note(expression: Expression, held: bool, found: Found) -> str:
    match expression:
        case Phrase():
            return _times(found.spans(expression)) if held else _phrase_note(expression, found)
        case Fact():
            return "it is" if held else _fact_note(expression, found)
        case AllOf(parts) | AnyOf(parts):
            return f"{_count(parts, found)} of {len(parts)} hold"
        case AtLeast(count, parts):
            return f"{_count(parts, found)} of {len(parts)} hold, needed {count}"
        case Not():
            return "not found, as wanted" if held else "found, and must not be"
        case Near():
            return "near enough" if held else _near_note(expression, found)
        case Together(groups):
            return "in one sentence" if held else _together_note(groups, found)
        case Weighted(threshold):
            return f"weights {score(expression, found):g}, needed {threshold:g}"
        case Masked(part, masks):
            return _masked_note(part, masks, found)


def _phrase_note(phrase: Phrase, found: Found) -> str:
    anywhere = found.spans(Phrase(phrase.words))
    if anywhere and phrase.field:
        return f"in the {anywhere[0].field}, not in the {phrase.field}"
    words = tuple(dict.fromkeys(phrase.words.split()))
    missing = [word for word in words if not found.spans(Phrase(word, phrase.field))]
    if len(missing) == len(words):
        return f"not found{_longer_note(phrase, found)}" if len(words) == 1 else "not found"
    there = f"{len(words) - len(missing)} of {len(words)} words are there"
    return f"{there}, not {', '.join(missing)}" if missing else f"{there}, but not one after another"


def _longer_note(word: Phrase, found: Found) -> str:
    longer = found.spans(Phrase(_longer(word.words), word.field))
    return (
        f"; {_longer(word.words)} would find {found.document.text.evidence(longer[0]).text}" if longer else ""
    )


def _fact_note(fact: Fact, found: Found) -> str:
    kind = fact.key.partition(":")[0] + ":"
    others = sorted(key.removeprefix(kind) for key in found.document.facts if key.startswith(kind))
    return f"it is {', '.join(others)}" if others else "none is known"


def _near_note(near: Near, found: Found) -> str:
    left, right = found.group(near.left)[:_LOOKED_AT], found.group(near.right)[:_LOOKED_AT]
    if not left or not right:
        return _missing_note((near.left, near.right), found)
    distances = {_distance(one, other) for one in left for other in right if one.field == other.field} - {0}
    if not distances:
        return "both are there, but not beside each other in one field"
    nearest = min(distances)
    swapped = any(is_near(near, other, one) for one in left for other in right if one.field == other.field)
    order = "in the wrong order, " if near.in_order and swapped else ""
    return f"{order}nearest distance {nearest}, allowed {near.distance}"


def _distance(one: Span, other: Span) -> int:
    """In words, neighbours 1; 0 if the two share a word."""
    return max(other.first - one.last, one.first - other.last, 0)


def _together_note(groups: Iterable[Group], found: Found) -> str:
    groups = tuple(groups)
    if any(not found.group(group) for group in groups):
        return _missing_note(groups, found)
    return f"all {len(groups)} are there, at most {_most_in_one_sentence(groups, found)} in one sentence"


def _most_in_one_sentence(groups: tuple[Group, ...], found: Found) -> int:
    each = [{found.sentence_of(span) for span in found.group(group)} for group in groups]
    return max(sum(sentence in one for one in each) for sentence in set().union(*each))


def _missing_note(groups: tuple[Group, ...], found: Found) -> str:
    missing = [str(group) for group in groups if not found.group(group)]
    return f"{len(groups) - len(missing)} of {len(groups)} are there, not {', '.join(missing)}"


def _masked_note(part: Expression, masks: Iterable[Phrase], found: Found) -> str:
    unmasked = Unmasked(found, masks)
    lost = [phrase for phrase in phrases_of(part) if found.spans(phrase) != unmasked.spans(phrase)]
    if not lost:
        return "no mask covers anything"
    covers = sorted({f"“{mask}”" for mask in masks if found.spans(mask)})
    return f"{', '.join(covers)} covers {', '.join(dict.fromkeys(map(str, lost)))}"


def _count(parts: Iterable[Expression], found: Found) -> int:
    return sum(holds(part, found) for part in parts)


def _times(spans: list[Span]) -> str:
    return "found once" if len(spans) == 1 else f"found {len(spans)} times"
