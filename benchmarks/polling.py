"""Feeds a CPU second, beside the library `reader` on the same local server and documents.

Not part of `make bench`, for it needs `pip install -r requirements/benchmark.in`:

    python -m benchmarks.polling [FEEDS]

Measured is the processor time of each poller with all its children; ours is `tocsin ingest` as it is run, and the
time of its Redis is shown beside it and counted in. The server's own is not counted. Each of the four polls is of all
feeds: first; unchanged, answered 304; unchanged, from a server without validators; one new entry in each.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from redis import Redis

from benchmarks.feed_server import address
from benchmarks.material import own_redis
from shared.names import Names
from shared.redis_server import free_port

ENTRIES = 20
STEPS = ("first", "unchanged, 304", "unchanged, no validators", "one new entry each")
# What the server is told before each step; before the third, every poller first polls once without validators.
MODES = ("etag=1&bump=0", "etag=1", "etag=0", "etag=1&bump=1")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one poll of all feeds took."""

    cpu: float
    wall: float
    hits: dict[str, int]


class Server:
    """The feed server in its own process."""

    def __init__(self, feeds: int) -> None:
        self.port, self.feeds = free_port(), feeds
        command = [sys.executable, "-m", "benchmarks.feed_server", str(feeds), str(ENTRIES), str(self.port)]
        self._process = subprocess.Popen(command)
        self._wait()

    def _wait(self) -> None:
        for _ in range(300):
            try:
                self.hits()
                return
            except OSError:
                time.sleep(0.1)

    def mode(self, query: str) -> None:
        """Change how it answers."""
        self._ask(f"/mode?{query}", b"")

    def hits(self) -> dict[str, int]:
        """Return what was asked since the last change."""
        return dict(json.loads(self._ask("/hits", None)))

    def _ask(self, path: str, data: bytes | None) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data, timeout=60) as answer:
            return bytes(answer.read())

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


def cpu_of(*processes: psutil.Process) -> float:
    """Return the processor time of processes and their children, ended ones included."""
    total = 0.0
    for process in processes:
        for each in (process, *process.children(recursive=True)):
            times = each.cpu_times()
            total += times.user + times.system + (times.children_user + times.children_system)
    return total


def memory_of(process: psutil.Process) -> float:
    """Return the proportional memory of a process and its children, in MB: what they share counts once."""
    return sum(each.memory_full_info().pss for each in (process, *process.children(recursive=True))) / 1e6


