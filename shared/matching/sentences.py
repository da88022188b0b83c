"""Where the sentences of a text end: at . ! ? … ؟ before white space, and at blank lines."""

import re
from collections import defaultdict

# What stands between words in most texts, one character for another, so that offsets stay true.
_PLAIN = tuple(zip("_ʼ’‘“”–—\xa0…۔؟\x1e\x7f", " '''\"\"-- !!? -", strict=True))
CUT = "\x1e"
"""Stands at each sentence's end, between words."""
# After a stop, what it ends is marked already.
_BLANK_LINE = re.compile(rf"\n(?<!{CUT}\n)(?<!{CUT}[\"'»)]\n)(\s*\n)")
_ABBREVIATIONS = """
    dr mr mrs ms st gen lt col maj sgt capt rep sen gov prof rev hon no vs approx jr sr inc ltd co corp
    jan feb mar apr jun jul aug sep sept oct nov dec mme mm sra ee uu ул им тыс тис млн млрд ст см стр
"""


def _not_after(abbreviations: str) -> str:
    by_length: dict[int, list[str]] = defaultdict(list)
    for word in abbreviations.split():
        by_length[len(word)].append(word)
    return "".join(rf"(?<!\b(?i:{'|'.join(words)})\.)" for words in by_length.values())


# Of the first plane: what lies beyond it no news is written in.
_SMALL = "".join(filter(str.islower, map(chr, range(0x10000))))
# Stops are taken from the first of a row: a page of dots costs no more than its length.
_AFTER_STOP = rf"[.!?]*[\"'»)\]]*(?:\[\d+\])*\s+[^\s{_SMALL}]"
# Each begins with one plain character: the search then jumps from one to the next.
_STOPS = {mark: re.compile(rf"\{mark}(?<![.!?{CUT}]\{mark})(?={_AFTER_STOP})") for mark in "!?"}
# Most stand after a word that ends like no abbreviation: that is soon seen.
_LIKE_NONE = "|".join(
    rf"(?<=[a-z]{{{letters}}}\.)(?<!(?:{'|'.join(sorted(endings))})\.)"
    for letters in (4, 3)
    if (endings := {word[-letters:] for word in _ABBREVIATIONS.split() if len(word) >= letters})
)
_PLAINLY = rf"(?=[ \n]+[A-Z\"'])(?:{_LIKE_NONE})"
_STOPS["."] = re.compile(
    rf"\.(?:{_PLAINLY}|(?=[\s.!?\"'»)\]\[])(?<![.!?{CUT}]\.)"
    rf"(?:(?=[.!?])|(?<!\b[^\W\d]\.){_not_after(_ABBREVIATIONS)})(?={_AFTER_STOP}))"
)
# A footnote's number is part of the sentence before.
_FOOTNOTES = re.compile(rf"{CUT}([.!?]*[\"'»)\]]*(?:\[\d+\])+)")


def plain(original: str) -> str:
    """The text with one kind of quotes, dashes and stops, each in its place."""
    for curled, straight in _PLAIN:
        original = original.replace(curled, straight)
    return original


def marked(plain_text: str) -> str:
    """A plain text with a mark at each sentence's end but the last one's."""
    text = plain_text
    for mark, stop in _STOPS.items():
        if mark in text:
            text = stop.sub(mark + CUT, text)
    if "[" in text:
        text = _FOOTNOTES.sub(rf"\1{CUT}", text)
    return _BLANK_LINE.sub(rf"\n{CUT}\1", text) if "\n" in text else text
