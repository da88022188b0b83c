"""What the tests of polling share: a server on this machine, and a poller with everything that it needs."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

from services.ingest.adapters.feed_state import FeedStates
from services.ingest.adapters.fetcher import Fetcher
from services.ingest.adapters.host_slots import HostSlots
from services.ingest.adapters.marks import Marks
from services.ingest.adapters.parser import Parser
from services.ingest.adapters.poller import Poller, PollOutcome
from services.ingest.core.feed import Feed
from services.ingest.core.health import FeedState
from services.ingest.core.pace import Limits
from shared.address_guard import AddressGuard
from shared.bus import Bus
from shared.events import FeedHealthChanged, FeedHealthData, Report, ReportPublished

START = datetime(2026, 8, 4, 12, tzinfo=UTC)


def local_fetcher(**options: Any) -> Fetcher:
    """A fetcher that may reach this machine, and waits for no turn."""
    guard = AddressGuard([ip_network("127.0.0.0/8")])
    return Fetcher(guard, HostSlots(pause=0), "https://tocsin.example/contact", **options)


class Site:
    """A server that keeps every request, and answers them as `answer` does. Use as an asynchronous context manager."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self.server = TestServer(app, host="127.0.0.1")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Return what a request is answered."""
        raise NotImplementedError

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.answer(request)

    def url(self, path: str = "/rss") -> str:
        """Return the address of a path here."""
        return str(self.server.make_url(path))

    async def __aenter__(self) -> Self:
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()


class FeedSite(Site):
    """One feed. It answers conditional requests as it should."""

    def __init__(self) -> None:
        super().__init__()
        self.items = ["<item><guid>1</guid><title>One</title></item>"]
        self.body: bytes | None = None
        self.status = 200
        self.etag: str | None = '"1"'
        self.headers: dict[str, str] = {}
        self.moved = False

    async def answer(self, request: web.Request) -> web.Response:
        """The feed as it is now, also at the address where it moves to."""
        if self.moved and request.path == "/rss":
            raise web.HTTPMovedPermanently("/new")
        if request.path not in ("/rss", "/new"):
            raise web.HTTPNotFound
        validators = {"ETag": self.etag} if self.etag else {}
        if self.etag and request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304, headers=validators)
        items = "".join(self.items)
        body = f"<rss version='2.0'><channel><title>News</title>{items}</channel></rss>".encode()
        return web.Response(
            body=body if self.body is None else self.body,
            status=self.status,
            headers=validators | self.headers,
        )

    def change(self, *items: str) -> None:
        self.items = list(items)
        if self.etag:
            self.etag = f'"{len(self.requests) + 1}"'


def dated(guid: str, days_ago: float, title: str = "") -> str:
    """An item that says when it was published."""
    moment = format_datetime(START - timedelta(days=days_ago))
    return f"<item><guid>{guid}</guid><title>{title or guid}</title><pubDate>{moment}</pubDate></item>"


class Bench:
    """A poller with everything it needs, and a clock that the test moves."""

    def __init__(self, bus: Bus, parser: Parser, fetcher: Fetcher, site: FeedSite) -> None:
        self.bus, self.site, self.now = bus, site, START
        self.feed = Feed(url=site.url(), interval=60)
        self.states = FeedStates(bus.redis, bus.names, host_pause=0)
        self.marks = Marks(self.states.together, bus.names)
        self.parser, self.fetcher = parser, fetcher
        self.poller = self.poller_with()

    def poller_with(self, **options: Any) -> Poller:
        usual: dict[str, Any] = {
            "fetcher": self.fetcher,
            "parser": self.parser,
            "states": self.states,
            "bus": self.bus,
            "limits": Limits(1),
            "clock": lambda: self.now,
            "random": lambda: 0.0,
        }
        return Poller(**usual | options)

    async def health(self) -> list[FeedHealthData]:
        entries = await self.bus.redis.xrange(self.bus.names.feed_health)
        return [FeedHealthChanged.model_validate_json(fields[b"event"]).data for _, fields in entries]

    async def poll(self, feed: Feed | None = None) -> PollOutcome:
        self.now += timedelta(minutes=1)
        return await self.poller.poll(feed or self.feed)

    async def poll_by(self, poller: Poller) -> PollOutcome:
        self.now += timedelta(minutes=1)
        return await poller.poll(self.feed)

    async def published(self) -> list[Report]:
        entries = await self.bus.redis.xrange(self.bus.names.published)
        return [ReportPublished.model_validate_json(fields[b"event"]).data.report for _, fields in entries]

    async def told(self) -> list[tuple[str, int]]:
        return [(report.title, report.revision) for report in await self.published()]

    async def state(self) -> FeedState:
        return await self.states.load(self.feed.id)

    async def count(self, name: str) -> int:
        await self.bus.counters.flush(self.bus.redis)
        return int(await self.bus.redis.hget(self.bus.names.counters, name) or 0)
