"""The rulebook in use: read again when its files change or on SIGHUP, swapped whole; a broken edit changes nothing."""

import asyncio
import gc
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog
from redis.exceptions import RedisError

from services.classify.adapters.rulebook_files import (
    SHIPPED,
    RulebookError,
    catalogue,
    load_rulebook,
    topic_paths,
)
from services.classify.core.difference import Difference, Readable, differences, words_of
from services.classify.core.rulebook import Rulebook
from shared.bus import Bus
from shared.catalogue import (
    EditedReport,
    RulebookEdit,
    TopicEdit,
    write_catalogue,
    write_edit,
    write_problem,
)
from shared.events import Tag
from shared.report_store import ReportStore

log = structlog.get_logger()

GARBAGE_LOOK = 20_000
"""Things made and not yet gone, after which the collector looks for rings among them."""

LOOK_EVERY = 2.0
COMPARED, SHOWN = 1000, 10


class LiveRulebook:
    """`current` is what reports are tagged with; whoever has taken it keeps it to the end of his report."""

    def __init__(self, bus: Bus, folder: Path | None, *, look_every: float = LOOK_EVERY) -> None:
        """Load the rulebook; raise RulebookError if it is wrong now."""
        self._bus = bus
        self._folder = folder
        self._look_every = look_every
        self._asked = asyncio.Event()
        self._seen = self._files()
        self.current: Rulebook = load_rulebook(folder)

    async def announce(self) -> None:
        """Tell the others which topics there are, and that nothing is wrong."""
        # It lives long: looked at again and again, it would cost the collector more than all reports. Nor is what a
        # report becomes its business: hardly any of it is in a ring.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_LOOK)
        await write_catalogue(self._bus.redis, self._bus.names, catalogue(self.current, self._folder))
        await write_problem(self._bus.redis, self._bus.names, None)
        topics = [topic.id for topic in self.current.topics]
        log.info("rulebook", version=self.current.version, topics=topics)

    async def watch(self) -> None:
        """Read the files again whenever they have changed, and on SIGHUP; for ever."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._asked.set)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_every):
                    await self._asked.wait()
            files = self._files()
            if self._asked.is_set() or files != self._seen:
                self._asked.clear()
                with suppress(RedisError):
                    await self._reload()
                    self._seen = files

    async def _reload(self) -> None:
        before = self.current
        try:
            # In a thread: reports go on being tagged meanwhile, with the old one.
            self.current = await asyncio.to_thread(load_rulebook, self._folder)
        except RulebookError as e:
            log.error("rulebook kept", version=self.current.version, problems=str(e))
            # On pages for everybody: where it lies on this machine is for the log.
            told = str(e).replace(f"{self._folder or SHIPPED}/", "")
            await write_problem(self._bus.redis, self._bus.names, told)
        else:
            await self.announce()
            if self.current.version != before.version:
                await self._say_what_changed(before, self.current)

    async def _say_what_changed(self, before: Rulebook, after: Rulebook) -> None:
        store = ReportStore(self._bus.redis, self._bus.names)
        reports = [tagged.report async for tagged in store.scan(at_most=COMPARED)]
        found = await asyncio.to_thread(differences, reports, after, before)
        edit = RulebookEdit(
            before=before.version,
            after=after.version,
            at=datetime.now(UTC),
            reports=len(reports),
            topics=tuple(_topic_edit(topic, difference) for topic, difference in found.items()),
        )
        await write_edit(self._bus.redis, self._bus.names, edit)

    def _files(self) -> dict[str, tuple[int, int, int]]:
        folder = self._folder or SHIPPED
        with suppress(OSError):
            return {path.name: _stamp(path) for path in topic_paths(folder)}
        return {}


def _topic_edit(topic: str, difference: Difference) -> TopicEdit:
    return TopicEdit(
        topic=topic,
        gained=len(difference.gained),
        lost=len(difference.lost),
        newest_gained=_shown(difference.gained),
        newest_lost=_shown(difference.lost),
    )


def _shown(found: Sequence[tuple[Readable, Tag]]) -> tuple[EditedReport, ...]:
    return tuple(
        EditedReport(id=report.id, title=report.title, words=words_of(tag)) for report, tag in found[:SHOWN]
    )


def _stamp(path: Path) -> tuple[int, int, int]:
    with suppress(OSError):
        about = path.stat()
        return about.st_mtime_ns, about.st_size, about.st_ino
    return 0, 0, 0
