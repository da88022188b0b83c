"""What translations of a report share: its figures, on the same day, about the same country, no other topic.

Two reports in different languages are taken for one happening if they have two telling numbers in common, or one of
three digits or more, those zeros not counted that end it ("1,968", "11.5"). Years, hours and days of the month tell
nothing, a calibre little. What has no such number meets no translation: a story that is told twice is better than two
that are made one.
"""

import re
from itertools import combinations
from typing import NamedTuple

from services.classify.core.language import language_of
from shared.events import Report, TaggedReport
from shared.matching.text import Text

LEAD = 600
"""Characters of the text that are looked at."""
MOST = 5
"""Numbers that are looked at, the most telling first."""
YEARS = range(1900, 2101)
_NUMBER = re.compile(
    # No longer than any count of people or money: a number of thousands of digits cannot be read as one.
    r"(?<![\w:.,/-])(?:\d{1,3}(?:[.,\u00a0\u202f ]\d{3}){1,4}|\d{1,15}(?:[.,]\d{1,2})?)(?![\d:])"
)
_GROUPS = re.compile(r"[.,\u00a0\u202f ](?=\d{3})")
_CALIBRES = frozenset({"105", "120", "122", "152", "155"})
_STRONG = 3
THOUSANDS = 1000


class Figures(NamedTuple):
    """Where a report may meet its translations: a key that one of another language has too, if a country is shared and,
    where both have topics, a topic."""

    language: str
    keys: tuple[str, ...]
    topics: tuple[str, ...]
    countries: tuple[str, ...]


def figures_of(tagged: TaggedReport, words: Text | None = None) -> Figures | None:
    """The figures of a tagged report; None if nothing in it would be known again in another language."""
    report, countries = tagged.report, tuple(country.code for country in tagged.countries)
    keys = _keys(report) if countries else ()
    language = language_of(words or Text.of(report.title, report.text), report.language) if keys else None
    if not language:
        return None
    topics = tuple(dict.fromkeys(tag.topic.partition("/")[0] for tag in tagged.tags))
    return Figures(language, keys, topics, countries)


def _keys(report: Report) -> tuple[str, ...]:
    numbers = numbers_of(f"{report.title}\n{(report.text or report.summary)[:LEAD]}", report.published_at.day)
    pairs = (":".join(sorted(pair)) for pair in combinations(numbers, 2))
    strong = (number for number in numbers if _digits(number) >= _STRONG and number not in _CALIBRES)
    return tuple(f"{report.published_at:%Y-%m-%d}:{key}" for key in (*strong, *pairs))


def figures_in(text: str) -> set[str]:
    """All numbers of a text but years, as they are compared."""
    found = _NUMBER.findall(text)
    return {_plain(written) for written in found if not (written.isdecimal() and int(written) in YEARS)}


def numbers_of(text: str, day: int) -> list[str]:
    """The telling numbers of a text written on this day of a month, at most 5, the most telling first."""
    found = {_plain(written): None for written in _NUMBER.findall(text) if _tells(written, day)}
    return sorted(found, key=lambda number: -_digits(number))[:MOST]


def _plain(written: str) -> str:
    whole = _GROUPS.sub("", written).replace(",", ".")
    return ".".join(str(int(part)) for part in whole.split("."))


def _tells(written: str, day: int) -> bool:
    number = _plain(written)
    if not written.isdecimal():  # grouped or a fraction: neither a year nor a day
        return True
    value = int(number)
    if value in YEARS or abs(value - day) <= 1:
        return False
    return _digits(number) > 1 or value >= THOUSANDS


def _digits(number: str) -> int:
    """How many digits say something: 735000 has three, 11.5 has three."""
    return len(number.replace(".", "").rstrip("0"))
