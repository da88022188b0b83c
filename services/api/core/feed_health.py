"""How a feed is doing, in plain words, from what ingest keeps about it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from services.api.core.wording import ago
from shared.events import Moment

Condition = Literal["well", "failing", "silent", "waiting", "off"]


class FeedHealth(BaseModel):
    """One feed as api shows it."""

    model_config = ConfigDict(frozen=True)

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
    """Return a feed's health. `state` may be empty or hold what we do not know: a bad value is as none."""
    enabled = bool(configured.get("enabled", True))
    error = state.get("last_error") or None
    return FeedHealth(
        id=str(configured["id"]),
        title=str(configured.get("title") or state.get("title") or configured["url"]),
        url=str(configured["url"]),
        enabled=enabled,
        condition=_condition(enabled, error, state),
        entries=_number(state.get("entries")) or 0,
        failures=_number(state.get("failures")) or 0,
        last_success=_moment(state.get("last_success")),
        last_new=_moment(state.get("last_new")),
        next_poll=_moment(state.get("next_poll")),
        interval=_seconds(state.get("interval")),
        wrong=state.get("wrong") or None,
        advice=state.get("advice") or None,
        last_error=error,
        last_status=_number(state.get("last_status")),
    )


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
    return f"read {ago(feed.last_success, now)}" if feed.last_success else "read"


def why_empty(feeds: Sequence[FeedHealth]) -> str:
    """Return why there is no report yet."""
    if not feeds:
        return "Waiting for the first poll: ingest has not listed its feeds yet."
    if all(feed.condition in ("waiting", "off") for feed in feeds):
        return f"Waiting for the first poll of {len(feeds)} feeds."
    if any(feed.condition == "well" for feed in feeds):
        return "Feeds have been read, and their reports are being tagged."
    return "Every feed polled so far has failed: see the status page for the reasons."


def _condition(enabled: bool, error: str | None, state: Mapping[str, str]) -> Condition:
    if not enabled:
        return "off"
    if error:
        return "failing"
    if state.get("health") == "silent":
        return "silent"
    return "well" if state.get("last_success") else "waiting"


def _number(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() else None


def _seconds(value: str | None) -> float | None:
    try:
        return float(value) if value else None
    except ValueError:
        return None


def _moment(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
