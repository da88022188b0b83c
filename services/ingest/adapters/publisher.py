"""Publish what is new or changed in a document: once, whoever else polls the same feed at the same time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from services.ingest.adapters.articles import Articles
from services.ingest.adapters.marks import Marks
from services.ingest.core.change import (
    PAGE,
    Change,
    Horizon,
    day_of,
    find_changes,
    find_pages,
    find_renamed,
    find_renewals,
    page_names,
    read_mark,
    sweep,
)
from services.ingest.core.draft import Draft
from services.ingest.core.feed import Feed
from shared import tracing
from shared.bus import Bus
from shared.entries import Marked
from shared.feeds import PUBLISHED

BATCH_REPORTS = 50
BATCH_CHARACTERS = 1_000_000


class Published(NamedTuple):
    """How many reports of a document were new, had changed, or had been seen before.

    `dates` are when the new ones were published, as far as the feed says so; `present` are the ids of all.
    """

    new: int = 0
    changed: int = 0
    known: int = 0
    dates: tuple[datetime, ...] = ()
    present: frozenset[str] = frozenset()


class Publisher:
    """Writes reports to the stream, and the marks that say so."""

    def __init__(self, marks: Marks, bus: Bus, articles: Articles) -> None:
        self._marks = marks
        self._bus = bus
        self._articles = articles

    async def publish(
        self, feed: Feed, drafts: Sequence[Draft], now: datetime, horizon: Horizon | None = None
    ) -> Published:
        """Return what was published of a document that was just read.

        Reports from behind the horizon that are not known are marked as seen, and not told.
        """
        pages = page_names(drafts)
        marks = await self._marks.of(feed.id, [draft.id for draft in drafts] + list(pages.values()))
        drafts, marks = await self._as_known(feed, drafts, pages, marks)
        told, untold = find_changes(drafts, marks, now, horizon)
        written = [change for batch in _batches(told) for change in await self._tell(feed, batch)]
        present = frozenset(draft.id for draft in drafts)
        today = day_of(now)
        named = find_pages(drafts, page_names(drafts), marks, today)
        await self._marks.renew(feed.id, find_renewals(marks, today) | untold | named)
        new = [change.draft for change in written if change.is_new]
        self._bus.counters.add("reports_published", len(new), kind="new")
        self._bus.counters.add("reports_published", len(written) - len(new), kind="changed")
        self._bus.counters.add("reports_too_old", len(untold))
        dates = tuple(draft.published_at for draft in new if draft.dated)
        return Published(len(new), len(written) - len(new), len(present & marks.keys()), dates, present)

    async def _as_known(
        self, feed: Feed, drafts: Sequence[Draft], pages: Mapping[str, str], marks: dict[str, bytes]
    ) -> tuple[Sequence[Draft], dict[str, bytes]]:
        """The reports under the ids that they were first told by, and the marks of those ids."""
        renamed = find_renamed(drafts, pages, marks)
        if not renamed:
            return drafts, marks
        marks = marks | await self._marks.of(feed.id, list(renamed.values()))
        renamed = {new: old for new, old in renamed.items() if old in marks}
        known = (draft.changed(id=renamed[draft.id]) if draft.id in renamed else draft for draft in drafts)
        return list({draft.id: draft for draft in known}.values()), marks

    async def _tell(self, feed: Feed, batch: list[Change]) -> list[Change]:
        """Those of a batch that nobody told before us."""
        if feed.full_text:
            # After the marks were compared: they are of the feed's own words.
            batch = [change._replace(draft=await self._completed(feed, change.draft)) for change in batch]
        done = await self._bus.publish_once([self._event(feed.id, change) for change in batch])
        return [change for change, was_first in zip(batch, done, strict=True) if was_first]

    async def _completed(self, feed: Feed, draft: Draft) -> Draft:
        report = await self._articles.complete(feed, draft.report)
        return draft.changed(text=report.text, notes=report.notes)

    async def forget_old(self, feed_id: str, present: Collection[str], now: datetime, last_read: int) -> None:
        """Drop the marks of entries long gone; `last_read` is the day of the document before this one."""
        marks = await self._marks.all_of(feed_id)
        # The mark of a page lives as long as that of its report.
        pages = {name for name, mark in marks.items() if read_mark(mark).fingerprint in present}
        present = {*present, *(name for name in pages if name.startswith(PAGE))}
        today = day_of(now)
        swept = sweep(marks, present, last_read, today)
        await self._marks.renew(
            feed_id, find_renewals({entry: marks[entry] for entry in swept.renew}, today - 1)
        )
        await self._marks.forget(feed_id, swept.forget)

    def _event(self, feed_id: str, change: Change) -> Marked:
        names, draft = self._bus.names, change.draft
        return Marked(
            key=names.seen(feed_id),
            field=draft.id,
            expected=change.seen,
            mark=str(change.mark),
            stream=names.published,
            fields={
                "type": PUBLISHED,
                "id": f"{draft.id}.{change.mark.revision}",
                "event": draft.event,
                **tracing.carried(),
            },
        )


def _batches(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Small enough that no batch holds up Redis, or fills the memory with encoded texts."""
    batch: list[Change] = []
    size = 0
    for change in changes:
        length = len(change.draft.event)
        if batch and (len(batch) >= BATCH_REPORTS or size + length > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(change)
        size += length
    if batch:
        yield batch
