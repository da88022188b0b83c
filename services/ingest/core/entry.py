"""What a feed gives, before it is ours."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

MAX_ENTRIES = 500
MAX_AUTHORS = 20


class UnreadableDocument(ValueError):
    """A document that is no feed, or a feed of which nothing can be read. The message says what it is.

    `is_page` says whether it is a web page, `announced` which feeds it names as its own.
    """

    def __init__(self, message: str, announced: tuple[str, ...] = (), *, is_page: bool = False) -> None:
        super().__init__(message)
        self.reason = message
        self.announced = announced
        self.is_page = is_page


class Words(NamedTuple):
    """A text of the feed; `html` says whether tags in it are markup or are meant literally."""

    value: str
    html: bool = True


class Date(NamedTuple):
    """A date as written, and the moment it means; None if it could not be understood."""

    written: str
    moment: datetime | None


class Entry(NamedTuple):
    """An item as the feed gives it. `key` is its identity within the feed."""

    key: str = ""
    id: str | None = None
    link: str | None = None
    title: Words = Words("")
    summary: Words | None = None
    content: Words | None = None
    authors: tuple[str, ...] = ()
    published: Date | None = None
    updated: Date | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Hints:
    """What a feed says of itself to those who poll it.

    `ttl` and `period` (sy:updatePeriod divided by sy:updateFrequency) are in seconds. `skip_hours` are hours of
    the day in UTC, `skip_days` days of the week with Monday 0. `hubs` are WebSub hubs, `self_url` is their topic.
    """

    ttl: float | None = None
    period: float | None = None
    skip_hours: frozenset[int] = frozenset()
    skip_days: frozenset[int] = frozenset()
    hubs: tuple[str, ...] = ()
    self_url: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A feed document read. `mended` says what was wrong, `left_out` how many entries are not here and which."""

    title: str = ""
    home_url: str | None = None
    language: str | None = None
    hints: Hints = Hints()
    entries: tuple[Entry, ...] = ()
    mended: str | None = None
    left_out: str | None = None
