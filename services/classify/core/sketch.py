"""A report's title and lead as a few numbers that near reports share: MinHash.

Each word gives 32 numbers; the smallest of each over all words is the sketch. The share of places in which two sketches
are equal is about the share of words that two reports have in common. Places are paired into bands: reports that have
much in common have a band in common, and so find each other without being compared with all the rest.
"""

import hashlib
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from shared.matching.text import Text

SIZE = 32
BANDS = 16
LEAD = 45
"""Words of the text that are looked at."""
SHORTEST = 4
STEM = 6
"""Letters of a word that are looked at: endings differ, the happening does not."""
FEWEST = 4
AGREEMENT = 12
AGREEMENT_OF_FEW = 18
FEW = 10
NEAR = 20
"""Places that agree of two reports that are nearly the same."""

_NUMBERS = struct.Struct(f"<{SIZE}H")


class Sketch(NamedTuple):
    """What a report is compared by. `value` is 4 hex digits for each of 32 places; empty if there are too few words."""

    value: str = ""
    agreement: int = SIZE
    """The places that must agree for two reports to be of one story."""

    @property
    def bands(self) -> tuple[str, ...]:
        """The parts that near reports share; none if there are too few words to tell."""
        width = len(self.value) // BANDS
        return tuple(f"{n}:{self.value[n * width : (n + 1) * width]}" for n in range(BANDS)) if width else ()


def sketch_of(report: Text) -> Sketch:
    """The sketch of a report's title and lead."""
    words = _features([*report.title.forms, *map(bytes.decode, report.text.first_forms(LEAD))])
    if len(words) < FEWEST:
        return Sketch()
    smallest = tuple(map(min, zip(*map(_numbers, words), strict=True)))
    agreement = AGREEMENT if len(words) >= FEW else AGREEMENT_OF_FEW
    return Sketch("".join(f"{number:04x}" for number in smallest), agreement)


def _features(forms: Iterable[str]) -> set[str]:
    return {form[:STEM] for form in forms if len(form) >= SHORTEST or form.isdigit()} - _EVERYWHERE


# A kilobyte each.
@lru_cache(maxsize=8_000)
def _numbers(word: str) -> tuple[int, ...]:
    return _NUMBERS.unpack(hashlib.blake2b(word.encode()).digest())


_COMMON = """
that this with from have been were will which their they them said says after before about over more than into when
would could also other there where while some what news live update updates breaking latest
dans pour avec sont cette mais plus selon apres etre leur leurs nous vous comme deux entre
para como este esta pero segun entre desde sobre tras dijo anos contra
после через который которая которые также этого были было будет чтобы заявил сообщил года году
після через який яка які також цього було буде щоби заявив повідомив року році
"""
_EVERYWHERE = frozenset(word[:STEM] for word in _COMMON.split())
