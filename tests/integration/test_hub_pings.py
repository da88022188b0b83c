"""A hub is told which feeds have changed: a real hub, a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from services.api.adapters.hub_pings import HubPings
from shared.address_guard import AddressGuard
from shared.bus import Bus
from shared.events import Country
from tests.api_server import connected
from tests.builders import make_tagged, store_reports
from tests.processes import HttpServer, until

BASE = "https://tocsin.example"
COUNTRIES = ("UA", "EE", "TD", "LV", "PL", "RO", "NE", "ML")


class Hub(HttpServer):
    """Remembers what it was told, and answers with `status`."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 204
        self.told: list[set[str]] = []
        self.app.router.add_post("/hub", self._take)

    async def _take(self, request: web.Request) -> web.Response:
        form = parse_qs(await request.text())
        assert form["hub.mode"] == ["publish"]
        self.told.append(set(form["hub.url"]))
        return web.Response(status=self.status)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with Hub() as hub:
        yield hub


@asynccontextmanager
async def pinging(bus: Bus, hub: Hub) -> AsyncIterator[None]:
    guard = AddressGuard([ip_network("127.0.0.0/8")])
    pings = HubPings(bus, f"http://127.0.0.1:{hub.port}/hub", BASE, guard, spacing=0.05)
    running = asyncio.create_task(pings.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def publish(bus: Bus, country: str = "SD") -> None:
    tagged = make_tagged(aid=("fled",)).model_copy(update={"countries": (Country(code=country),)})
    await store_reports(bus, [tagged])


async def test_a_hub_is_told_of_the_feeds_that_a_report_is_in(redis_url, names, hub):
    async with connected(redis_url, names) as bus, pinging(bus, hub):
        await until(lambda: _published(bus, hub))
    assert hub.told[0] == {
        f"{BASE}/{path}.{form}"
        for path in ("reports", "topics/aid", "countries/SD")
        for form in ("atom", "json", "geojson")
    }


async def test_what_a_hub_did_not_take_it_is_told_again(redis_url, names, hub):
    hub.status = 503
    async with connected(redis_url, names) as bus, pinging(bus, hub):
        await until(lambda: _published(bus, hub))
        hub.status = 202
        seen = len(hub.told)
        await store_reports(bus, [make_tagged()])
        await until(lambda: len(hub.told) > seen)
    assert f"{BASE}/topics/aid.atom" in hub.told[-1]


async def test_of_several_processes_one_pings(redis_url, names, hub):
    async with (
        connected(redis_url, names) as bus,
        connected(redis_url, names) as other,
        pinging(bus, hub),
        pinging(other, hub),
    ):
        await until(lambda: _published(bus, hub))
        for country in COUNTRIES:
            await publish(bus, country)
            await until(lambda country=country: times_told(hub, country))
    assert [times_told(hub, country) for country in COUNTRIES] == [1] * len(COUNTRIES)


def times_told(hub: Hub, country: str) -> int:
    return sum(f"{BASE}/countries/{country}.atom" in told for told in hub.told)


async def _published(bus: Bus, hub: Hub) -> bool:
    """Publish until the hub hears of it: the follower begins with what comes after it has begun."""
    if not hub.told:
        await publish(bus)
        await asyncio.sleep(0.05)
    return bool(hub.told)
