"""A feed that says it has moved, or is gone: believed when it keeps saying so. Knows no clock."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

SEEN_OFTEN = 5
SEEN_FOR = timedelta(days=3)
GONE_OFTEN = 3
GONE_FOR = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a feed is. `address` is where it has moved to for good, None while it is where the feed list says.

    `target` is where it redirects to permanently, seen `seen` times since `since`; `same` is whether what was found
    there is the same feed. `gone_since` and `gone_seen` tell of answers 410.
    """

    address: str | None = None
    target: str | None = None
    since: datetime | None = None
    seen: int = 0
    same: bool = False
    gone_since: datetime | None = None
    gone_seen: int = 0


def after_answer(where: Whereabouts, target: str | None, *, same: bool, now: datetime) -> Whereabouts:
    """Return where the feed is after an answer that came by permanent redirects from `target`, or directly (None).

    The address is changed when the target stayed the same for three days and five polls, and the first document
    found there had entries in common with the one before: a page for a few days of maintenance has not.
    """
    where = replace(where, gone_since=None, gone_seen=0)
    if target is None:
        return replace(where, target=None, since=None, seen=0, same=False)
    if target != where.target:
        return replace(where, target=target, since=now, seen=1, same=same)
    where = replace(where, seen=where.seen + 1)
    lasting = where.since is not None and now - where.since >= SEEN_FOR and where.seen >= SEEN_OFTEN
    if lasting and where.same:
        return Whereabouts(address=target)
    return where


def after_failure(where: Whereabouts, *, status: int | None, temporary: bool, now: datetime) -> Whereabouts:
    """Return where the feed is after a poll that failed: a new address that fails is given up for the old one."""
    if status == 410 and where.address is None:
        return replace(where, gone_since=where.gone_since or now, gone_seen=where.gone_seen + 1)
    return where if temporary else replace(where, address=None)


def is_gone(where: Whereabouts, now: datetime) -> bool:
    """Return whether 410 was answered often enough, over days, to be meant."""
    return (
        where.gone_since is not None and where.gone_seen >= GONE_OFTEN and now - where.gone_since >= GONE_FOR
    )
