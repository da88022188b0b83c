"""classify: reports.published.v1 -> reports.tagged.v1

published report -> find_tags (rulebook) -> tagged report, forwarded and stored in the script that acknowledges it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import structlog
from redis.exceptions import RedisError

from services.classify.adapters.rulebook_files import catalogue, load_rulebook
from services.classify.core.tag import tag_report
from services.classify.settings import ClassifySettings
from shared.bus import Entry, Outcome
from shared.catalogue import write_catalogue
from shared.events import ReportPublished, tagged
from shared.report_store import ReportStore, forwarded
from shared.service import App

log = structlog.get_logger()

FORGET_SECONDS = 3600.0


def make_app(settings: ClassifySettings) -> App:
    """Return the service; raise RulebookError if a rule file is wrong."""
    app = App("classify", settings)
    rulebook = load_rulebook(settings.topics_dir)

    async def on_report(entry: Entry) -> Outcome:
        report = entry.event(ReportPublished).data.report
        event = tagged(tag_report(report, rulebook), datetime.now(UTC))
        log.debug("tagged", report=report.id, revision=report.revision, topics=event.data.topics)
        return forwarded(settings.names, event, settings.retention_seconds)

    @asynccontextmanager
    async def announced() -> AsyncIterator[None]:
        await write_catalogue(app.bus.redis, settings.names, catalogue(rulebook))
        log.info("rulebook", version=rulebook.version, topics=[topic.id for topic in rulebook.topics])
        yield

    async def forget_old_reports() -> None:
        topics = [topic.id for topic in rulebook.topics]
        while True:
            with suppress(RedisError):
                await ReportStore(app.bus.redis, settings.names).forget(settings.retention_seconds, topics)
            await asyncio.sleep(FORGET_SECONDS)

    app.consume(settings.names.published, on_report)
    app.background(forget_old_reports)
    app.resource(announced)
    return app
