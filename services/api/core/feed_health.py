"""A feed as it may be asked for, and how one is doing, in plain words, from what ingest keeps about it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
)

from services.api.core.wording import ago
from shared.endpoints import Strict
from shared.events import Frozen, Moment

Condition = Literal["well", "failing", "silent", "waiting", "off"]


class FeedHealth(Frozen):
    """One feed as api shows it."""

    id: str
    title: str
    url: str
    enabled: bool = True
    condition: Condition = "waiting"
    entries: int = 0
    failures: int = 0
    last_success: Moment | None = None
    last_new: Moment | None = None
    next_poll: Moment | None = None
    interval: float | None = None
    """Its pace: seconds between two polls."""
    wrong: str | None = None
    advice: str | None = None
    last_error: str | None = None
    last_status: int | None = None


def read_feed(configured: Mapping[str, Any], state: Mapping[str, str]) -> FeedHealth:
    """Return a feed's health. `state` may be empty or hold what we do not know: then it is as none."""
    enabled = bool(configured.get("enabled", True))
    known = {name: value for name, value in state.items() if value}
    about = {
        "id": str(configured["id"]),
        "url": str(configured["url"]),
        "title": str(configured.get("title") or known.get("title") or configured["url"]),
        "enabled": enabled,
    }
    try:
        feed = FeedHealth.model_validate(known | about)
    except ValidationError:
        feed = FeedHealth.model_validate(about)
    return feed.model_copy(update={"condition": _condition(feed, known.get("health"))})


def in_words(feed: FeedHealth, now: datetime) -> str:
    """Return what is the matter, and what happens next."""
    later = f"; next try {ago(feed.next_poll, now)}" if feed.next_poll else ""
    if feed.condition == "off":
        return "switched off in the feed list"
    if feed.condition == "waiting":
        return "not polled yet"
    if feed.condition == "failing":
        times = f"failed {feed.failures} times in a row" if feed.failures > 1 else "the last poll failed"
        what_to_do = f". What to do: {feed.advice}" if feed.advice else ""
        return f"{times}: {feed.last_error}{later}{what_to_do}"
    if feed.condition == "silent":
        return f"{feed.wrong or 'nothing new for long'}: {feed.advice or 'look on its site'}"
    read = f"read {ago(feed.last_success, now)}" if feed.last_success else "read"
    return f"{read}; {feed.wrong}" if feed.wrong else read


def why_empty(feeds: Sequence[FeedHealth]) -> str:
    """Return why there is no report yet."""
    if not feeds:
        return "Waiting for the first poll: ingest has not listed its feeds yet."
    if all(feed.condition in ("waiting", "off") for feed in feeds):
        return f"Waiting for the first poll of {len(feeds)} feeds."
    if any(feed.condition == "well" for feed in feeds):
        return "Feeds have been read, and their reports are being tagged."
    return "Every feed polled so far has failed: see the status page for the reasons."


def _condition(feed: FeedHealth, health: str | None) -> Condition:
    if not feed.enabled:
        return "off"
    if feed.last_error:
        return "failing"
    if health == "silent":
        return "silent"
    return "well" if feed.last_success else "waiting"


def _is_one_line(title: str) -> str:
    if not title.isprintable():
        raise ValueError("must be one line of text")
    return title


class NewFeed(Strict):
    """A feed to watch. `url` is the feed's address, or that of a page that names its feed."""

    url: str = Field(max_length=2048, examples=["https://news.example.org/rss.xml"])
    title: Annotated[str, AfterValidator(_is_one_line)] | None = Field(
        default=None, min_length=1, max_length=200
    )
    interval: float | None = Field(
        default=None, ge=60, le=2_592_000, description="Seconds between two polls."
    )
    full_text: bool = Field(
        default=False, description="Fetch each new entry's page and take the article's text."
    )
