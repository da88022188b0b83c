"""Is a report new, changed or known? Knows no store: what was seen comes in as the marks that were left.

A mark is "revision fingerprint day": the last revision published, what it said, and the day (since 1970)
on which the entry was last in the feed.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from shared.events import Report

KEPT_DAYS = 30


class Revision(NamedTuple):
    """A revision to publish; 1 is a new report, more is a changed one."""

    number: int

    @property
    def is_new(self) -> bool:
        return self.number == 1


class Mark(NamedTuple):
    """What is remembered of an entry."""

    revision: int
    fingerprint: str
    day: int

    def __str__(self) -> str:
        return f"{self.revision} {self.fingerprint} {self.day}"


class Sweep(NamedTuple):
    """The ids of entries that have left the feed: whose mark to forget, and whose to renew as of yesterday."""

    forget: list[str]
    renew: list[str]


def fingerprint(report: Report) -> str:
    """sha256(title, text, url), 16 hex digits. Dates do not count: some feeds touch them daily."""
    parts = (report.title, report.text, report.url or "")
    return hashlib.sha256("\n".join(" ".join(part.split()) for part in parts).encode()).hexdigest()[:16]


def day_of(moment: datetime) -> int:
    """Return the day since 1970, in UTC."""
    return int(moment.timestamp() // 86400)


def read_mark(seen: bytes) -> Mark:
    """Return a mark; one that is not ours reads as a first revision that said something else."""
    try:
        revision, said, day = seen.decode().split(" ")
        return Mark(int(revision), said, int(day))
    except ValueError:
        return Mark(1, "", 0)


def revision_of(seen: bytes | None, said: str) -> Revision | None:
    """Return the revision that a report with this fingerprint is, or None if it is known already."""
    if seen is None:
        return Revision(1)
    mark = read_mark(seen)
    return None if mark.fingerprint == said else Revision(mark.revision + 1)


def sweep(marks: Mapping[str, bytes], present: Collection[str], last_read: int, today: int) -> Sweep:
    """Return which entries that left the feed are forgotten: those gone for more than 30 days.

    `last_read` is the day on which the document before this one was read. Whatever was in it has been in the
    feed until now, however old its mark is: a feed that stands still is not read again.
    """
    gone = {entry: read_mark(mark).day for entry, mark in marks.items() if entry not in present}
    just_left = [entry for entry, day in gone.items() if last_read <= day < today - 1]
    forgotten = [entry for entry, day in gone.items() if day < last_read and day < today - KEPT_DAYS]
    return Sweep(forgotten, just_left)


class Change(NamedTuple):
    """A report to publish with its revision set, the mark it leaves, and the mark it must still find."""

    report: Report
    mark: Mark
    seen: bytes | None

    @property
    def is_new(self) -> bool:
        return self.mark.revision == 1


def find_changes(reports: Iterable[Report], marks: Mapping[str, bytes], now: datetime) -> list[Change]:
    """Return the reports that are new or changed against the marks, oldest first, as readers expect them."""
    changes = []
    for report in reports:
        seen, said = marks.get(report.id), fingerprint(report)
        revision = revision_of(seen, said)
        if revision:
            told = report.model_copy(update={"revision": revision.number})
            changes.append(Change(told, Mark(revision.number, said, day_of(now)), seen))
    return sorted(changes, key=lambda change: change.report.published_at)


def find_renewals(marks: Mapping[str, bytes], day: int) -> dict[str, tuple[bytes, str]]:
    """Return id -> (mark as it is, the same of this day) for those marks that are of an earlier day."""
    return {
        entry: (mark, str(read_mark(mark)._replace(day=day)))
        for entry, mark in marks.items()
        if read_mark(mark).day < day
    }
