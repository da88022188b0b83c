"""Tells a report to subscriptions: decide, write down, queue. Each once, whatever crashes, however many processes.

1. Each is decided as if nothing were remembered of it, which is true of most.
2. A script writes what was decided where that is so, and answers with what is remembered where it is not.
3. Those are decided again on what is remembered, until all are written.

A crash in between is mended by doing it all again: what is written says up to which revision.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from shared.bus import Bus
from shared.decision import NOTHING, SENT, Decision, Earlier, Memory, News, Terms, decide
from shared.deliveries import KEPT_OFF_THE_LOG_SECONDS, KEPT_PER_SUBSCRIPTION, OWED_SECONDS
from shared.delivery import delivery_id, digest_id, update_id
from shared.schedule import hour_of

CHUNK = 500
AT_ONCE = 4
_SCRIPTS = Path(__file__).parent / "scripts"


class _Case(NamedTuple):
    """A subscription, and what is remembered of it: as understood, and as Redis has it."""

    terms: Terms
    memory: Memory = NOTHING
    told: str = ""
    earlier: str = ""
    sent: str = ""
    not_before: datetime | None = None

    def decided(self, news: News, now: datetime) -> tuple[Decision, datetime]:
        moment = max(now, self.not_before) if self.not_before else now
        return decide(self.terms, news, self.memory, moment, matched=True), moment


class FanOut:
    """Writes what becomes of a report for those whose filters hold for it."""

    def __init__(self, bus: Bus, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._bus = bus
        self._clock = clock
        self._settle: Any = None
        self._queue: Any = None

    async def tell(self, news: News, wanting: Sequence[Terms]) -> None:
        """Decide and write for all of them."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def settle(chunk: Sequence[Terms]) -> None:
            async with turns:
                cases = [_first_case(terms) for terms in chunk]
                while cases:
                    cases = await self._settled(news, cases, self._clock())

        await asyncio.gather(*(settle(wanting[at : at + CHUNK]) for at in range(0, len(wanting), CHUNK)))

    async def queue_digests(self, now: datetime, limit: int = 500) -> int:
        """Queue the digests whose time has come; return how many."""
        names = self._bus.names
        if self._queue is None:
            self._queue = self._bus.redis.register_script((_SCRIPTS / "queue_digests.lua").read_text())
        prefixes = [names.delivery(""), names.deliveries_of(""), names.digest("")]
        args = [
            now.timestamp(),
            limit,
            OWED_SECONDS,
            KEPT_PER_SUBSCRIPTION,
            *prefixes,
            KEPT_OFF_THE_LOG_SECONDS,
        ]
        return int(await self._queue(keys=[names.digests_due, names.deliveries], args=args))

    async def _settled(self, news: News, cases: Sequence[_Case], now: datetime) -> list[_Case]:
        """Write what can be written; return what has to be decided again."""
        decided = [case.decided(news, now) for case in cases]
        items = [_item(case, news, decision) for case, (decision, _) in zip(cases, decided, strict=True)]
        answers = await self._written(news, items, now)
        for (decision, _), answer in zip(decided, answers, strict=True):
            if answer == 1:
                self._bus.counters.add("decisions", verdict=decision.verdict)
        return [
            _again(case, decision, answer)
            for case, (decision, _), answer in zip(cases, decided, answers, strict=True)
            if answer != 1
        ]

    async def _written(self, news: News, items: Sequence[Sequence[object]], now: datetime) -> list[Any]:
        names = self._bus.names
        if self._settle is None:
            self._settle = self._bus.redis.register_script((_SCRIPTS / "settle_matches.lua").read_text())
        hour = int(hour_of(now).timestamp()) // 3600
        keys = [
            names.deliveries,
            names.told(news.story),
            names.sent_in(hour),
            names.digests_due,
            names.revised(news.report),
            names.waits,
            names.endpoints_held,
        ]
        args = [
            OWED_SECONDS, KEPT_PER_SUBSCRIPTION, self._bus.kept_seconds,
            names.delivery(""), names.deliveries_of(""), names.digest(""),
            news.report, news.revision, news.mark, f"{now.timestamp():.1f}",
            KEPT_OFF_THE_LOG_SECONDS, news.story, json.dumps(items), names.held(""),
        ]  # fmt: skip
        answers: list[Any] = await self._settle(keys=keys, args=args)
        return answers


def _first_case(terms: Terms) -> _Case:
    return _Case(terms, sent="0" if terms.schedule.at_most_per_hour else "")


def _again(case: _Case, decision: Decision, answer: Sequence[Any]) -> _Case:
    """The case with what is remembered of it now; a digest that is closed is not waited for."""
    told, earlier, sent = (each.decode() for each in answer[:3])
    memory = Memory(told, read_earlier(earlier), int(sent or 0))
    return _Case(case.terms, memory, told, earlier, sent, decision.due if answer[3] else case.not_before)


def read_earlier(written: str) -> Earlier | None:
    """Return what became of an earlier revision, as `settle_matches.lua` says it."""
    if not written:
        return None
    revision, mark, told, due = written.split(" ")
    return Earlier(int(revision), mark, told == "1", datetime.fromtimestamp(float(due), UTC) if due else None)


def _item(case: _Case, news: News, decision: Decision) -> tuple[object, ...]:
    """What `settle_matches.lua` is told of one subscription."""
    subscription = case.terms.id
    main = delivery_id(subscription, news.report)
    sends = decision.verdict in SENT
    record = update_id(subscription, news.report, news.revision) if decision.is_update else main
    was_told = case.memory.earlier is not None and case.memory.earlier.was_told
    # Of one that has expired nothing is kept: it may go on matching for ever.
    writes = sends or (not was_told and decision.verdict not in ("not_active", "expired"))
    digest = digest_id(subscription, decision.due) if sends and decision.due else ""
    return (
        subscription, main, case.told, case.earlier, case.sent,
        decision.told, record if writes else "",
        "not_sent" if not sends else "held" if digest else "pending", decision.verdict,
        f"{decision.due.timestamp():.0f}" if sends and decision.due else "", digest,
        decision.refers_to or "", "1" if decision.is_update else "",
        news.mark if sends or decision.verdict == "waiting" else "",
    )  # fmt: skip
