"""Find the feed that somebody means who gives the address of a page."""

from datetime import datetime
from typing import NamedTuple
from urllib.parse import urljoin

from services.ingest.adapters.fetcher import Fetched, Fetcher, FetchError
from services.ingest.adapters.parser import Parser
from services.ingest.core.entry import UnreadableDocument
from services.ingest.core.feed import Feed

# Where feeds are if no page names them; tried one after another.
USUAL_PLACES = ("feed", "rss", "rss.xml", "feed.xml", "atom.xml", "index.xml")


class Found(NamedTuple):
    """A feed that could be read, and the document that it was."""

    url: str
    title: str
    reports: int
    fetched: Fetched | None = None


class NoFeedFound(Exception):
    """Neither a feed, nor a page that leads to one. The message says what there is."""


async def find_feed(url: str, fetcher: Fetcher, parser: Parser, now: datetime) -> Found:
    """Return the feed at an address, else the one that the page there names, else one in a usual place.

    A feed's own address costs one request. Raises NoFeedFound, with what the address itself gave.
    """
    try:
        return await _try(url, fetcher, parser, now)
    except FetchError as e:
        raise NoFeedFound(e.reason) from e
    except UnreadableDocument as e:
        if not e.is_page:
            raise NoFeedFound(e.reason) from e
        reason, places = (
            e.reason,
            e.announced or tuple(urljoin(url.rstrip("/") + "/", at) for at in USUAL_PLACES),
        )
    for place in places:
        try:
            return await _try(place, fetcher, parser, now)
        except (FetchError, ValueError):
            continue
    raise NoFeedFound(reason if "names" in reason else f"{reason}, and it names none; name the feed itself")


async def _try(url: str, fetcher: Fetcher, parser: Parser, now: datetime) -> Found:
    feed = Feed(url=url)
    fetched = await fetcher.fetch(feed)
    reading = await parser.read(fetched.body, fetched.content_type, fetched.url, feed, now)
    return Found(url, reading.title, len(reading.drafts), fetched)
