"""Tell whoever listens that a feed has gone bad or silent, or is well again: once, whoever else polls it."""

from datetime import datetime

import structlog

from services.ingest.core.feed import Feed
from services.ingest.core.health import Diagnosis, FeedState
from shared.bus import Bus
from shared.entries import Marked
from shared.events import FeedHealthData, Source, feed_health_changed, fields_of

log = structlog.get_logger()


async def tell_health(bus: Bus, feed: Feed, state: FeedState, health: Diagnosis, now: datetime) -> None:
    """Write the event, unless somebody has: the condition is compared and set in the script that adds it."""
    names = bus.names
    news = Marked(
        key=names.feed(feed.id),
        field="health",
        expected=None if state.health == "well" else state.health.encode(),
        mark=None if health.condition == "well" else health.condition,
        stream=names.feed_health,
        fields=fields_of(feed_health_changed(_data(feed, state, health), now)),
    )
    [was_first] = await bus.publish_once([news])
    if was_first:
        bus.counters.add("feed_health", condition=health.condition)
        log.warning("feed health", feed=feed.name, condition=health.condition, reason=health.wrong)


def _data(feed: Feed, state: FeedState, health: Diagnosis) -> FeedHealthData:
    return FeedHealthData(
        feed=Source(id=feed.id, title=feed.title or state.title or feed.url, feed_url=feed.url),
        condition=health.condition,
        before=state.health,
        reason=health.wrong,
        advice=health.advice,
        failures=state.failures,
        last_success=state.last_success,
        last_new=state.last_new,
        next_poll=state.next_poll,
    )