@contextmanager
def ingest(redis_url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`tocsin ingest` on a list of feeds that is empty as yet."""
    (folder / "feeds.toml").write_text("")
    environment = os.environ | {
        "TOCSIN_REDIS_URL": redis_url,
        "TOCSIN_FEEDS_FILE": str(folder / "feeds.toml"),
        "TOCSIN_ALLOW_HOSTS": "127.0.0.0/8",
        "TOCSIN_POLL_INTERVAL_MIN": "0.001",
        "TOCSIN_HOST_PAUSE": "0",
        "TOCSIN_DATA_DIR": str(folder),
        "TOCSIN_LOG_LEVEL": "error",
    }
    process = subprocess.Popen([sys.executable, "-m", "cli.main", "ingest"], env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def ours(server: Server) -> tuple[list[Cost], float]:
    """Return what each step cost `tocsin ingest` and its Redis, and its memory in MB."""
    names, costs = Names(), []
    with own_redis() as store, TemporaryDirectory() as folder:
        redis = Redis.from_url(store.url)
        redis_process = psutil.Process(redis.info("server")["process_id"])
        server.mode(MODES[0])
        with ingest(store.url, Path(folder)) as started:
            process = psutil.Process(started.pid)
            time.sleep(4)  # Its start is not polling. It looks at its list of feeds every ten seconds.
            began, cpu = time.time(), cpu_of(process, redis_process)
            tables = (f'[[feed]]\nurl = "{address(server.port, feed)}"\n' for feed in range(server.feeds))
            (Path(folder) / "feeds.toml").write_text("".join(tables))
            _finish(server, redis, names, polled=began)
            costs.append(Cost(cpu_of(process, redis_process) - cpu, time.time() - began, server.hits()))
            for mode in MODES[1:]:
                server.mode(mode)
                if mode == "etag=0":
                    _poll_all(server, redis, names)
                    server.mode(mode)
                costs.append(_measure(server, redis, names, process, redis_process))
            memory = memory_of(process)
        published = redis.xlen(names.published)
        assert published == server.feeds * (ENTRIES + 1), published
    return costs, memory


def _measure(server: Server, redis: Redis, names: Names, *processes: psutil.Process) -> Cost:
    cpu, wall = cpu_of(*processes), time.perf_counter()
    _poll_all(server, redis, names)
    return Cost(cpu_of(*processes) - cpu, time.perf_counter() - wall, server.hits())


def _poll_all(server: Server, redis: Redis, names: Names) -> None:
    """Make every feed due, and wait until each was polled."""
    now = time.time()
    redis.zadd(names.feeds_due, dict.fromkeys(redis.hkeys(names.feeds), now))
    _finish(server, redis, names, polled=now)


def _finish(server: Server, redis: Redis, names: Names, *, polled: float) -> None:
    """Wait until every feed is due later than it was: the last thing that a poll does."""
    for _ in range(3000):
        known = redis.zcount(names.feeds_due, polled + 60, "+inf")
        if known == server.feeds and sum(server.hits().values()) >= server.feeds:
            return
        time.sleep(0.1)
    raise TimeoutError(f"{server.hits()}")


def theirs(server: Server) -> tuple[list[Cost], float]:
    """Return what each step cost `reader`, and its memory in MB."""
    server.mode(MODES[0])
    with TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "benchmarks.polling",
            "reader",
            str(server.port),
            str(server.feeds),
            folder,
        ]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    answer = json.loads(done.stdout)
    return [Cost(**cost) for cost in answer["costs"]], answer["memory"]


def run_reader(port: int, feeds: int, folder: str) -> None:
    """Poll with `reader`, in a process of its own; print what it cost."""
    from reader import make_reader

    server = Server.__new__(Server)
    server.port, server.feeds = port, feeds
    reader = make_reader(f"{folder}/reader.sqlite")
    for feed in range(feeds):
        reader.add_feed(address(port, feed))
    costs: list[dict[str, object]] = []
    process = psutil.Process()
    for mode in MODES:
        server.mode(mode)
        if mode == "etag=0":
            reader.update_feeds(scheduled=False)
            server.mode(mode)
        cpu, wall = cpu_of(process), time.perf_counter()
        reader.update_feeds(scheduled=False)
        costs.append(
            {"cpu": cpu_of(process) - cpu, "wall": time.perf_counter() - wall, "hits": server.hits()}
        )
    broken = reader.get_feed_counts(broken=True).total
    entries = reader.get_entry_counts().total
    assert (broken, entries) == (0, feeds * (ENTRIES + 1)), (broken, entries)
    print(json.dumps({"costs": costs, "memory": memory_of(process)}))


def main(feeds: int) -> None:
    """Print the table."""
    server = Server(feeds)
    try:
        our_costs, our_memory = ours(server)
        their_costs, their_memory = theirs(server)
    finally:
        server.stop()
    print(f"feeds a CPU second, {feeds} feeds of {ENTRIES} entries: ours (with its Redis) / reader")
    for step, mine, other in zip(STEPS, our_costs, their_costs, strict=True):
        rate, yardstick = feeds / max(mine.cpu, 0.01), feeds / max(other.cpu, 0.01)
        print(
            f"{step:26} {rate:8.0f} / {yardstick:6.0f} = {rate / yardstick:6.1f}   {mine.hits} {other.hits}"
        )
    print(f"memory, MB: {our_memory:.0f} / {their_memory:.0f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["reader"]:
        run_reader(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
