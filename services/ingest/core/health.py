"""What is known of a feed between two polls, and how a poll changes it. Knows no clock and no store."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, NamedTuple

from services.ingest.core.entry import Hints
from services.ingest.core.moving import Whereabouts, is_gone
from services.ingest.core.moving import after_failure as whereabouts_after_failure
from services.ingest.core.rhythm import Rhythm, is_silent
from services.ingest.core.trust import Trust
from shared.events import FeedCondition

Kind = Literal["hard", "soft", "temporary"]
"""hard: only a person can mend it; soft: it may mend itself; temporary: it most likely will."""

WEIGHTS: Final[dict[Kind, float]] = {"hard": 1.0, "soft": 0.5, "temporary": 0.25}
BAD_FROM = 1.0


@dataclass(frozen=True, slots=True)
class FeedState:
    """A feed's validators, pace and health.

    The validators and `body_hash` belong to the last document of which every report was published. `last_error` is
    in plain words, None while all is well; `fault` is its short name. `trouble` weighs the failures in a row.
    `interval` is the pace in seconds. `wrong` and `advice` are for whoever runs this installation. `health` is what
    the last event on the feed's health said.
    """

    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    title: str | None = None
    entries: int = 0
    notes: tuple[str, ...] = ()
    left_out: str | None = None
    read_day: int | None = None
    failures: int = 0
    trouble: float = 0.0
    last_error: str | None = None
    fault: str | None = None
    last_status: int | None = None
    last_poll: datetime | None = None
    last_success: datetime | None = None
    last_new: datetime | None = None
    last_push: datetime | None = None
    next_poll: datetime | None = None
    interval: float | None = None
    hints: Hints = field(default_factory=Hints)
    rhythm: Rhythm = field(default_factory=Rhythm)
    trust: Trust = field(default_factory=Trust)
    where: Whereabouts = field(default_factory=Whereabouts)
    health: FeedCondition = "well"
    health_since: datetime | None = None
    wrong: str | None = None
    advice: str | None = None

    @property
    def is_well(self) -> bool:
        return self.last_error is None

    @property
    def is_new(self) -> bool:
        """Whether no document of it was ever read."""
        return self.read_day is None


def after_success(state: FeedState, now: datetime, *, status: int, published: int) -> FeedState:
    """Return the state after a poll that went well; the validators are set by whoever has them."""
    return replace(
        state,
        failures=0,
        trouble=0.0,
        last_error=None,
        fault=None,
        last_status=status,
        last_poll=now,
        last_success=now,
        last_new=now if published else state.last_new,
    )


def after_failure(
    state: FeedState, now: datetime, *, reason: str, fault: str, status: int | None, kind: Kind
) -> FeedState:
    """Return the state after a poll that failed: what was known of the last good document stays.

    A temporary failure is tried again soon: what is found sooner than at the feed's pace is no further trouble.
    """
    pause = (now - state.last_poll).total_seconds() if state.last_poll else None
    again = kind == "temporary" and state.failures > 0 and pause is not None and pause < (state.interval or 0)
    return replace(
        state,
        failures=state.failures + 1,
        trouble=state.trouble + (0 if again else WEIGHTS[kind]),
        last_error=reason,
        fault=fault,
        last_status=status,
        last_poll=now,
        where=whereabouts_after_failure(state.where, status=status, temporary=kind == "temporary", now=now),
    )


class Diagnosis(NamedTuple):
    """How a feed is doing; what is wrong and what can be done, in plain words."""

    condition: FeedCondition
    wrong: str | None = None
    advice: str | None = None


_ADVICE = {
    "password": "set the user and password that it wants in the feed list, or remove it",
    "refused": "ask those who run it to let our User-Agent in, or look for another address of it",
    "wall": "ask those who run it to let feed readers past their robot check, or look for another address of it",
    "missing": "look on its site for the address it has now, and put that in the feed list",
    "gone": "remove it from the feed list, or look on its site for another one",
    "busy": "nothing: we come less often now; if it stays, give the feed a longer interval",
    "server": "nothing for now, it is tried again; if it stays, tell those who run it",
    "connection": "nothing for now, it is tried again; if it stays, check the address and the network",
    "dns": "nothing for now, it is tried again; if it stays, check the spelling of the address",
    "certificate": "tell those who run it; their certificate has to be renewed",
    "forbidden": "if this address is meant, open its network with TOCSIN_ALLOW_HOSTS",
    "size": "raise TOCSIN_MAX_FEED_BYTES, or look for a shorter feed of the same source",
    "file": "check the path and its permissions; it is relative to the feed list",
    "redirects": "open the address in a browser and put the last address you see in the feed list",
    "document": "open the address in a browser: if it shows a page, put the address of the page's feed in the list",
    "long": "nothing, if those are all that is new; else look for a shorter feed of the same source",
    "http": "tell those who run it; nothing can be done here",
}


def diagnose(state: FeedState, now: datetime) -> Diagnosis:
    """Return how a feed is doing. One failure that may mend itself does not make it bad, unless it never worked."""
    if state.last_error:
        advice = _ADVICE.get(state.fault or "")
        if is_gone(state.where, now):
            return Diagnosis(
                "bad", "the feed is gone for good: it has said so for days (410)", _ADVICE["gone"]
            )
        is_bad = state.trouble >= BAD_FROM or state.last_success is None
        return Diagnosis("bad" if is_bad else _calm(state, now), state.last_error, advice)
    if is_silent(state.rhythm, now):
        return Diagnosis(
            "silent",
            f"nothing new since {state.rhythm.last_entry:%Y-%m-%d}, which is long for this feed",
            "look on its site: it may have moved to another address, or have ended",
        )
    return Diagnosis("well", state.left_out, _remark(state) or (_ADVICE["long"] if state.left_out else None))


def _calm(state: FeedState, now: datetime) -> FeedCondition:
    return "silent" if is_silent(state.rhythm, now) else "well"


def _remark(state: FeedState) -> str | None:
    if state.where.address:
        return f"it has moved for good: put {state.where.address} in the feed list"
    if state.where.target and not state.where.same:
        return f"it redirects to {state.where.target}, where other entries are: check that this is still the feed"
    if state.trust.is_lost:
        return 'its server says "unchanged" when it is not, so it is always asked for the whole document'
    return None
