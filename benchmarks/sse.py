"""Tagged -> received by a thousand listeners of one api process, at 50 reports a second; and what one listener costs.

The listeners are a process of their own: 1,000 sockets that note when the id of an event came by.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import aiohttp
import psutil

from benchmarks.material import make_report, own_redis, until
from shared.bus import Bus
from shared.entries import xadd
from shared.events import Story, TaggedReport, fields_of, tagged
from shared.names import Names
from shared.redis_server import free_port

_EVENT = re.compile(rb"\nid: (\d+-\d+)\ndata:")
LONGEST_HEAD = 40

LISTENERS = 1000
A_SECOND = 50
SECONDS = 10


class _Reader(asyncio.Protocol):
    """Notes the moment at which each id came, without keeping what came."""

    def __init__(self, received: list[tuple[bytes, float]]) -> None:
        self._received = received
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"GET /v1/events HTTP/1.1\r\nHost: bench\r\n\r\n")  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        now = time.time()
        data = self._rest + data
        done = 0
        # A heartbeat has an id too, and no data.
        for found in _EVENT.finditer(data):
            self._received.append((found[1], now))
            done = found.end()
        self._rest = data[max(done, len(data) - LONGEST_HEAD) :]


async def _listen(port: int, listeners: int) -> None:
    received: list[tuple[bytes, float]] = []
    loop = asyncio.get_running_loop()
    for _ in range(listeners):
        await loop.create_connection(lambda: _Reader(received), "127.0.0.1", port)
    print("connected", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    added: dict[bytes, int] = {}
    waits = []
    for raw_id, moment in received:
        added[raw_id] = added.get(raw_id, 0) + 1
        waits.append(moment - int(raw_id.partition(b"-")[0]) / 1000)
    cuts = quantiles(waits, n=100)
    print(json.dumps({"received": len(received), "ids": len(added), "p50": cuts[49], "p99": cuts[98]}))


async def _publish(bus: Bus, reports: int) -> None:
    started = time.monotonic()
    for number in range(reports):
        report = make_report(number, datetime.now(UTC))
        whole = TaggedReport(
            report=report, story=Story(id=report.id, position=1, sources=1), rulebook="bench"
        )
        await bus.redis.execute_command(*xadd(bus.names.tagged, fields_of(tagged(whole, datetime.now(UTC)))))
        await asyncio.sleep(max(0, started + (number + 1) / A_SECOND - time.monotonic()))


async def _measure(redis_url: str) -> dict[str, float]:
    port = free_port()
    settings = {"TOCSIN_REDIS_URL": redis_url, "TOCSIN_HTTP_PORT": str(port), "TOCSIN_LOG_LEVEL": "error"}
    command = [sys.executable, "-m", "cli.main", "api"]
    api = subprocess.Popen(command, env={**os.environ, **settings})  # noqa: ASYNC220
    bus = Bus(redis_url, Names(), "bench")
    await bus.connect()
    try:
        await until(lambda: _listeners_are(port, 0), 30)
        await _publish(bus, 20)
        before = psutil.Process(api.pid).memory_info().rss
        command = [sys.executable, "-m", "benchmarks.sse", str(port), str(LISTENERS)]
        clients = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert clients.stdout
        assert clients.stdin
        await clients.stdout.readline()
        await until(lambda: _listeners_are(port, LISTENERS), 30)
        await _publish(bus, A_SECOND * SECONDS)
        cost = (psutil.Process(api.pid).memory_info().rss - before) / LISTENERS
        busy = psutil.Process(api.pid).cpu_times().user + psutil.Process(api.pid).cpu_times().system
        await asyncio.sleep(1)
        clients.stdin.write(b"\n")
        figures: dict[str, float] = json.loads(await clients.stdout.readline())
        await clients.wait()
        return {**figures, "bytes": cost, "api cpu s": busy}
    finally:
        api.terminate()
        api.wait()
        await bus.close()


async def _listeners_are(port: int, number: int) -> bool:
    try:
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/v1/stream") as answer:
            return bool((await answer.json())["listeners"] == number)
    except aiohttp.ClientError:
        return False


def measure() -> dict[str, float]:
    """Return p50 and p99 in seconds, events received, and bytes of memory for each listener."""
    with own_redis() as server:
        return asyncio.run(_measure(server.url))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(_listen(int(sys.argv[1]), int(sys.argv[2])))
    else:
        os.chdir(Path(__file__).parent.parent)
        print(measure())
