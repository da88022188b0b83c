"""Real services as processes, and the servers around them, all on 127.0.0.0/8."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from xml.sax.saxutils import escape

from aiohttp import web
from standardwebhooks.webhooks import Webhook

from shared.redis_server import free_port


async def until(condition: Callable[[], Awaitable[Any]] | Callable[[], Any], seconds: float = 60) -> None:
    """Wait for a condition; raise TimeoutError if it does not come true."""
    async with asyncio.timeout(seconds):
        while True:
            holds = condition()
            if isinstance(holds, Awaitable):
                holds = await holds
            if holds:
                return
            await asyncio.sleep(0.02)


class Services:
    """`tocsin SERVICE` processes that can be killed and started again; "classify.2" is a second `tocsin classify`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")},
            "PYTHONPATH": str(Path(__file__).parent.parent),
            **environment,
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *services: str) -> None:
        for service in services:
            log = (self._folder / f"{service}.log").open("ab")
            self._running[service] = subprocess.Popen(
                [sys.executable, "-m", "cli.main", service.partition(".")[0]],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
            log.close()

    def command(self, *arguments: str, **environment: str) -> str:
        """Run a command of `tocsin` to its end; return what it printed."""
        command = [sys.executable, "-m", "cli.main", *arguments]
        done = subprocess.run(
            command,
            cwd=self._folder,
            env={**self._environment, **environment},
            text=True,
            capture_output=True,
            check=True,
        )
        return done.stdout

    def signal(self, service: str, number: signal.Signals) -> None:
        self._running[service].send_signal(number)

    def kill(self, service: str) -> None:
        """SIGKILL, and wait until the process is gone."""
        self._running[service].send_signal(signal.SIGKILL)
        self._running[service].wait()

    def stop(self, service: str) -> int:
        """SIGTERM; return the exit status."""
        self._running[service].terminate()
        return self._running[service].wait(30)

    def memory(self) -> dict[str, float]:
        """Return the resident memory of each process that runs, in MB."""
        pages = {
            name: Path(f"/proc/{process.pid}/statm").read_text().split()[1]
            for name, process in self._running.items()
            if process.poll() is None
        }
        return {name: int(count) * os.sysconf("SC_PAGE_SIZE") / 1e6 for name, count in pages.items()}

    def alive(self, service: str) -> bool:
        return self._running[service].poll() is None

    def log_of(self, service: str) -> str:
        return (self._folder / f"{service}.log").read_text()

    def end(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + 20
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class HttpServer:
    """An aiohttp application on a free port of every loopback address."""

    def __init__(self) -> None:
        self.port = free_port()
        self.app = web.Application()
        self._runner = web.AppRunner(self.app, access_log=None)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "0.0.0.0", self.port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


@dataclass(frozen=True)
class Item:
    """An entry of a test feed."""

    title: str
    text: str
    guid: str = ""


def rss(items: Sequence[Item], title: str = "A test feed") -> str:
    """Return an RSS document with these items, the last first."""
    entries = "".join(
        f"<item><guid isPermaLink='false'>{escape(item.guid or item.title)}</guid><title>{escape(item.title)}</title>"
        f"<link>https://news.example/{escape(item.guid or 'item')}</link>"
        f"<description>{escape(item.text)}</description></item>"
        for item in reversed(items)
    )
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>{title}</title>{entries}</channel></rss>"


class FeedServer(HttpServer):
    """Feeds whose items a test adds, or writes whole. Each feed has a host of its own: politeness is by host."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, list[Item]] = defaultdict(list)
        self.documents: dict[str, bytes] = {}
        self.app.router.add_get("/{feed}.xml", self._serve)

    def url(self, number: int) -> str:
        return f"http://127.0.1.{number + 1}:{self.port}/{number}.xml"

    async def _serve(self, request: web.Request) -> web.Response:
        name = request.match_info["feed"]
        body = self.documents.get(name) or rss(self.items[name]).encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        return web.Response(body=body, content_type="application/rss+xml", headers={"ETag": etag})


@dataclass
class WebhookSink(HttpServer):
    """Takes webhooks, verifies them with the receivers' own library, and remembers."""

    status: int = 204
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    refused: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self._told: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.app.router.add_post("/hook/{who}", self._take)

    def url(self, who: str) -> str:
        return f"http://127.0.0.1:{self.port}/hook/{who}"

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        who = request.match_info["who"]
        try:
            # The secret is known only when the API has answered; the test event may be here before it.
            await until(lambda: who in self.secrets, seconds=10)
            data: dict[str, Any] = Webhook(self.secrets[who]).verify(body.decode(), dict(request.headers))
        except Exception:
            self.refused += 1
            return web.Response(status=400, text="signature does not verify")
        webhook_id = request.headers["webhook-id"]
        self.received.append((webhook_id, data))
        if data["type"] == "report.matched":
            subscription, report = data["data"]["subscription"]["id"], data["data"]["report"]["id"]
            self._told[subscription][report].add(webhook_id)
        return web.Response(status=self.status)

    def reports(self, subscription: str) -> dict[str, set[str]]:
        """Return the webhook-ids by report that a subscription was sent."""
        return self._told[subscription]


def write_feeds(path: Path, urls: Sequence[str]) -> None:
    """Write a feeds.toml."""
    path.write_text("".join(f'[[feed]]\nurl = "{url}"\ninterval = 1\n\n' for url in urls))
