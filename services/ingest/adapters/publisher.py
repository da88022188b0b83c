"""Publish what is new or changed in a document: once, whoever else polls the same feed at the same time."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from services.ingest.adapters.feed_state import FeedStates
from services.ingest.core.change import Change, day_of, find_changes, find_renewals, sweep
from shared.bus import Bus, Marked
from shared.events import Report, published, published_fields

BATCH_REPORTS = 50
BATCH_CHARACTERS = 1_000_000


class Published(NamedTuple):
    """How many reports of a document were new, and how many had changed."""

    new: int = 0
    changed: int = 0


class Publisher:
    """Writes reports to the stream, and the marks that say so."""

    def __init__(self, states: FeedStates, bus: Bus) -> None:
        self._states = states
        self._bus = bus

    async def publish(self, feed_id: str, reports: Sequence[Report], now: datetime) -> Published:
        """Return what was published of a document that was just read."""
        marks = await self._states.marks(feed_id, [report.id for report in reports])
        new = changed = 0
        for batch in _batches(find_changes(reports, marks, now)):
            done = await self._bus.publish_once([self._marked(feed_id, change, now) for change in batch])
            written = [change for change, was_first in zip(batch, done, strict=True) if was_first]
            new += sum(change.is_new for change in written)
            changed += sum(not change.is_new for change in written)
        await self._states.renew(feed_id, find_renewals(marks, day_of(now)))
        self._bus.counters.add("reports_published", new, kind="new")
        self._bus.counters.add("reports_published", changed, kind="changed")
        return Published(new, changed)

    async def forget_old(self, feed_id: str, present: Collection[str], now: datetime, last_read: int) -> None:
        """Drop the marks of entries long gone; `last_read` is the day of the document before this one."""
        marks = await self._states.all_marks(feed_id)
        today = day_of(now)
        swept = sweep(marks, present, last_read, today)
        await self._states.renew(
            feed_id, find_renewals({entry: marks[entry] for entry in swept.renew}, today - 1)
        )
        await self._states.forget(feed_id, swept.forget)

    def _marked(self, feed_id: str, change: Change, now: datetime) -> Marked:
        names = self._bus.names
        return Marked(
            key=names.seen(feed_id),
            field=change.report.id,
            expected=change.seen,
            mark=str(change.mark),
            stream=names.published,
            fields=published_fields(published(change.report, now)),
        )


def _batches(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Small enough that no batch holds up Redis, or fills the memory with encoded texts."""
    batch: list[Change] = []
    size = 0
    for change in changes:
        length = len(change.report.text)
        if batch and (len(batch) >= BATCH_REPORTS or size + length > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(change)
        size += length
    if batch:
        yield batch
