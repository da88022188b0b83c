"""What is known of a feed between two polls, and how a poll changes it. Knows no clock and no store."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from services.ingest.core.change import day_of


@dataclass(frozen=True, slots=True)
class FeedState:
    """A feed's validators, pace and health. `last_error` is in plain words, None while all is well.

    The validators and `body_hash` belong to the last document of which every report was published.
    """

    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    title: str | None = None
    entries: int = 0
    notes: tuple[str, ...] = field(default=())
    read_day: int | None = None
    failures: int = 0
    last_error: str | None = None
    last_status: int | None = None
    last_poll: datetime | None = None
    last_success: datetime | None = None
    last_new: datetime | None = None
    next_poll: datetime | None = None

    @property
    def is_well(self) -> bool:
        return self.last_error is None


def after_success(state: FeedState, now: datetime, *, status: int, published: int) -> FeedState:
    """Return the state after a poll that went well; the validators are set by whoever has them."""
    return replace(
        state,
        failures=0,
        last_error=None,
        last_status=status,
        last_poll=now,
        last_success=now,
        last_new=now if published else state.last_new,
    )


def after_reading(
    state: FeedState, now: datetime, *, title: str, entries: int, notes: tuple[str, ...]
) -> FeedState:
    """Return the state after a document was read to the end."""
    return replace(state, title=title, entries=entries, notes=notes, read_day=day_of(now))


def after_failure(state: FeedState, now: datetime, *, reason: str, status: int | None) -> FeedState:
    """Return the state after a poll that failed: what was known of the last good document stays."""
    return replace(state, failures=state.failures + 1, last_error=reason, last_status=status, last_poll=now)
