"""The countries: what each is called, and a point for maps. tools/gazetteer/places.py writes the file."""

import json
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple


class CountryPlace(NamedTuple):
    """A country's English name, and where its capital is, in degrees (WGS 84)."""

    name: str
    longitude: float
    latitude: float


def read_countries() -> Mapping[str, CountryPlace]:
    """Return the countries by ISO 3166-1 alpha-2 code."""
    text = resources.files("services.api.adapters").joinpath("countries.json").read_text()
    return {code: CountryPlace(*row) for code, row in json.loads(text).items()}
