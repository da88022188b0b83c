"""Tell which language a report is written in: by its letters, those in Latin script by their function words.

What a feed says of its language is often a platform's default, so the words decide, and the feed only
where there are too few of them.
"""

import re
from collections.abc import Iterable

from shared.matching.text import Text

LATIN = frozenset({"en", "fr", "es"})
CYRILLIC = frozenset({"uk", "ru"})
"""Languages that share a script and so can be taken for each other."""

NATIVE = {language: script - {language} for script in (LATIN, CYRILLIC) for language in script}
FOREIGN = frozenset({frozenset[str](), *NATIVE.values()})
"""The sets of languages that a report may be known not to be written in."""

_BEGINNING = 600
_ARABIC = re.compile("[\u0621-\u064a]{2}")
_CYRILLIC = re.compile("[\u0430-\u044f]{2}")
_UKRAINIAN = re.compile("[іїєґІЇЄҐ]")
_RUSSIAN = re.compile("[ыэъёЫЭЪЁ]")
_READINGS = ((100, 15, 5), (300, 2, 2))
"""Words that are read, those of one language among them that are enough, and how many times as many as of another."""
_WORDS = {
    "en": "the of and to for with that was from has have after said by at as it were will not its over is are",
    "fr": "le les des du et dans une pour sur est au aux par qui ses plus avec sont ont ete cette apres leur",
    "es": "el los las del y una por con para se su al lo como mas fue sus esta ha han pero este entre",
}
_LANGUAGE = {word.encode(): language for language, words in _WORDS.items() for word in words.split()}


def foreign_languages(report: Text, declared: str | None) -> frozenset[str]:
    """The languages of the same script that it is not written in: their words count for nothing in it."""
    language = None
    if not (report.title.is_latin and report.text.is_latin):
        language = _cyrillic_language(_beginning(report))
    return NATIVE.get(language or latin_language(report, declared) or "", frozenset())


def language_of(report: Text, declared: str | None) -> str | None:
    """One of the six languages: by script, then by the letters or words that only it has; None if it is another."""
    beginning = _beginning(report)
    if _ARABIC.search(beginning):
        return "ar"
    if _CYRILLIC.search(beginning):
        return _cyrillic_language(beginning) or "ru"
    return latin_language(report, declared) or "en"


def _beginning(report: Text) -> str:
    return f"{report.title.original} {report.text.original[:_BEGINNING]}"


def latin_language(report: Text, declared: str | None) -> str | None:
    """`en`, `fr` or `es`, from the first words; None if it is none of them or cannot be told."""
    for read, enough, times in _READINGS:
        title = report.title.first_forms(read)
        counts = _counts([*title, *report.text.first_forms(read - len(title))])
        (second, _), (first, language) = sorted(counts)[-2:]
        if first >= max(enough, times * second):
            return language
    return _believable(declared)


def _cyrillic_language(beginning: str) -> str | None:
    if _UKRAINIAN.search(beginning):
        return "uk"
    return "ru" if _RUSSIAN.search(beginning) else None


def _counts(words: Iterable[bytes]) -> list[tuple[int, str]]:
    found = list(filter(None, map(_LANGUAGE.get, words)))
    return [(found.count(language), language) for language in _WORDS]


def _believable(declared: str | None) -> str | None:
    language = (declared or "").lower().partition("-")[0]
    # English is what platforms say when nobody has told them.
    return language if language in LATIN - {"en"} else None
