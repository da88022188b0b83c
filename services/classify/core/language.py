"""Tell which of the Latin-script languages a report is written in, by its function words.

What a feed says of its language is often a platform's default, so the words decide, and the feed only
where there are too few of them.
"""

from collections.abc import Iterable

from shared.matching.text import Text

LATIN = frozenset({"en", "fr", "es"})
"""The languages that share a script and so can be taken for each other."""

NATIVE = {language: LATIN - {language} for language in LATIN}
FOREIGN = frozenset({frozenset[str](), *NATIVE.values()})
"""The sets of languages that a report may be known not to be written in."""

_READ = 300
_ENOUGH = 2
_WORDS = {
    "en": "the of and to for with that was from has have after said by at as it were will not its over is are",
    "fr": "le les des du et dans une pour sur est au aux par qui ses plus avec sont ont ete cette apres leur",
    "es": "el los las del y una por con para se su al lo como mas fue sus esta ha han pero este entre",
}
_LANGUAGE = {word.encode(): language for language, words in _WORDS.items() for word in words.split()}


def foreign_languages(report: Text, declared: str | None) -> frozenset[str]:
    """The Latin-script languages that a report is not written in; none if that cannot be told."""
    return NATIVE.get(latin_language(report, declared) or "", frozenset())


def latin_language(report: Text, declared: str | None) -> str | None:
    """`en`, `fr` or `es`, from the first 300 words; None if it is none of them or cannot be told."""
    title = report.title.first_forms(_READ)
    return _clear_winner([*title, *report.text.first_forms(_READ - len(title))]) or _believable(declared)


def _clear_winner(words: Iterable[bytes]) -> str | None:
    found = list(filter(None, map(_LANGUAGE.get, words)))
    (second, _), (first, language) = sorted((found.count(each), each) for each in _WORDS)[-2:]
    return language if first >= max(_ENOUGH, 2 * second) else None


def _believable(declared: str | None) -> str | None:
    language = (declared or "").lower().partition("-")[0]
    # English is what platforms say when nobody has told them.
    return language if language in LATIN - {"en"} else None
