"""Countries by their codes, ISO 3166-1 alpha-2 (and XK, Kosovo): English names, and a point for maps.

Names and points are those of countries.json, which tools/gazetteer/places.py writes. The four that it leaves out
(nobody lives there) are named by the time zone database. What people type may be spelled as either has it.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from itertools import chain
from typing import NamedTuple


class CountryPlace(NamedTuple):
    """A country's English name, and where its capital is, in degrees (WGS 84)."""

    name: str
    longitude: float
    latitude: float


@cache
def country_places() -> Mapping[str, CountryPlace]:
    """Return the places by code."""
    text = resources.files("shared").joinpath("countries.json").read_text("utf-8")
    return {code: CountryPlace(*row) for code, row in json.loads(text).items()}


@cache
def country_names() -> Mapping[str, str]:
    """Return the English names by code."""
    return _other_names() | {code: place.name for code, place in country_places().items()}


def find_country(written: str) -> str | None:
    """Return the code of a country written as a code or an English name, in any case; None if it is neither."""
    text = " ".join(written.split())
    if text.upper() in country_names():
        return text.upper()
    return _by_name().get(text.casefold())


def _other_names() -> dict[str, str]:
    table = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8")
    rows = (line.partition("\t") for line in table.splitlines() if not line.startswith("#"))
    return {code: name for code, _, name in rows}


@cache
def _by_name() -> Mapping[str, str]:
    names: dict[str, str] = {}
    # "Britain (UK)" has two names; "Korea (South)" has one, for what is before its brackets is another's too.
    brackets: dict[str, dict[str, str]] = {}
    for code, name in chain(_other_names().items(), country_names().items()):
        names[name.casefold()] = code
        head, _, tail = name.casefold().partition(" (")
        if tail:
            brackets.setdefault(head, {})[code] = tail.rstrip(")")
    alone = [(head, *tails.popitem()) for head, tails in brackets.items() if len(tails) == 1]
    return {part: code for head, code, tail in alone for part in (head, tail)} | names
