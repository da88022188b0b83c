"""The form of a word: what phrases are compared with. Two words with the same form are the same word to every phrase.

NFKC, casefold, without Latin accents, Arabic vowel marks and the Arabic article; its length may differ from the word's.
"""

import re
import unicodedata
from functools import lru_cache

MARKS = "\u0300-\u036f\u0483-\u0487\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"
HIDDEN = "\u00ad\u200b-\u200d\u2060\ufeff"
"""Marks that are part of a word, and those that nobody sees, as ranges of a regular expression."""
_PART_OF_A_WORD = re.compile(rf"[\w{MARKS}]")
_UNSEEN = re.compile(rf"[{HIDDEN}'’`.]")
MOST_REMEMBERED = 100_000
LONGEST_REMEMBERED = 40
"""Words whose forms are remembered, and letters of the longest."""
_ARABIC = re.compile("[\u0600-\u06ff]")
_ARABIC_LETTERS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ـ": None})
_ARABIC_ARTICLES = ("وال", "بال", "كال", "فال", "ولل", "ال", "لل", "و")
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "ё": "е"})


def form_of(word: str) -> str:
    """The form of one word."""
    if word.isascii():
        return word.lower().replace(".", "")
    return _remembered(word) if len(word) <= LONGEST_REMEMBERED else _folded(word)


@lru_cache(maxsize=MOST_REMEMBERED)
def form_of_letter(letter: str) -> str:
    """One ASCII character, as large as the letter, a space for what is none; NUL where its form is not one."""
    form = form_of(letter) if _PART_OF_A_WORD.match(letter) else " "
    if len(form) != 1 or not form.isascii():
        return "\0"
    return form.upper() if letter.isupper() else form


def _folded(word: str) -> str:
    folded = "".join(unicodedata.normalize("NFKC", _UNSEEN.sub("", word)).casefold().split())
    if _ARABIC.search(folded):
        return _without_article("".join(filter(str.isalnum, folded)).translate(_ARABIC_LETTERS)) or folded
    return _without_accents(folded).translate(_LETTERS) or word


_remembered = lru_cache(maxsize=MOST_REMEMBERED)(_folded)


def _without_accents(word: str) -> str:
    return "".join(map(_without_accent, unicodedata.normalize("NFC", word)))


def _without_accent(letter: str) -> str:
    # Of Latin letters only: й and ї are letters of their own.
    if "\u0300" <= letter <= "\u036f":
        return ""
    is_latin = letter < "\u0300" or "\u1e00" <= letter <= "\u1eff"
    return unicodedata.normalize("NFD", letter)[0] if is_latin else letter


def _without_article(word: str) -> str:
    for article in _ARABIC_ARTICLES:
        if word.startswith(article) and len(word) - len(article) >= 3 + (article == "و"):
            return word[len(article) :]
    return word
