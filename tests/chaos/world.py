"""All four services as processes on a real Redis, a feed server, a receiver of webhooks: what chaos is made in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from shared import redis_server
from shared.names import Names
from shared.redis_server import RedisServer, free_port
from tests.processes import FeedServer, Services, WebhookSink, until, write_feeds
from tests.redis_cluster import Servers

NAMES = Names("chaos:")


@dataclass
class World:
    """Everything that runs."""

    services: Services
    redis: RedisServer | Servers
    folder: Path
    feeds: FeedServer
    sink: WebhookSink
    api: str

    def kill_redis(self) -> None:
        """SIGKILL, and start again on the same files and port."""
        assert isinstance(self.redis, RedisServer)
        self.redis.process.kill()
        self.redis.process.wait()
        self.redis = redis_server.start(self.folder / "redis", port=self.redis.port)

    async def start(self, feeds: int) -> None:
        """Write the list of feeds and start all but ingest; return when topics can be followed."""
        write_feeds(self.folder / "feeds.toml", [self.feeds.url(number) for number in range(feeds)])
        self.services.start("classify", "notify", "api")
        await until(lambda: answers(f"{self.api}/livez"), 60)
        await until(self._knows_topics, 60)

    async def _knows_topics(self) -> bool:
        async with aiohttp.ClientSession() as session, session.get(f"{self.api}/v1/topics") as answer:
            return answer.status == 200 and b"displacement" in await answer.read()


@asynccontextmanager
async def running_world(
    tmp_path: Path, redis: RedisServer | Servers | None = None, **environment: str
) -> AsyncIterator[World]:
    """Everything but the services; the block starts them."""
    redis = redis or redis_server.start(tmp_path / "redis")
    feeds, sink = FeedServer(), WebhookSink()
    await feeds.start()
    await sink.start()
    port = free_port()
    services = Services(
        tmp_path,
        {
            "TOCSIN_REDIS_URL": redis.url,
            "TOCSIN_KEY_PREFIX": NAMES.prefix,
            "TOCSIN_HTTP_PORT": str(port),
            "TOCSIN_ALLOW_HOSTS": "127.0.0.0/8",
            "TOCSIN_POLL_INTERVAL_MIN": "0.5",
            "TOCSIN_RECLAIM_AFTER": "1.5",
            "TOCSIN_RETRY_SCHEDULE": ",".join(["1"] * 40),
            "TOCSIN_MAX_DELIVERIES": "50",
            "TOCSIN_LOG_FORMAT": "json",
            "TOCSIN_FETCH_TIMEOUT": "8",
            **environment,
        },
    )
    world = World(services, redis, tmp_path, feeds, sink, f"http://127.0.0.1:{port}")
    try:
        yield world
    finally:
        services.end()
        await feeds.stop()
        await sink.stop()
        world.redis.stop()


async def subscribe(world: World, who: str, wanted: dict[str, Any]) -> str:
    """Set an alert by the API; return the subscription's id once it is active."""
    async with aiohttp.ClientSession(world.api) as session:
        wish = {
            "name": who,
            "filter": wanted,
            "channel": {"type": "webhook", "url": world.sink.url(who)},
            # The reports are as alike as those of one story.
            "one_per_story": False,
        }
        async with session.post("/v1/subscriptions", json=wish) as answer:
            assert answer.status == 201, await answer.text()
            created = await answer.json()
        world.sink.secrets[who] = created["secret"]
        owner = {"Authorization": f"Bearer {created['manage_token']}"}

        async def active() -> bool:
            async with session.get(f"/v1/subscriptions/{created['id']}", headers=owner) as answer:
                return bool((await answer.json())["state"] == "active")

        await until(active, 30)
    return str(created["id"])


async def answers(url: str) -> bool:
    """Return whether a GET is answered by 200."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
