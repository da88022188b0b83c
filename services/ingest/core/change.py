"""Is a report new, changed or known? Knows no store: what was seen comes in as the marks that were left.

A mark is "revision fingerprint day": the last revision published (0 if it was seen but was too old to be told),
what it said, and the day (since 1970) on which the entry was last in the feed. A page has a mark as well, whose
fingerprint is the id of its report: so an entry is known whose guid has changed.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from services.ingest.core.draft import Draft
from services.ingest.core.identity import is_own_page
from services.ingest.core.meaning import digest, meaning_of, same_page

KEPT_DAYS = 30
PAGE = "page:"

Field = Literal["title", "text", "url"]
_FIELDS: tuple[Field, ...] = ("title", "text", "url")


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


def fingerprint(title: str, text: str, url: str | None) -> str:
    """Return digests of what title, text and link mean. Dates do not count: some feeds touch them daily."""
    return ".".join(map(digest, (meaning_of(title), meaning_of(text), same_page(url or ""))))


def page_name(url: str | None) -> str:
    """Return the name of the mark of a report's page; empty for the address of a site or of a list."""
    return PAGE + digest(same_page(url)) if url and is_own_page(url) else ""


def changed_fields(before: str, after: str) -> tuple[Field, ...]:
    """Return which fields two fingerprints differ in."""
    old, new = before.split("."), after.split(".")
    if len(old) != len(new):
        return _FIELDS
    return tuple(name for name, was, is_now in zip(_FIELDS, old, new, strict=True) if was != is_now)


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


def sweep(marks: Mapping[str, bytes], present: Collection[str], last_read: int, today: int) -> Sweep:
    """Return which entries that left the feed are forgotten: those gone for more than 30 days.

    `last_read` is the day on which the document before this one was read. Whatever was in it has been in the
    feed until now, however old its mark is: a feed that stands still is not read again.
    """
    gone = {entry: read_mark(mark).day for entry, mark in marks.items() if entry not in present}
    just_left = [entry for entry, day in gone.items() if last_read <= day < today - 1]
    forgotten = [entry for entry, day in gone.items() if day < last_read and day < today - KEPT_DAYS]
    return Sweep(forgotten, just_left)


class Horizon(NamedTuple):
    """What was published before is old and not told as new: an `unseen` entry, or one seen but `untold` so far."""

    unseen: datetime
    untold: datetime


class Change(NamedTuple):
    """A draft to publish with its revision set, the mark it leaves, and the mark it must still find."""

    draft: Draft
    mark: Mark
    seen: bytes | None

    @property
    def is_new(self) -> bool:
        return self.mark.revision == 1


class Changes(NamedTuple):
    """What to tell, oldest first; and what only to mark, as id -> (mark as it is, mark to leave)."""

    told: list[Change]
    untold: dict[str, tuple[bytes, str]]


def find_changes(
    drafts: Iterable[Draft], marks: Mapping[str, bytes], now: datetime, horizon: Horizon | None = None
) -> Changes:
    """Return the reports that are new or changed against the marks; what is behind the horizon is not told as new."""
    told, untold, today = [], {}, day_of(now)
    for draft in drafts:
        seen = marks.get(draft.id)
        before = read_mark(seen) if seen is not None else Mark(0, "", 0)
        if before.fingerprint == draft.said:
            continue
        since = horizon and (horizon.unseen if seen is None else horizon.untold)
        if before.revision == 0 and since and draft.published_at < since:
            untold[draft.id] = (seen or b"", str(Mark(0, draft.said, today)))
            continue
        mark = Mark(before.revision + 1, draft.said, today)
        if before.revision:
            fields = changed_fields(before.fingerprint, draft.said)
            draft = draft.changed(revision=mark.revision, changed=fields)
        told.append(Change(draft, mark, seen))
    return Changes(sorted(told, key=lambda change: change.draft.published_at), untold)


def find_renewals(marks: Mapping[str, bytes], day: int) -> dict[str, tuple[bytes, str]]:
    """Return id -> (mark as it is, the same of this day) for those marks that are of an earlier day."""
    return {
        entry: (mark, str(read_mark(mark)._replace(day=day)))
        for entry, mark in marks.items()
        if read_mark(mark).day < day
    }


def page_names(drafts: Sequence[Draft]) -> dict[str, str]:
    """Return report id -> name of its page's mark, for the pages that only one report of the document has.

    The address of a site or of a list names no report: entries that share it are different ones.
    """
    shared = Counter(draft.page for draft in drafts)
    return {draft.id: draft.page for draft in drafts if draft.page and shared[draft.page] == 1}


def find_renamed(
    drafts: Sequence[Draft], pages: Mapping[str, str], marks: Mapping[str, bytes]
) -> dict[str, str]:
    """Return id -> id it was known by, for entries whose guid has changed while the page is the same.

    Not if the old id is still in the document: then these are two entries.
    """
    present = {draft.id for draft in drafts}
    found = {}
    for draft in drafts:
        page = marks.get(pages.get(draft.id, ""))
        if page is None or draft.id in marks:
            continue
        known_as = read_mark(page).fingerprint
        if known_as and known_as not in present:
            found[draft.id] = known_as
    return found


def find_pages(
    drafts: Iterable[Draft], pages: Mapping[str, str], marks: Mapping[str, bytes], day: int
) -> dict[str, tuple[bytes, str]]:
    """Return name -> (mark as it is, mark to leave) for pages that are not yet known as these reports'."""
    found = {}
    for draft in drafts:
        name = pages.get(draft.id)
        if name and (name not in marks or read_mark(marks[name]).fingerprint != draft.id):
            found[name] = (marks.get(name, b""), str(Mark(1, draft.id, day)))
    return found
