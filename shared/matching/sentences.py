"""Where the sentences of a text end: at . ! ? … ؟ before white space, and at blank lines."""

import re
from collections import defaultdict

# What stands between words in most texts, one character for another, so that offsets stay true.
_PLAIN = tuple(zip("_ʼ’‘“”–—\xa0…۔؟", " '''\"\"-- !!?", strict=True))
_BLANK_LINE = re.compile(r"\n\s*\n")
_ABBREVIATIONS = """
    dr mr mrs ms st gen lt col maj sgt capt rep sen gov prof rev hon no vs approx jr sr inc ltd co corp
    jan feb mar apr jun jul aug sep sept oct nov dec mme mm sra ee uu ул им тыс тис млн млрд ст см стр
"""


def _not_after(abbreviations: str) -> str:
    by_length: dict[int, list[str]] = defaultdict(list)
    for word in abbreviations.split():
        by_length[len(word)].append(word)
    return "".join(rf"(?<!\b(?i:{'|'.join(words)})\.)" for words in by_length.values())


# Stops are taken from the first of a row: a page of dots costs no more than its length.
_AFTER_STOP = r"[.!?]*[\"'»)\]]*(?:\[\d+\])*(?=\s+([^\sa-z]))"
# Each begins with one plain character: the search then jumps from one to the next.
_STOPS = {mark: re.compile(rf"\{mark}(?<![.!?]\{mark}){_AFTER_STOP}") for mark in "!?"}
# Most stand after a word that is too long for an abbreviation: that is soon seen.
_PLAINLY = r"(?=[ \n]+[A-Z\"'])(?<=[a-z]{4}\.)(?<!(?:prof|sept|corp|prox)\.)"
_STOPS["."] = re.compile(
    rf"\.(?:{_PLAINLY}|(?=[\s.!?\"'»)\]\[])(?<![.!?]\.)"
    rf"(?:(?=[.!?])|(?<!\b[^\W\d]\.){_not_after(_ABBREVIATIONS)}){_AFTER_STOP})"
)


def plain(original: str) -> str:
    """The text with one kind of quotes, dashes and stops, each in its place."""
    for curled, straight in _PLAIN:
        original = original.replace(curled, straight)
    return original


def breaks(plain_text: str) -> list[int]:
    """Where the sentences of a plain text end, in order; the last one has no break."""
    # The pattern knows the small letters of ASCII.
    is_ascii = plain_text.isascii()
    ends = {
        match.end()
        for mark, stop in _STOPS.items()
        if mark in plain_text
        for match in stop.finditer(plain_text)
        if is_ascii or not (match[1] or "A").islower()
    }
    if "\n" in plain_text:
        # Before a blank line there often is a stop: between the two is no sentence.
        ends.update(match.end() for match in _BLANK_LINE.finditer(plain_text) if match.start() not in ends)
    return sorted(ends)
