"""A subscriber's query in one line: `(drone* OR "unmanned aircraft") title:airspace NOT exercise*`.

    query := both (OR both)*
    both  := part ([AND] part)*
    part  := (NOT | -)* ( "(" query ")" | [title:] word | [title:] "phrase" )

Operators are upper-case only, so that `and` is a word. Negations are pushed down to the terms while parsing:
what is left is AND, OR and terms, some of them negative.
"""

import re
from dataclasses import dataclass, field

from shared.events import Evidence
from shared.matching.phrases import PhraseError, PhraseIndex, parts_of
from shared.matching.text import FieldName, Span, Text

LONGEST = 2_000
MOST_TERMS = 200
DEEPEST = 50
MOST_EVIDENCE = 20

_OPERATORS = frozenset({"AND", "OR", "NOT"})
# What a mail program or a phone makes of a straight quote.
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»", '"'))
_TOKEN = re.compile(
    r"""\s*(?: (?P<sign>[()])
          | (?P<minus>-)(?=[^\s)])
          | (?: (?P<field>[^\W\d_]+): )? (?: "(?P<quoted>[^"]*)(?P<closing>"?) | (?P<word>[^\s()"]+) )
          )""",
    re.VERBOSE,
)


class QueryError(ValueError):
    """A query that cannot be read. `position` is where, counted from 0; the message counts from 1."""

    def __init__(self, problem: str, position: int, remedy: str) -> None:
        super().__init__(f"{problem} at character {position + 1}: {remedy}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Clause:
    """A term that held, as it was typed, and the words that it found (at most 20, the title's first)."""

    text: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Term:
    text: str
    phrase: str
    field: FieldName | None
    negative: bool
    position: int


@dataclass(frozen=True, slots=True)
class Both:
    """All of the parts hold."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of the parts holds."""

    parts: tuple["Node", ...]


Node = Term | Both | Either
Found = dict[str, list[Span]]


@dataclass(frozen=True, slots=True)
class Query:
    """A query that has been read and can hold for a report."""

    text: str
    root: Node
    _index: PhraseIndex = field(repr=False, compare=False)

    def match(self, text: Text) -> tuple[Clause, ...] | None:
        """The positive terms that held, with their words; None if the query does not hold."""
        found: Found = {}
        for phrase, span in self._index.find(text):
            found.setdefault(phrase, []).append(span)
        held = _held(self.root, found)
        if held is None:
            return None
        return tuple(dict.fromkeys(_clause(term, found, text) for term in held))


def parse_query(text: str) -> Query:
    """The query; raise QueryError for anything that cannot be read, or would match nearly everything."""
    if len(text) > LONGEST:
        raise QueryError("the query is too long", LONGEST, f"keep it to {LONGEST} characters")
    parser = _Parser(text)
    root = parser.parse()
    _require_positive(root)
    return Query(text=text, root=root, _index=PhraseIndex(term.phrase for term in parser.terms))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "(", ")", "NOT", "AND", "OR", "term", "end"
    position: int
    text: str = ""
    phrase: str = ""
    field: FieldName | None = None


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self.terms: list[Term] = []

    def parse(self) -> Node:
        if self._peek().kind == "end":
            raise QueryError("the query is empty", 0, "write at least one word")
        node = self._either(depth=0, negative=False)
        if (token := self._peek()).kind != "end":
            raise QueryError(
                "a closing parenthesis too many", token.position, "take it away, or open one before it"
            )
        return node

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _either(self, depth: int, negative: bool) -> Node:
        parts = [self._both(depth, negative)]
        while self._peek().kind == "OR":
            self._take()
            parts.append(self._both(depth, negative))
        return _join(Both if negative else Either, parts)

    def _both(self, depth: int, negative: bool) -> Node:
        parts = [self._part(depth, negative)]
        while self._peek().kind not in ("OR", ")", "end"):
            if self._peek().kind == "AND":
                self._take()
            parts.append(self._part(depth, negative))
        return _join(Either if negative else Both, parts)

    def _part(self, depth: int, negative: bool) -> Node:
        while self._peek().kind == "NOT":
            self._take()
            negative = not negative
        token = self._take()
        if token.kind == "(":
            return self._group(token, depth + 1, negative)
        if token.kind != "term":
            raise self._nothing_here(token)
        return self._term(token, negative)

    def _group(self, opening: _Token, depth: int, negative: bool) -> Node:
        if depth > DEEPEST:
            raise QueryError("parentheses too deep", opening.position, f"keep to {DEEPEST} levels")
        node = self._either(depth, negative)
        if self._take().kind != ")":
            raise QueryError("a parenthesis is opened and never closed", opening.position, "add a )")
        return node

    def _term(self, token: _Token, negative: bool) -> Term:
        if len(self.terms) == MOST_TERMS:
            raise QueryError(
                "too many terms", token.position, f"keep to {MOST_TERMS}, or make two subscriptions"
            )
        self.terms.append(Term(token.text, token.phrase, token.field, negative, token.position))
        return self.terms[-1]

    def _nothing_here(self, token: _Token) -> QueryError:
        before = next((t for t in reversed(self._tokens[: self._next]) if t is not token), None)
        if before is not None and before.kind in _OPERATORS:
            problem = f"nothing to the right of {before.kind}"
            return QueryError(problem, before.position, "write a word after it, or take it away")
        if token.kind in _OPERATORS:
            problem = f"nothing to the left of {token.kind}"
            return QueryError(
                problem, token.position, f'write a word before it; to find the word itself, "{token.kind}"'
            )
        if token.kind == ")":
            return QueryError(
                "nothing inside the parentheses", token.position, "write a word in them, or take them away"
            )
        return QueryError(
            "a parenthesis is opened and never closed", before.position if before else 0, "add a )"
        )


def _tokens(text: str) -> list[_Token]:
    straight = text.translate(_QUOTES)
    tokens = [_token(match, text) for match in _TOKEN.finditer(straight)]
    return [*tokens, _Token("end", len(text))]


def _token(match: re.Match[str], text: str) -> _Token:
    position = match.end() - len(match[0].lstrip())
    if match["sign"]:
        return _Token(match["sign"], position)
    if match["minus"]:
        return _Token("NOT", position)
    if match["quoted"] is not None and not match["closing"]:
        raise QueryError("a quotation mark is opened and never closed", match.start("quoted") - 1, 'add a "')
    if match["word"] in _OPERATORS and not match["field"]:
        return _Token(match["word"], position)
    return _term_token(match, position, text)


def _term_token(match: re.Match[str], position: int, text: str) -> _Token:
    name = match["field"] or ""
    if name and name.lower() != "title":
        remedy = f'only title: is known; to find the words themselves, put them in quotes: "{name} …"'
        raise QueryError(f"unknown field {name}:", position, remedy)
    if (match["word"] or "").lower() == "title:":
        raise QueryError(
            "nothing after title:", position, 'write a word or a "phrase" right after it, without a space'
        )
    phrase = match["word"] if match["quoted"] is None else match["quoted"]
    try:
        parts_of(phrase)
    except PhraseError as e:
        raise QueryError(e.problem, position, e.remedy) from e
    return _Token("term", position, text[position : match.end()], phrase, "title" if name else None)


def _join(kind: type[Both] | type[Either], parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _require_positive(root: Node) -> None:
    if not _is_positive(root):
        raise QueryError(
            "nothing here says what to find, only what not to",
            _first_negative(root),
            "write a word to find beside each NOT (and in each side of an OR)",
        )


def _is_positive(node: Node) -> bool:
    """Whether the node can only hold where something is found."""
    if isinstance(node, Term):
        return not node.negative
    if isinstance(node, Both):
        return any(map(_is_positive, node.parts))
    return all(map(_is_positive, node.parts))


def _first_negative(node: Node) -> int:
    if isinstance(node, Term):
        return node.position if node.negative else LONGEST
    return min(map(_first_negative, node.parts))


def _held(node: Node, found: Found) -> list[Term] | None:
    if isinstance(node, Term):
        holds = bool(_spans(node, found)) != node.negative
        return None if not holds else [] if node.negative else [node]
    each = [_held(part, found) for part in node.parts]
    held = [terms for terms in each if terms is not None]
    if len(held) < (len(each) if isinstance(node, Both) else 1):
        return None
    return [term for terms in held for term in terms]


def _spans(term: Term, found: Found) -> list[Span]:
    return [span for span in found.get(term.phrase, ()) if term.field in (None, span.field)]


def _clause(term: Term, found: Found, text: Text) -> Clause:
    return Clause(term.text, tuple(text.evidence(span) for span in _spans(term, found)[:MOST_EVIDENCE]))
