"""What a feed gives, before it is ours."""

from dataclasses import dataclass
from datetime import datetime


class UnreadableDocument(ValueError):
    """A document that is no feed, or a feed of which nothing can be read. The message says what it is."""


@dataclass(frozen=True, slots=True)
class Words:
    """A text of the feed; `html` says whether tags in it are markup or are meant literally."""

    value: str
    html: bool = True


@dataclass(frozen=True, slots=True)
class Date:
    """A date as written, and the moment it means; None if it could not be understood."""

    written: str
    moment: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
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
class ParsedFeed:
    """A feed document read. `ttl` is in seconds; `mended` says what was wrong; `left_out` counts entries."""

    title: str = ""
    home_url: str | None = None
    language: str | None = None
    ttl: float | None = None
    entries: tuple[Entry, ...] = ()
    mended: str | None = None
    left_out: int = 0
