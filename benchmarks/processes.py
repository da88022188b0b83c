"""Reports through 1, 2 and 4 classify processes, webhooks through 1, 2 and 4 notify processes; then 2 on a cluster.

Rates depend on the machine: the ratios and the seconds of a core that a report, a match and a webhook cost are what
docs/scaling.md counts with. All of it runs on one machine, receiver and Redis too.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psutil

from benchmarks.material import fill, own_redis, sink, until
from benchmarks.webhook_rate import subscription_to, tagged_report
from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.events import tagged
from shared.names import Names
from shared.redis_client import on_every_master
from shared.report_store import forwarded
from shared.subscription_store import SubscriptionStore
from tests.redis_cluster import join, start_nodes

REPORTS = 4_000
MATCHED, SUBSCRIPTIONS = 120, 100
COUNTS = (1, 2, 4)
Load = Callable[[Bus], Awaitable[None]]
EVERYTHING = {"TOCSIN_ALLOW_HOSTS": "127.0.0.0/8", "TOCSIN_ENDPOINT_RATE": "1000000"}
EVERYTHING |= {"TOCSIN_ENDPOINT_CONCURRENCY": "100", "TOCSIN_LOG_LEVEL": "error"}


class Cost(NamedTuple):
    """Units a second; seconds of a core for a unit, in our processes and in Redis; bytes that Redis keeps of it."""

    rate: float
    ours: float
    redis: float
    kept: float


def measure(url: str, servers: list[int], name: str, service: str, processes: int, load: Load) -> Cost:
    """Return what a service costs by report or webhook, given what there is to do."""
    bus = Bus(url, Names(name), "bench")
    with _running(service, processes, {"TOCSIN_REDIS_URL": url, "TOCSIN_KEY_PREFIX": name}) as running:
        return asyncio.run(_measured(bus, service, running, servers, load))


async def _measured(
    bus: Bus, service: str, running: list[psutil.Process], servers: list[int], load: Load
) -> Cost:
    await bus.connect()
    streams = [bus.names.published] if service == "classify" else [bus.names.tagged, bus.names.deliveries]

    log = DeliveryLog(bus)

    async def all_there() -> bool:
        return int(await bus.redis.zcard(bus.names.instances)) == len(running)

    async def done() -> bool:
        # What an endpoint cannot take at once waits beside the stream.
        return all([await _is_done(bus, stream, service) for stream in streams]) and not await log.waiting()

    await until(all_there)
    for process in running:
        process.suspend()
    await load(bus)
    redis = [psutil.Process(pid) for pid in servers]
    before, memory = [_seconds(running), _seconds(redis)], await _memory(bus)
    started = time.perf_counter()
    for process in running:
        process.resume()
    await until(done)
    elapsed = time.perf_counter() - started
    ours, theirs = _seconds(running) - before[0], _seconds(redis) - before[1]
    kept = await _memory(bus) - memory
    units = int(await bus.redis.xlen(streams[-1]))
    await bus.close()
    return Cost(units / elapsed, ours / units, theirs / units, kept / units)


async def _is_done(bus: Bus, stream: str, group: str) -> bool:
    about: Any = await bus.redis.xinfo_stream(stream)
    groups = await bus.redis.xinfo_groups(stream)
    return any(
        each["last-delivered-id"] == about["last-generated-id"] and each["pending"] == 0
        for each in groups
        if each["name"] == group.encode() and about["length"]
    )


async def _memory(bus: Bus) -> float:
    return float(sum(about["used_memory"] for about in await on_every_master(bus.redis, "INFO")))


def _seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in processes)


@contextmanager
def _running(service: str, processes: int, settings: dict[str, str]) -> Iterator[list[psutil.Process]]:
    with TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent.parent),
            **EVERYTHING,
            **settings,
        }
        command = [sys.executable, "-m", "cli.main", service]
        started = [subprocess.Popen(command, cwd=folder, env=environment) for _ in range(processes)]
        try:
            yield [psutil.Process(each.pid) for each in started]
        finally:
            for each in started:
                each.send_signal(signal.SIGTERM)
                each.wait()


async def published(bus: Bus) -> None:
    await fill(bus.redis, bus.names.published, REPORTS)


def matched(address: str) -> Load:
    """Reports of which most are told to every subscription."""

    async def load(bus: Bus) -> None:
        now = datetime.now(UTC)
        for number in range(SUBSCRIPTIONS):
            await SubscriptionStore(bus).add(subscription_to(f"{address}/{number}", number, now))
        # The stopped processes read the subscriptions before the reports: they are first to come.
        for number in range(MATCHED):
            for command in forwarded(bus.names, tagged(tagged_report(number, now), now), 86400).commands:
                await bus.redis.execute_command(*command)

    return load


def measure_all(
    url: str, servers: list[int], counts: tuple[int, ...], prefix: str, note: str, one: dict[str, float]
) -> None:
    """Print a line for each service and number of processes; `one` is the rate of one process."""
    with sink() as address:
        for service, load in (("classify", published), ("notify", matched(address))):
            for count in counts:
                cost = measure(url, servers, prefix.replace("x", f"{service}{count}"), service, count, load)
                ratio = cost.rate / one.setdefault(service, cost.rate)
                print(
                    f"{count} {service + note:32} {cost.rate:8,.0f} {ratio:6.2f} {cost.ours * 1000:8.2f} "
                    f"{cost.redis * 1000:9.3f} {cost.kept:10,.0f}",
                    flush=True,
                )


def main() -> None:
    """Print a table."""
    print(f"{'':34} a second  ratio  core ms  of Redis  bytes kept")
    one: dict[str, float] = {}
    with own_redis() as server:
        measure_all(server.url, [server.process.pid], COUNTS, "x:", "", one)
    with TemporaryDirectory() as folder:
        nodes = start_nodes(Path(folder), 3)
        try:
            join(nodes)
            pids = [node.server.process.pid for node in nodes.nodes]
            measure_all(nodes.url, pids, (1, 2), "{x}:", ", three-node cluster", one)
        finally:
            nodes.stop()


if __name__ == "__main__":
    main()
