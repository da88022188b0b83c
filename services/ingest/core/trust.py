"""Can a server's "unchanged" be believed? Some send the same validators with another document. Knows no clock."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

PROBE_AFTER = timedelta(days=3)
PROOFS = 3


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known of a server's honesty.

    `proofs` counts the times that it told a change by itself, or that a probe found none; `last_full` is when it
    last sent the whole document; `lying_since` is when it was caught, and not asked conditionally any more.
    """

    proofs: int = 0
    last_full: datetime | None = None
    lying_since: datetime | None = None

    @property
    def is_proved(self) -> bool:
        return self.proofs >= PROOFS

    @property
    def is_lost(self) -> bool:
        return self.lying_since is not None


def is_probe_due(trust: Trust, now: datetime) -> bool:
    """Return whether to ask once without conditions: at most every three days, never a server that proved honest."""
    if trust.is_proved or trust.is_lost or trust.last_full is None:
        return False
    return now - trust.last_full >= PROBE_AFTER


@dataclass(frozen=True, slots=True)
class Answer:
    """What counts of an answer: how it was asked for, and what came."""

    conditional: bool
    probe: bool
    full: bool
    same_validators: bool
    news: bool


def after_answer(trust: Trust, answer: Answer, now: datetime) -> Trust:
    """Return what is known of the server now."""
    if answer.probe and answer.full:
        if answer.news and answer.same_validators:
            return replace(trust, last_full=now, lying_since=now)
        return replace(trust, last_full=now, proofs=trust.proofs + 1)
    if answer.full:
        proof = answer.conditional and answer.news and not answer.same_validators
        return replace(trust, last_full=now, proofs=trust.proofs + proof)
    return trust
