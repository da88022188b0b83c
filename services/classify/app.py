"""classify: reports.published.v1 -> reports.tagged.v1

published report -> tags and countries (rulebook), story (index) -> tagged report, forwarded and stored in the script
that acknowledges it. The story is given before: a report that is read again keeps it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import structlog
from redis.exceptions import RedisError

from services.classify.adapters.live_rulebook import LiveRulebook
from services.classify.adapters.rulebook_files import catalogue
from services.classify.adapters.story_index import StoryIndex
from services.classify.core.figures import figures_of
from services.classify.core.tag import tag_report
from services.classify.settings import ClassifySettings
from shared import tracing
from shared.catalogue import followable
from shared.consumer import side_by_side
from shared.entries import Entry, Outcome
from shared.events import ReportPublished, tagged
from shared.matching.text import Text
from shared.report_store import ReportStore, forwarded
from shared.service import App

log = structlog.get_logger()

FORGET_SECONDS = 3600.0
SIDE_BY_SIDE = 100


def make_app(settings: ClassifySettings) -> App:
    """Return the service; raise RulebookError if a rule file is wrong."""
    app = App("classify", settings)
    rulebook = LiveRulebook(app.bus, settings.topics_dir)
    stories = StoryIndex(app.bus)

    async def on_report(entry: Entry) -> Outcome:
        report = entry.event(ReportPublished).data.report
        tracing.note(report=report.id, revision=report.revision)
        words = Text.of(report.title, report.text)
        found = tag_report(report, rulebook.current, words)
        story = await stories.join(
            report, figures_of(found, words), words, (country.code for country in found.countries)
        )
        event = tagged(found.model_copy(update={"story": story}), datetime.now(UTC))
        log.debug("tagged", report=report.id, revision=report.revision, topics=event.data.topics)
        return forwarded(settings.names, event, app.bus.kept_seconds)

    @asynccontextmanager
    async def announced() -> AsyncIterator[None]:
        await rulebook.announce()
        yield

    async def forget_old_reports() -> None:
        while True:
            topics = tuple(followable(catalogue(rulebook.current)))
            with suppress(RedisError):
                await ReportStore(app.bus.redis, settings.names).forget(settings.retention_seconds, topics)
            await asyncio.sleep(min(FORGET_SECONDS, settings.retention_seconds / 10))

    # Side by side, so that the stories of many are asked for in one round trip.
    app.consume(settings.names.published, side_by_side(on_report, SIDE_BY_SIDE))
    app.background(forget_old_reports)
    app.resource(announced)
    app.background(rulebook.watch)
    return app
