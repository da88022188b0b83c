"""Fetch the page of an entry and take the article's text from it, for feeds that give only summaries."""

from services.ingest.adapters.fetcher import Fetcher, FetchError
from services.ingest.adapters.parser import Parser
from services.ingest.core.entry import UnreadableDocument
from services.ingest.core.feed import Feed
from shared.events import Report


class Articles:
    """Completes reports, politely: pages are fetched as feeds are, one after another at each host."""

    def __init__(self, fetcher: Fetcher, parser: Parser) -> None:
        self._fetcher = fetcher
        self._parser = parser

    async def complete(self, feed: Feed, report: Report) -> Report:
        """Return the report with its page's text; as it was, with a note that says why, if that cannot be had."""
        if not report.url:
            return report
        try:
            fetched = await self._fetcher.fetch(_page(feed, report.url))
            text = await self._parser.read_article(fetched.body, fetched.url)
        except (FetchError, UnreadableDocument) as e:
            return _noted(report, f"full text: not to be had ({e.reason})")
        except ValueError:
            return _noted(report, "full text: the link is no address that can be fetched")
        if len(text) <= len(report.text):
            return _noted(report, "full text: the page has no more than the feed")
        return report.model_copy(update={"text": text, "notes": (*report.notes, "full text: from the page")})


def _page(feed: Feed, url: str) -> Feed:
    """The page as something to fetch. What is secret stays with the feed's own host."""
    own = {"headers": feed.headers, "username": feed.username, "password": feed.password, "tls": feed.tls}
    page = Feed(url=url)
    return page.model_copy(update=own) if page.host == feed.host else page


def _noted(report: Report, note: str) -> Report:
    return report.model_copy(update={"notes": (*report.notes, note)})
