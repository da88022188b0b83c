"""What looks like an operator in a query and is read as a word: refused where it is typed, not where it is kept."""

import re
from collections.abc import Iterator
from itertools import pairwise

from shared.matching.tokens import FACTS, FIELDS, QueryError, Token, tokens

_SLIPS = {
    r"(?i:and|or|not|o?near/.*)": "write {upper} for the operator",
    r"(?i:w|n|pre|adj)/\d+|.*~\d+": "write a NEAR/5 b for words near each other, ONEAR/5 for this order",
    r"!.+": "write NOT before what must not be there",
    r"['‘‚].+": 'a phrase has double quotes: "a b"',
    rf"(?i:{'|'.join([*FIELDS, *FACTS])}):.+": "write one field for each word",
}
_IN_A_FIELD = {r"-.+": "write the - before the field"}


def slips(query: str) -> list[QueryError]:
    """Each slip with its place and what would be right; raise QueryError if the query cannot be cut."""
    return [
        QueryError(
            f"{token.text} is read as a word", token.position, f'{remedy}; for the word, "{token.phrase}"'
        )
        for token, following in pairwise(tokens(query))
        if _is_bare(token)
        for remedy in _remedies(token, following)
    ] + [
        QueryError(
            f"a space after {near.kind}", number.position, f"write {near.kind}/{number.phrase.strip('/')}"
        )
        for near, number in pairwise(tokens(query))
        if near.kind in ("NEAR", "ONEAR") and _is_bare(number) and re.fullmatch(r"/?\d{1,3}", number.phrase)
    ]


def _remedies(token: Token, following: Token) -> Iterator[str]:
    known = _SLIPS | (_IN_A_FIELD if token.field else {})
    for pattern, remedy in known.items():
        if re.fullmatch(pattern, token.phrase):
            yield remedy.format(upper=token.phrase.upper())
    is_of = re.fullmatch(r"\d*of", token.phrase.lower()) and following.kind == "("
    if is_of or token.phrase == "OF":
        yield "write 2 OF (a, b, c), with the number first"


def _is_bare(token: Token) -> bool:
    """Whether it is a word that was typed without quotes."""
    return token.kind == "term" and not token.text.endswith(tuple('"“”„‟«»＂″'))
