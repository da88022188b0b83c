"""What an address asks for: topics, countries and words, in the same spelling on every route that reads."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from services.api.core.checks import check_query, check_topics
from services.api.core.problem import FieldError, Problem
from services.api.core.wording import listed
from shared.matching.query import QueryError, parse_query
from shared.subscriptions import LIST_LIMIT, Filter

_SPELLINGS = {"topic": "topics", "country": "countries", "q": "query"}
_NAMES = ("topic", "country", "q")


@dataclass(frozen=True, slots=True)
class Asked:
    """Within topics and countries it is OR, between the three AND; what is empty asks for nothing."""

    topics: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    words: str = ""

    @property
    def filter(self) -> Filter | None:
        """The same as a subscription has it; None if nothing is asked for."""
        if self == Asked():
            return None
        return Filter(topics=self.topics, countries=self.countries, query=self.words)


def read_asked(
    given: Iterable[tuple[str, str]],
    *,
    topics: Collection[str],
    countries: Collection[str],
    others: Collection[str] = (),
) -> Asked:
    """Return what the parameters of an address ask for; raise Problem (400) for what is not known.

    `topic` and `country` may come several times, or with commas; `topics`, `countries` and `query` are taken too.
    `others` are the names of parameters that a route has beside them.
    """
    lists: dict[str, list[str]] = {"topics": [], "countries": []}
    words = ""
    for name, value in given:
        kind = _SPELLINGS.get(name, name)
        if kind in lists:
            lists[kind] += [part.strip() for part in value.split(",") if part.strip()]
        elif kind == "query":
            words = value.strip()
        elif name not in others:
            raise _wrong(
                name[:60], f"there is no such parameter; there are {listed([*_NAMES, *others], 'and')}"
            )
    codes = [code.upper() for code in lists["countries"]]
    _check("topic", lists["topics"], [error.detail for error in check_topics(lists["topics"], list(topics))])
    unknown = [code for code in codes if code not in countries]
    _check(
        "country", codes, [f"{code[:20]!r} is no country: write two letters, as in SD" for code in unknown]
    )
    _check_words(words, list(topics))
    return Asked(tuple(dict.fromkeys(lists["topics"])), tuple(dict.fromkeys(codes)), words)


def _check(name: str, values: list[str], errors: list[str]) -> None:
    if len(values) > LIST_LIMIT:
        errors = [f"at most {LIST_LIMIT} are taken"]
    if errors:
        raise _wrong(name, errors[0])


def _check_words(words: str, topics: list[str]) -> None:
    if len(words) > 2000:
        raise _wrong("q", "at most 2000 characters are taken")
    try:
        if words:
            parse_query(words)
    except QueryError as e:
        raise _wrong("q", str(e)) from e
    _check("q", [], [error.detail for error in check_query(words, topics)])


def _wrong(name: str, detail: str) -> Problem:
    return Problem(detail, errors=[FieldError(name, detail)])
