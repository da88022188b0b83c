"""A query cut into tokens: operators, brackets and terms, each with its place in what was typed."""

import re
from collections.abc import Set
from dataclasses import dataclass

from shared.matching.document import country_key, topic_key
from shared.matching.expression import FARTHEST
from shared.matching.phrases import PhraseError, parts_of
from shared.matching.text import FieldName

USUAL_DISTANCE = 10

FIELDS: dict[str, FieldName] = {"title": "title", "text": "text"}
FACTS = {"topic": topic_key, "country": country_key}
_OPERATOR = re.compile(r"AND|OR|NOT|SAME|O?NEAR(?:/(?P<distance>.*))?")
# What a mail program or a phone makes of a straight quote.
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂″", '"'))
# Operators elsewhere, and no words.
_MEANT = {"-": "put the - right before a word"}
_MEANT |= dict.fromkeys(("|", "||"), "write OR") | dict.fromkeys(("&", "&&", "+"), "write AND")
_TOKEN = re.compile(
    r"""\s*(?: (?P<count>\d+)\s*OF\s*(?=\()
          | (?P<scope>[^\W\d_]+):(?=\()
          | (?P<sign>[(),])
          | (?P<minus>-)(?=[^\s),])
          | (?: (?P<field>[^\W\d_]+): )?
            (?: "(?P<quoted>[^"]*)(?P<closing>"?) | (?P<word>(?:[^\s()",]|(?<=\d),(?=\d))+) )
          )""",
    re.VERBOSE,
)


class QueryError(ValueError):
    """A query that cannot be read. `position` is where, counted from 0; the message counts from 1."""

    def __init__(self, problem: str, position: int, remedy: str) -> None:
        super().__init__(f"{problem} at character {position + 1}: {remedy}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a query. What a kind has no use for is empty."""

    kind: str  # "(", ")", ",", "NOT", "AND", "OR", "SAME", "NEAR", "ONEAR", "OF", "scope", "term", "end"
    position: int
    text: str = ""
    phrase: str = ""
    field: str = ""
    number: int = 0


OPERATORS = frozenset({"AND", "OR", "NOT", "SAME", "NEAR", "ONEAR"})


def tokens(text: str) -> list[Token]:
    """The tokens of a query, an `end` last; raise QueryError."""
    straight = text.translate(_QUOTES)
    found = [_token(match, text) for match in _TOKEN.finditer(straight)]
    return [*found, Token("end", len(text))]


def _token(match: re.Match[str], text: str) -> Token:
    position = match.end() - len(match[0].lstrip())
    if match["sign"]:
        return Token(match["sign"], position)
    if match["minus"]:
        return Token("NOT", position)
    if match["count"]:
        return Token("OF", position, number=int(match["count"][:9]))
    if match["scope"]:
        return Token("scope", position, field=_field(match["scope"], position, FIELDS.keys()))
    if match["quoted"] is not None and not match["closing"]:
        raise QueryError("a quotation mark is opened and never closed", match.start("quoted") - 1, 'add a "')
    if match["word"] and not match["field"] and (operator := _OPERATOR.fullmatch(match["word"])):
        return _operator(operator, position)
    return _term_token(match, position, text)


def _operator(match: re.Match[str], position: int) -> Token:
    kind, distance = match[0].partition("/")[0], match["distance"]
    given = int(distance[:9]) if distance and distance.isascii() and distance.isdigit() else 0
    number = USUAL_DISTANCE if distance is None else given
    if not 1 <= number <= FARTHEST:
        raise QueryError(f"no distance in {match[0]}", position, f"write {kind}/1 to {kind}/{FARTHEST}")
    return Token(kind, position, number=number)


def _term_token(match: re.Match[str], position: int, text: str) -> Token:
    name = _field(match["field"] or "", position, FIELDS.keys() | FACTS.keys())
    word = match["word"] or ""
    if word.endswith(":") and word[:-1].lower() in FIELDS.keys() | FACTS.keys():
        remedy = 'write a word or a "phrase" right after it, without a space'
        raise QueryError(f"nothing after {word.lower()}", position, remedy)
    phrase = word if match["quoted"] is None else match["quoted"]
    try:
        parts_of(phrase)
    except PhraseError as e:
        raise QueryError(e.problem, position, _MEANT.get(word, e.remedy)) from e
    if name in FACTS and "*" in phrase:
        raise QueryError(f"a * in {name}:", position, f"write the whole name of the {name}")
    return Token("term", position, text[position : match.end()], phrase, name)


def _field(name: str, position: int, known: Set[str]) -> str:
    if name and name.lower() not in known:
        names = ", ".join(f"{each}:" for each in sorted(known))
        remedy = f'{names} are known here; to find the words themselves, put them in quotes: "{name} …"'
        raise QueryError(f"unknown field {name}:", position, remedy)
    return name.lower()
