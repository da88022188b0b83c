"""Read one feed by itself, as ingest would, without Redis. For the command line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from services.ingest.adapters.articles import Articles
from services.ingest.adapters.feed_list import FeedFileError, read_feed_list
from services.ingest.adapters.fetcher import Fetcher
from services.ingest.adapters.host_slots import HostSlots
from services.ingest.adapters.parser import Parser
from services.ingest.core.feed import Feed
from services.ingest.settings import IngestSettings
from shared.address_guard import AddressGuard
from shared.events import Report


async def read_reports(target: str, settings: IngestSettings, now: datetime) -> list[Report]:
    """Return the reports of a feed given by URL or file path; one of the feed list is read as the list says.

    Raises FetchError or UnreadableDocument with the reason in plain words; pydantic's ValidationError (a ValueError)
    for what is neither URL nor path.
    """
    feed = _listed(target, settings) or Feed(url=target)
    async with fetching(settings) as (fetcher, parser):
        fetched = await fetcher.fetch(feed)
        reading = await parser.read(fetched.body, fetched.content_type, fetched.url, feed, now)
        if not feed.full_text:
            return list(reading.reports)
        articles = Articles(fetcher, parser)
        return [await articles.complete(feed, report) for report in reading.reports]


@asynccontextmanager
async def fetching(settings: IngestSettings) -> AsyncIterator[tuple[Fetcher, Parser]]:
    """A fetcher and a parser, as ingest has them."""
    async with fetcher_of(settings) as fetcher, Parser(workers=1) as parser:
        yield fetcher, parser


def fetcher_of(settings: IngestSettings, files_root: Path = Path()) -> Fetcher:
    """Return a fetcher; files of a feed list are relative to `files_root`."""
    return Fetcher(
        AddressGuard(settings.allow_hosts),
        HostSlots(settings.host_pause),
        settings.contact,
        files_root=files_root,
        timeout=settings.fetch_timeout,
        max_bytes=settings.max_feed_bytes,
    )


def _listed(target: str, settings: IngestSettings) -> Feed | None:
    with suppress(FeedFileError):
        return next(
            (feed for feed in read_feed_list(settings.feeds_file) if feed.url == target and not feed.is_file),
            None,
        )
    return None
