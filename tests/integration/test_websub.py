"""WebSub for real: a hub, the services ingest and api as processes, Redis."""

import asyncio
import hmac
import io
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from redis.asyncio import Redis

from shared.names import Names
from shared.push import load_push
from shared.redis_server import free_port
from tests.processes import HttpServer, Item, Services, rss, until, write_feeds


class Hub(HttpServer):
    """A site with one feed, and its hub. It verifies whoever asks, and can push what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.wishes: list[dict[str, str]] = []
        self.verified: list[tuple[int, str]] = []
        self.items = [Item("One", "The first.", "1")]
        self.app.router.add_get("/feed.xml", self._serve)
        self.app.router.add_post("/hub", self._subscribe)
        self._verifying: set[asyncio.Task[None]] = set()

    @property
    def topic(self) -> str:
        return f"http://127.0.0.1:{self.port}/feed.xml"

    def document(self, *items: Item) -> bytes:
        links = "".join(
            f"<a:link xmlns:a='http://www.w3.org/2005/Atom' rel='{rel}' href='{href}'/>"
            for rel, href in (("hub", f"http://127.0.0.1:{self.port}/hub"), ("self", self.topic))
        )
        return rss(items).replace("<channel>", f"<channel>{links}").encode()

    async def _serve(self, _: web.Request) -> web.Response:
        return web.Response(body=self.document(*self.items), headers={"ETag": f'"{len(self.items)}"'})

    async def _subscribe(self, request: web.Request) -> web.Response:
        wish = {name: str(value) for name, value in (await request.post()).items()}
        self.wishes.append(wish)
        task = asyncio.create_task(self._verify(wish))
        self._verifying.add(task)
        return web.Response(status=202)

    async def _verify(self, wish: dict[str, str]) -> None:
        question = {
            "hub.mode": "subscribe",
            "hub.topic": wish["hub.topic"],
            "hub.challenge": "prove it",
            "hub.lease_seconds": wish["hub.lease_seconds"],
        }
        async with (
            aiohttp.ClientSession() as session,
            session.get(wish["hub.callback"], params=question) as answer,
        ):
            self.verified.append((answer.status, await answer.text()))

    async def push(self, body: bytes, signature: str | None = None, callback: str | None = None) -> int:
        """Send a document to the last who subscribed; return the status of the answer."""
        wish = self.wishes[-1]
        signed = "sha256=" + hmac.new(wish["hub.secret"].encode(), body, "sha256").hexdigest()
        headers = {"Content-Type": "application/rss+xml", "X-Hub-Signature": signature or signed}
        async with (
            aiohttp.ClientSession() as session,
            session.post(callback or wish["hub.callback"], data=io.BytesIO(body), headers=headers) as answer,
        ):
            return answer.status


@dataclass
class World:
    """What runs."""

    hub: Hub
    redis: Any
    names: Names

    async def has(self, stream: str, entries: int) -> bool:
        return int(await self.redis.xlen(stream)) == entries


@pytest.fixture
async def world(redis_url: str, names: Names, tmp_path: Path) -> AsyncIterator[World]:
    hub, port = Hub(), free_port()
    await hub.start()
    write_feeds(tmp_path / "feeds.toml", [hub.topic])
    services = Services(
        tmp_path,
        {
            "TOCSIN_REDIS_URL": redis_url,
            "TOCSIN_KEY_PREFIX": names.prefix,
            "TOCSIN_HTTP_PORT": str(port),
            "TOCSIN_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "TOCSIN_ALLOW_HOSTS": "127.0.0.0/8",
            "TOCSIN_WEBSUB": "on",
            "TOCSIN_RECLAIM_AFTER": "1",
        },
    )
    redis = Redis.from_url(redis_url)
    try:
        services.start("api")
        await until(lambda: "listening" in services.log_of("api"), 30)
        services.start("ingest")
        await until(lambda: hub.verified, 30)
        yield World(hub, redis, names)
    finally:
        services.end()
    await redis.aclose()
    await hub.stop()


async def test_a_hub_is_asked_verified_and_what_it_pushes_is_published_within_a_second(world: World) -> None:
    hub = world.hub
    assert hub.verified == [(200, "prove it")]
    assert hub.wishes[0]["hub.topic"] == hub.topic
    await until(lambda: world.has(world.names.published, 1), 10)

    started = time.monotonic()
    assert await hub.push(hub.document(Item("Two", "Pushed.", "2"), *hub.items)) == 202
    await until(lambda: world.has(world.names.published, 2), 10)
    took = time.monotonic() - started
    assert took < 1, f"{took:.2f} s"

    changed = hub.document(Item("Three", "Not from the hub.", "3"))
    assert await hub.push(changed, signature="sha256=" + "0" * 64) == 403
    assert await hub.push(changed, signature="sha1=") == 403
    assert await hub.push(changed, callback=hub.wishes[0]["hub.callback"] + "x") == 404
    assert await hub.push(b"x" * 3_000_000) == 413
    assert await hub.push(b"<html>no feed</html>") == 202
    await until(lambda: world.has(world.names.pushed, 0), 10)
    assert await world.has(world.names.published, 2)


async def test_a_challenge_that_nobody_asked_for_is_refused(world: World) -> None:
    hub = world.hub
    callback = hub.wishes[0]["hub.callback"]
    other = {"hub.mode": "subscribe", "hub.topic": "https://other.example/", "hub.challenge": "c"}
    unsubscribe = {"hub.mode": "unsubscribe", "hub.topic": hub.topic, "hub.challenge": "c"}
    denied = {"hub.mode": "denied", "hub.topic": hub.topic, "hub.reason": "no"}
    async with aiohttp.ClientSession() as session:
        for question, status in ((other, 404), (unsubscribe, 404), (denied, 200)):
            async with session.get(callback, params=question) as answer:
                assert answer.status == status
    [feed_id] = await world.redis.hkeys(world.names.feeds)
    push = await load_push(world.redis, world.names, feed_id.decode())
    assert push is not None
    assert push.state == "refused"
    assert await hub.push(b"") == 410
