"""A real api on a free port of 127.0.0.1, and a client for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
from fastapi import FastAPI

from services.api.adapters.recent_reports import RecentReports
from services.api.settings import ApiSettings
from services.api.web.http import make_http
from services.api.web.parts import Parts, make_parts
from services.api.web.server import open_port, serve
from shared.bus import Bus
from shared.links import Purpose, sign_link
from shared.names import Names
from shared.neighbours import consumer_name
from shared.server_key import server_key
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Subscription

NO_ENV = {"_env_file": None}


class ApiClient:
    """Asks one api; knows its bus. `get`, `post` … are those of aiohttp's session."""

    def __init__(self, session: aiohttp.ClientSession, http: FastAPI, address: str) -> None:
        self.get, self.post, self.put, self.head = session.get, session.post, session.put, session.head
        self.request, self.delete = session.request, session.delete
        self.address = address
        self.forget_cookies = session.cookie_jar.clear
        self._http = http

    @property
    def bus(self) -> Bus:
        return self._http.state.parts.bus

    @property
    def recent(self) -> RecentReports:
        return self._http.state.parts.recent

    @property
    def parts(self) -> Parts:
        return self._http.state.parts

    def configure(self, bus: Bus, folder: Path, **settings: object) -> None:
        """Let the server work on this bus, with these settings."""
        self._http.state.parts = make_parts(
            bus, settings_of(bus, folder, public_url=self.address, **settings)
        )

    def use(self, **parts: object) -> None:
        """Replace some parts of the server, e.g. its broadcast."""
        self._http.state.parts = replace(self.parts, **parts)

    async def text(self, path: str, status: int = 200) -> str:
        """Return the body of a GET; the status must be as said."""
        async with self.get(path) as response:
            body = await response.text()
            assert response.status == status, body
            return body

    async def json_of(self, method: str, path: str, status: int = 200, **more):
        """Return the JSON of any request; the status must be as said."""
        async with self.request(method, path, **more) as response:
            assert response.status == status, await response.text()
            return await response.json(content_type=None)

    async def link(self, purpose: Purpose, subscription_id: str) -> str:
        """Return the path that a mail links to."""
        key = sign_link(await server_key(self.bus.redis, self.bus.names), purpose, subscription_id)
        return f"/{purpose}/{subscription_id}?key={key}"

    async def stored_with(self, subscription_id: str, **changes: object) -> None:
        """Change what is stored, as nobody but a test may."""
        await SubscriptionStore(self.bus).update(subscription_id, lambda it: it.model_copy(update=changes))

    async def stored(self, subscription_id: str) -> Subscription | None:
        return await SubscriptionStore(self.bus).get(subscription_id)


def settings_of(bus: Bus, folder: Path, **settings: object) -> ApiSettings:
    return ApiSettings(**{"data_dir": folder, "key_prefix": bus.names.prefix, **NO_ENV, **settings})


@asynccontextmanager
async def running_api(bus: Bus, folder: Path) -> AsyncIterator[ApiClient]:
    """Serve until the block ends."""
    http = make_http(bus, settings_of(bus, folder))
    listener = open_port("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(serve(http, listener))
    try:
        async with aiohttp.ClientSession(address, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            yield ApiClient(session, http, address)
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


@asynccontextmanager
async def connected(redis_url: str, names: Names) -> AsyncIterator[Bus]:
    bus = Bus(redis_url, names, consumer_name())
    await bus.connect()
    yield bus
    await bus.close()
