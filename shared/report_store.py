"""Where tagged reports are kept, once, for whoever needs a body: api pages, previews, retries.

classify writes a report in the same script that forwards it; everybody else reads.
"""

import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from pydantic import ValidationError

from shared import tracing
from shared.entries import Guard, Outcome, xadd
from shared.events import ReportTagged, TaggedReport, fields_of
from shared.names import Names
from shared.redis_client import Command, RedisClient, time_at

MOST_BODIES = 1000
PAGE = 100


def forwarded(names: Names, event: ReportTagged, kept_seconds: int) -> Outcome:
    """Return what classify writes: the tagged event, and the report for those who look it up.

    The guard makes a revision be told once even if its entry is read again after a lost group.
    """
    tagged = event.data
    report = tagged.report
    key = names.report(report.id)
    moment = int(event.time.timestamp() * 1_000_000)
    trace = tracing.carried()
    fields = {**fields_of(event), **trace}
    commands: list[Command] = [
        xadd(names.tagged, fields),
        (
            "HSET",
            key,
            "revision",
            report.revision,
            _tagged(report.revision),
            moment,
            "event",
            fields["event"],
            *chain(*trace.items()),
        ),
        ("EXPIRE", key, kept_seconds),
        ("ZADD", names.reports, moment, report.id),
        *(("ZADD", names.reports_of(topic), moment, report.id) for topic in tagged.topics),
    ]
    return Outcome(commands, Guard(key, "revision", report.revision))


def _tagged(revision: int) -> str:
    """The field that says when a revision was tagged; it stays when the next one comes."""
    return f"tagged.{revision}"


class Place(NamedTuple):
    """Where a report stands in an index, for a cursor. Reports of one moment stand by their ids."""

    moment: int
    """When it was tagged, in microseconds."""
    report_id: str


class Stored(NamedTuple):
    """A place, and the report that stands there: None if its body has expired."""

    tagged: TaggedReport | None
    place: Place


class ReportStore:
    """Reads tagged reports, newest first. The bodies that were read last are kept in memory."""

    def __init__(self, redis: RedisClient, names: Names) -> None:
        self._redis = redis
        self._names = names
        # A revision is put into the index anew, so a place is always the same revision.
        self._bodies: OrderedDict[Place, TaggedReport] = OrderedDict()

    async def version(self) -> str:
        """Return what changes whenever the reports or the topics do."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zrevrange(self._names.reports, 0, 0, withscores=True)
        pipe.zcard(self._names.reports)
        pipe.get(self._names.catalogue)
        newest, count, catalogue = await pipe.execute()
        return f"{newest} {count} {zlib.crc32(catalogue or b'')}"

    async def get(self, report_id: str) -> TaggedReport | None:
        raw = await self._redis.hget(self._names.report(report_id), "event")
        return read_stored(raw)

    async def moment(self, report_id: str) -> int:
        """Return when a report was tagged, in microseconds; 0 if there is none."""
        return int(await self._redis.zscore(self._names.reports, report_id) or 0)

    async def earlier(self, report_id: str, revision: int) -> list[tuple[int, int]]:
        """Return the revisions before this one, at most ten, and when each was tagged, in microseconds."""
        revisions = range(max(1, revision - 10), revision)
        if not revisions:
            return []
        raw: Any = await self._redis.hmget(
            self._names.report(report_id), [_tagged(each) for each in revisions]
        )
        return [(each, int(moment)) for each, moment in zip(revisions, raw, strict=True) if moment]

    async def page(
        self, topic: str | None = None, after: Place | None = None, limit: int = 50
    ) -> list[Stored]:
        """Return the next `limit` places of an index after a place, newest first; an empty list ends it."""
        key = self._names.reports_of(topic) if topic else self._names.reports
        highest: int | str = after.moment if after else "+inf"
        # Reports of one microsecond are all read again, and those that came before are left out.
        ties = int(await self._redis.zcount(key, after.moment, after.moment)) if after else 0
        rows: Any = await self._redis.zrevrangebyscore(
            key, highest, "-inf", start=0, num=limit + ties, withscores=True
        )
        places = [Place(int(score), raw_id.decode()) for raw_id, score in rows]
        places = [place for place in places if after is None or place < after][:limit]
        bodies = await self._many(await self._current(places) if topic else places)
        return [Stored(tagged, place) for tagged, place in zip(bodies, places, strict=True)]

    async def newest(
        self, topic: str | None = None, after: Place | None = None, at_most: int = 1_000_000
    ) -> AsyncIterator[Stored]:
        """Yield places newest first, read in pages, `at_most` of them."""
        while at_most > 0 and (page := await self.page(topic, after, limit=min(PAGE, at_most))):
            for stored in page:
                yield stored
            after, at_most = page[-1].place, at_most - len(page)

    async def scan(self, topic: str | None = None, at_most: int = 1000) -> AsyncIterator[TaggedReport]:
        """Yield the reports themselves, those that are still kept of the newest `at_most`."""
        async for stored in self.newest(topic, at_most=at_most):
            if stored.tagged:
                yield stored.tagged

    async def forget(self, retention_seconds: int, topics: Sequence[str]) -> None:
        """Take ids older than the retention off the index; the bodies expire by themselves."""
        now = await time_at(self._redis, self._names.reports)
        floor = int((now - retention_seconds) * 1_000_000)
        for key in (self._names.reports, *map(self._names.reports_of, topics)):
            await self._redis.zremrangebyscore(key, "-inf", floor)

    async def _current(self, places: Sequence[Place]) -> list[Place]:
        """Where the reports stand among all: a revision that lost a topic leaves its index as it was."""
        if not places:
            return []
        scores: Any = await self._redis.zmscore(self._names.reports, [place.report_id for place in places])
        return [Place(int(score or 0), place.report_id) for score, place in zip(scores, places, strict=True)]

    async def _many(self, places: Sequence[Place]) -> list[TaggedReport | None]:
        missing = [place for place in places if place not in self._bodies]
        if missing:
            pipe = self._redis.pipeline(transaction=False)
            for place in missing:
                pipe.hget(self._names.report(place.report_id), "event")
            for place, raw in zip(missing, await pipe.execute(), strict=True):
                if (tagged := read_stored(raw)) is not None:
                    self._bodies[place] = tagged
        found = [self._bodies.get(place) for place in places]
        for place in places:
            if place in self._bodies:
                self._bodies.move_to_end(place)
        while len(self._bodies) > MOST_BODIES:
            self._bodies.popitem(last=False)
        return found


def read_stored(raw: bytes | str | None) -> TaggedReport | None:
    """Return the report of a stored event; None if there is none, or none that can be read."""
    if raw is None:
        return None
    try:
        return ReportTagged.model_validate_json(raw).data
    except ValidationError:
        return None
