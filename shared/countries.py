"""Countries by their codes, ISO 3166-1 alpha-2, and English names, as the time zone database lists them."""

from functools import cache
from importlib import resources

# Not in the standard, and in use: the code that the EU, the UN and CLDR write.
_MORE = {"XK": "Kosovo"}


@cache
def country_names() -> dict[str, str]:
    """English names by code."""
    table = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8")
    rows = (line.partition("\t") for line in table.splitlines() if not line.startswith("#"))
    return {code: name for code, _, name in rows} | _MORE


def find_country(written: str) -> str | None:
    """Return the code of a country written as a code or an English name, in any case; None if it is neither."""
    text = " ".join(written.split())
    if text.upper() in country_names():
        return text.upper()
    return _by_name().get(text.casefold())


@cache
def _by_name() -> dict[str, str]:
    names = {name.casefold(): code for code, name in country_names().items()}
    # "Congo (Dem. Rep.)" and "Britain (UK)": what is in the brackets, and what is before them if only one has it.
    more: dict[str, list[str]] = {}
    for code, name in country_names().items():
        head, _, tail = name.partition(" (")
        for part in (head, tail.rstrip(")")) if tail else ():
            more.setdefault(part.casefold(), []).append(code)
    return {part: codes[0] for part, codes in more.items() if len(codes) == 1} | names
