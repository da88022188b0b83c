"""The gazetteer that ships with Tocsin, as tools/gazetteer wrote it."""

import json
from collections import defaultdict
from functools import cache
from pathlib import Path

from services.classify.core.countries import NOTHING, Gazetteer, Name, capitals_of, senses_of

FILE = Path(__file__).parent.parent / "countries" / "gazetteer.json"


@cache
def load_gazetteer() -> Gazetteer:
    """The shipped gazetteer, read once."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    places = {
        (phrase, code): set[str]()
        for code, by in content["names"].items()
        for listed in by.values()
        for phrase in listed
    }
    for code, by_language in [*content["names"].items(), (NOTHING, content["nothing"])]:
        for language, listed in by_language.items():
            for phrase in listed:
                places.setdefault((phrase, code), set()).add(language)
    names: dict[str, list[Name]] = defaultdict(list)
    for (phrase, code), languages in places.items():
        names[phrase].append(Name(code, frozenset(languages), capitals_of(phrase)))
    senses = senses_of(
        unless={phrase: trap["words"] for trap in content["unless"].values() for phrase in trap["names"]},
        instead={phrase: trap["code"] for trap in content["instead"].values() for phrase in trap["names"]},
        people=content["people"],
        everyday=content["everyday"],
        venues=content["venues"],
    )
    return Gazetteer({phrase: tuple(listed) for phrase, listed in names.items()}, senses, content["sources"])
