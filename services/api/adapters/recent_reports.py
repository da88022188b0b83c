"""The reports of the last days in memory, ready to be matched: for previews.

Filled from the stored reports at the start, then kept current from `reports.tagged.v1`. Only what a match needs is
kept: words in their normal form, facts without evidence; a text's bytes, and a little more.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from redis.exceptions import RedisError

from services.api.adapters.tagged_stream import TaggedStream
from services.api.core.preview import Preview, PreviewReport, PreviewWish, imagine, summed_up, terms_of_wish
from services.api.core.problem import NotReady
from services.api.core.stream_place import StreamedEvent
from shared.bus import Bus
from shared.decision import News, news_of
from shared.entries import BLOCK_MS
from shared.events import TaggedReport
from shared.matching.document import Document
from shared.matching.expression import AllOf, Fact, Phrase, Term
from shared.matching.necessity import find_required_terms
from shared.matching.snapshot import Snapshot
from shared.matching.text import Text
from shared.matching.words import Words
from shared.report_store import ReportStore, read_stored
from shared.subscriptions import CompiledFilter, document_of, find_match

log = structlog.get_logger()

SHOWN = 5
FEW_TERMS = 8


class _Recent(NamedTuple):
    """A report, with its words in normal form: `Words.line`."""

    news: News
    title: bytes
    text: bytes

    @property
    def document(self) -> Document:
        """Made each time: what it works out while it is matched would be several times its size."""
        words = Text(Words("", self.title, []), Words("", self.text, []))
        return Document(words, dict.fromkeys(self.news.facts, ()))


class RecentReports:
    """Answers what a wish would have brought in the last `days`, of at most `most` reports.

    `patience` is for how many seconds of the processor reports are looked at for one answer.
    """

    def __init__(self, bus: Bus, *, days: int = 7, most: int = 50_000, patience: float = 0.17) -> None:
        self._bus = bus
        self._days = days
        self._most = most
        self._patience = patience
        self._reports: dict[str, _Recent] = {}
        self._order: deque[tuple[datetime, str]] = deque()
        self._ready = False
        self._turn = asyncio.Semaphore(1)

    def is_ready(self) -> bool:
        """Return whether what is stored has been read."""
        return self._ready

    async def follow(self) -> None:
        """Fill, then take in what comes, for ever."""
        stream = TaggedStream(self._bus.redis, self._bus.names)
        place = (await stream.bounds()).last
        await self.load()
        while True:
            try:
                for event in await stream.newer(place, wait_ms=BLOCK_MS):
                    self._take_event(event)
                    place = event.place
            except RedisError as e:
                log.warning("reports not followed for now", error=str(e))
                await asyncio.sleep(1)

    async def preview(self, wish: PreviewWish, store: ReportStore, now: datetime) -> Preview:
        """Return what the wish would have brought; raise NotReady while the reports are still being read."""
        if not self._ready:
            raise NotReady("the reports of the last days are still being read; try again in a moment")
        compiled = CompiledFilter.of(wish.filter)
        async with self._turn:
            preview, told = await asyncio.to_thread(self._previewed, wish, compiled, now)
        newest = [await self._shown(news, compiled, store) for news in told[: -SHOWN - 1 : -1]]
        return preview.model_copy(update={"newest": tuple(each for each in newest if each)})

    def _previewed(
        self, wish: PreviewWish, compiled: CompiledFilter, now: datetime
    ) -> tuple[Preview, Sequence[News]]:
        matches, since = self._matches(compiled, now)
        imagined = imagine(terms_of_wish(wish, compiled), matches)
        reports = sum(each.news.seen >= since for each in list(self._reports.values()))
        zone = wish.schedule.timezone
        preview = summed_up(
            matches, imagined, reports=reports, days=self._days, since=since, now=now, zone=zone
        )
        return preview, imagined.told

    def _matches(self, compiled: CompiledFilter, now: datetime) -> tuple[list[News], datetime]:
        """The reports for which the filter holds, the first seen first, and since when they are all.

        The newest are looked at first, for a time: what takes longer holds for so many that a part of them says enough.
        """
        wanted = Snapshot.build({"": compiled.expression})
        since = max(now - timedelta(days=self._days), self._order[0][0] if self._order else now)
        end, found = time.thread_time() + self._patience, []
        for recent in sorted(self._candidates(compiled), key=lambda each: each.news.seen, reverse=True):
            if recent.news.seen < since:
                break
            if any(wanted.match(recent.document)):
                found.append(recent.news)
            if time.thread_time() > end:
                since = recent.news.seen
                break
        return found[::-1], since

    def _candidates(self, compiled: CompiledFilter) -> list[_Recent]:
        """Those that have, for each part of the filter, one of the terms of which every match has one."""
        expression = compiled.expression
        parts = expression.parts if isinstance(expression, AllOf) else (expression,)
        needed = [find_required_terms(part, lambda _: 1) or () for part in parts]
        recent = list(self._reports.values())
        # Facts first: they are quicker to look for.
        for terms in sorted(needed, key=lambda terms: not all(isinstance(term, Fact) for term in terms)):
            if 0 < len(terms) <= FEW_TERMS:
                recent = _having(terms, recent)
        return recent

    async def _shown(self, news: News, compiled: CompiledFilter, store: ReportStore) -> PreviewReport | None:
        tagged = await store.get(news.report)
        matched = find_match(compiled, tagged) if tagged else None
        if tagged is None or matched is None:
            return None
        report = tagged.report
        return PreviewReport(
            id=report.id,
            title=report.title,
            source=report.source.title,
            published_at=report.published_at,
            clauses=matched.clauses,
            evidence=matched.evidence[:20],
        )

    async def load(self) -> None:
        """Read what is stored; previews can be had afterwards."""
        started, store = time.monotonic(), ReportStore(self._bus.redis, self._bus.names)
        floor = int((datetime.now(UTC) - timedelta(days=self._days)).timestamp() * 1_000_000)
        async for stored in store.newest(at_most=self._most):
            if stored.place.moment < floor:
                break
            if stored.tagged:
                self._order.appendleft(self._take(stored.tagged))
        seconds = round(time.monotonic() - started, 1)
        self._ready = True
        log.info("reports read for previews", reports=len(self._reports), seconds=seconds)

    def _take_event(self, event: StreamedEvent) -> None:
        tagged = read_stored(event.json)
        if tagged is None:
            self._bus.counters.add("previews_unreadable")
            return
        self._order.append(self._take(tagged))
        self._forget()

    def _take(self, tagged: TaggedReport) -> tuple[datetime, str]:
        document = document_of(tagged)
        news = news_of(tagged, document)
        facts = frozenset(document.facts)
        text = document.text
        self._reports[news.report] = _Recent(news._replace(facts=facts), text.title.line, text.text.line)
        return news.seen, news.report

    def _forget(self) -> None:
        floor = datetime.now(UTC) - timedelta(days=self._days)
        while self._order and (self._order[0][0] < floor or len(self._order) > self._most):
            seen, report = self._order.popleft()
            kept = self._reports.get(report)
            if kept and kept.news.seen == seen:
                del self._reports[report]


def _having(terms: Sequence[Term], recent: Sequence[_Recent]) -> list[_Recent]:
    """Those in which one of the terms may be."""
    facts = {term.key for term in terms if isinstance(term, Fact)}
    words = [f" {term.words.partition('*')[0]}".encode() for term in terms if isinstance(term, Phrase)]
    return [
        each
        for each in recent
        if not facts.isdisjoint(each.news.facts)
        or any(word in each.text or word in each.title for word in words)
    ]
