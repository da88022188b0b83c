"""A subscriber's query in one line: `(drone* OR "unmanned aircraft") title:airspace NOT exercise*`.

    query := both (OR both)*
    both  := near ([AND] near)*
    near  := part | part NEAR/n part | part ONEAR/n part | part (SAME part)+
    part  := (NOT | -)* ( "(" query ")" | n OF "(" query ("," query)* ")" | [field:] "(" query ")"
                        | [field:] word | [field:] "phrase" | topic:name | country:code )

Fields are title and text. NEAR/n: at most n words apart, in either order; ONEAR/n: in this order; SAME: in one
sentence. They join words, phrases, and words joined by OR in parentheses. `2 OF (a, b, c)`: at least two of them.
Operators are upper-case only, so that `and` is a word.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from shared.matching.document import Document
from shared.matching.evaluation import Found, clauses, find_phrases, holds
from shared.matching.expression import (
    AllOf,
    AnyOf,
    AtLeast,
    Expression,
    ExpressionError,
    Fact,
    Group,
    Near,
    Not,
    Phrase,
    Together,
    check,
    facts_of,
    parts_of,
    phrases_of,
    simplified,
)
from shared.matching.necessity import find_required_terms, required_terms
from shared.matching.phrases import Automaton
from shared.matching.text import Clause, FieldName, Text
from shared.matching.tokens import FACTS, FIELDS, OPERATORS, Token, tokens
from shared.matching.tokens import QueryError as QueryError

LONGEST = 2_000
MOST_TERMS = 200
DEEPEST = 50


@dataclass(frozen=True)
class Query:
    """A query that has been read and can hold for a report."""

    text: str
    root: Expression

    def match(self, report: Text | Document) -> tuple[Clause, ...] | None:
        """The positive terms that held, with their words; None if the query does not hold.

        Terms like topic:aid hold only for a Document that says so.
        """
        found = self.find(report)
        return clauses(self.root, found) if holds(self.root, found) else None

    def find(self, report: Text | Document) -> Found:
        """Where the query's phrases stand in a report."""
        document = Document(report) if isinstance(report, Text) else report
        return find_phrases(self._automaton, document)

    @cached_property
    def _automaton(self) -> Automaton:
        return Automaton(phrase.words for phrase in phrases_of(self.root))

    @property
    def facts(self) -> tuple[str, ...]:
        """What it asks of a report beside its words, e.g. topic:aid."""
        return tuple(dict.fromkeys(fact.key for fact in facts_of(self.root)))


