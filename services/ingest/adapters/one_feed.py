"""Read one feed by itself, as ingest would, without Redis. For the command line."""

from datetime import datetime

from services.ingest.adapters.fetcher import Fetcher
from services.ingest.adapters.host_slots import HostSlots
from services.ingest.adapters.parser import Parser
from services.ingest.core.feed import Feed
from services.ingest.settings import IngestSettings
from shared.address_guard import AddressGuard
from shared.events import Report


async def read_reports(target: str, settings: IngestSettings, now: datetime) -> list[Report]:
    """Return the reports of a feed given by URL or file path.

    Raises FetchError or ParseError with the reason in plain words; pydantic's ValidationError (a ValueError)
    for what is neither URL nor path.
    """
    feed = Feed(url=target)
    fetcher = Fetcher(
        AddressGuard(settings.allow_hosts),
        HostSlots(),
        settings.contact,
        timeout=settings.fetch_timeout,
        max_bytes=settings.max_feed_bytes,
    )
    async with fetcher, Parser(workers=1) as parser:
        fetched = await fetcher.fetch(feed)
        reading = await parser.read(fetched.body, fetched.content_type, fetched.url, feed, now)
    return list(reading.reports)