# A subscription that is read is checked, and then made ready: twice the same query.
@lru_cache(maxsize=256)
def parse_query(text: str) -> Query:
    """The query; raise QueryError for anything that cannot be read, or would match nearly everything."""
    if len(text) > LONGEST:
        raise QueryError("the query is too long", LONGEST, f"keep it to {LONGEST} characters")
    parser = _Parser(text)
    typed = parser.parse()
    root = simplified(typed)
    try:
        check(root)
        required_terms(root, lambda _: 1)
    except ExpressionError as e:
        raise QueryError(e.problem, parser.where_nothing_is_asked(typed), e.remedy) from e
    return Query(text, root)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._next = 0
        self._terms = 0
        self._scopes: list[FieldName] = []
        self._lists = 0
        self._negative = False
        self._negated: dict[Expression, int] = {}
        """Where each part stands that must not be found."""

    def where_nothing_is_asked(self, expression: Expression) -> int:
        """Where the first part stands by which alone the query could hold, and which asks for nothing."""
        if expression in self._negated:
            return self._negated[expression]
        asking_nothing = (
            part
            for part in parts_of(expression)
            if find_required_terms(simplified(part), lambda _: 1) is None
        )
        part = next(asking_nothing, None)
        return self.where_nothing_is_asked(part) if part else min(self._negated.values(), default=0)

    def parse(self) -> Expression:
        if self._peek().kind == "end":
            raise QueryError("the query is empty", 0, "write at least one word")
        root = self._either(depth=0)
        if (token := self._peek()).kind != "end":
            raise QueryError(
                "a closing parenthesis too many", token.position, "take it away, or open one before it"
            )
        return root

    def _peek(self) -> Token:
        while self._tokens[self._next].kind == "," and not self._lists:
            self._next += 1
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._peek()
        self._next += token.kind != "end"
        return token

    def _either(self, depth: int) -> Expression:
        parts = [self._both(depth)]
        while self._peek().kind == "OR":
            self._take()
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _both(self, depth: int) -> Expression:
        parts = [self._near(depth)]
        while self._peek().kind not in ("OR", ")", ",", "end"):
            if self._peek().kind == "AND":
                self._take()
            parts.append(self._near(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _near(self, depth: int) -> Expression:
        position = self._peek().position
        parts = [self._part(depth)]
        operator = self._peek()
        if operator.kind not in ("NEAR", "ONEAR", "SAME"):
            return parts[0]
        while (following := self._peek()).kind in ("NEAR", "ONEAR", "SAME"):
            if following.kind != operator.kind or (len(parts) == 2 and operator.kind != "SAME"):
                raise QueryError(
                    f"{following.kind} after {operator.kind}",
                    following.position,
                    "join each two with parentheses around all, and AND between",
                )
            self._take()
            parts.append(self._part(depth))
        return _placed(operator, parts, position)

    def _part(self, depth: int) -> Expression:
        outside = self._negative
        while self._peek().kind == "NOT":
            self._take()
            self._negative = not self._negative
        negated, token = self._negative != outside, self._take()
        part = self._positive(token, depth)
        self._negative = outside
        if negated:
            part = Not(part)
            self._negated.setdefault(part, token.position)
        return part

    def _positive(self, token: Token, depth: int) -> Expression:
        if token.kind == "OF":
            return self._at_least(token, depth)
        if token.kind == "scope":
            self._scopes.append(FIELDS[token.field])
            group = self._group(self._take(), depth + 1)
            self._scopes.pop()
            return group
        if token.kind == "(":
            return self._group(token, depth + 1)
        if token.kind != "term":
            raise self._nothing_here(token)
        return self._term(token)

    def _group(self, opening: Token, depth: int) -> Expression:
        lists, self._lists = self._lists, 0
        inside = self._inside(opening, depth)
        self._close(opening)
        self._lists = lists
        return inside

    def _inside(self, opening: Token, depth: int) -> Expression:
        if depth > DEEPEST:
            raise QueryError("parentheses too deep", opening.position, f"keep to {DEEPEST} levels")
        return self._either(depth)

    def _close(self, opening: Token) -> None:
        if self._take().kind != ")":
            raise QueryError("a parenthesis is opened and never closed", opening.position, "add a )")

    def _at_least(self, token: Token, depth: int) -> Expression:
        opening = self._take()
        lists, self._lists = self._lists, 1
        parts = [self._inside(opening, depth + 1)]
        while self._peek().kind == ",":
            self._take()
            parts.append(self._inside(opening, depth + 1))
        self._close(opening)
        self._lists = lists
        if not 1 <= token.number <= len(parts):
            raise QueryError(
                f"{token.number} of {len(parts)}",
                token.position,
                f"ask for 1 to {len(parts)}, and put a comma between what is listed",
            )
        return AtLeast(token.number, tuple(parts))

    def _term(self, token: Token) -> Expression:
        if self._terms == MOST_TERMS:
            raise QueryError(
                "too many terms", token.position, f"keep to {MOST_TERMS}, or make two subscriptions"
            )
        self._terms += 1
        if token.field in FACTS:
            return Fact(FACTS[token.field](token.phrase), token.text)
        scope = FIELDS.get(token.field) or (self._scopes[-1] if self._scopes else None)
        typed = token.text if token.field or not scope else f"{scope}:{token.text}"
        return Phrase.of(token.phrase, scope, typed)

    def _nothing_here(self, token: Token) -> QueryError:
        before = next((t for t in reversed(self._tokens[: self._next]) if t is not token), None)
        if before is not None and before.kind in OPERATORS:
            problem = f"nothing to the right of {before.kind}"
            return QueryError(problem, before.position, "write a word after it, or take it away")
        if token.kind in OPERATORS:
            problem = f"nothing to the left of {token.kind}"
            return QueryError(
                problem, token.position, f'write a word before it; to find the word itself, "{token.kind}"'
            )
        if token.kind == ",":
            return QueryError("nothing before the comma", token.position, "write a word, or take it away")
        if token.kind == ")":
            return QueryError(
                "nothing inside the parentheses", token.position, "write a word in them, or take them away"
            )
        return QueryError(
            "a parenthesis is opened and never closed", before.position if before else 0, "add a )"
        )


def _placed(operator: Token, parts: list[Expression], position: int) -> Expression:
    groups = [group for part in parts if (group := _group(part))]
    if len(groups) < len(parts):
        remedy = 'put a word, a "phrase", or (words joined by OR) on each side of it'
        raise QueryError(f"{operator.kind} between what has no place in the text", position, remedy)
    if operator.kind == "SAME":
        return Together(tuple(groups))
    return Near(groups[0], groups[1], operator.number, operator.kind == "ONEAR")


def _group(part: Expression) -> Group | None:
    """A word, a phrase, or such joined by OR in any brackets; None for anything else."""
    alternatives = list(_alternatives(part))
    phrases = tuple(each for each in alternatives if isinstance(each, Phrase))
    if len(phrases) < len(alternatives):
        return None
    return AnyOf(phrases) if isinstance(part, AnyOf) else phrases[0]


def _alternatives(part: Expression) -> Iterator[Expression]:
    if isinstance(part, AnyOf):
        for each in part.parts:
            yield from _alternatives(each)
    else:
        yield part
