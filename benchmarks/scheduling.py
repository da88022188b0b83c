"""What a round of polling costs by how many feeds are known, when as many are due: `python -m benchmarks.scheduling`.

`tocsin ingest` as it is run, and its Redis. A round is: claim what is due, ask for it (304), remember; nothing of it
should depend on the feeds that are not due.
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from redis import Redis

from benchmarks.feed_server import address
from benchmarks.material import own_redis
from benchmarks.polling import Server, cpu_of, ingest
from shared.feeds import feed_id
from shared.names import Names

DUE, ROUNDS = 100, 10
KNOWN = (1_000, 10_000)


def round_cost(server: Server, known: int) -> tuple[float, float]:
    """Return the processor time of a round, and of a second in which nothing is due; in milliseconds."""
    names, far = Names(), datetime.now(UTC) + timedelta(days=1)
    urls = [address(server.port, number) for number in range(known)]
    with own_redis() as store, TemporaryDirectory() as folder:
        redis = Redis.from_url(store.url)
        pipe = redis.pipeline(transaction=False)
        for url in urls[DUE:]:
            pipe.hset(names.feed(feed_id(url)), "next_poll", far.isoformat())
        pipe.execute()
        processes = [psutil.Process(redis.info("server")["process_id"])]
        with ingest(store.url, Path(folder)) as started:
            processes.append(psutil.Process(started.pid))
            (Path(folder) / "feeds.toml").write_text("".join(f'[[feed]]\nurl = "{url}"\n' for url in urls))
            due = [feed_id(url) for url in urls[:DUE]]
            _wait(redis, names, known, time.time())
            cpu = cpu_of(*processes)
            for _ in range(ROUNDS):
                now = time.time()
                redis.zadd(names.feeds_due, dict.fromkeys(due, now))
                _wait(redis, names, known, now)
            busy = cpu_of(*processes) - cpu
            cpu, began = cpu_of(*processes), time.time()
            time.sleep(5)
            idle = (cpu_of(*processes) - cpu) / (time.time() - began)
    return busy / ROUNDS * 1000, idle * 1000


def _wait(redis: Redis, names: Names, known: int, since: float) -> None:
    for _ in range(3000):
        if redis.zcount(names.feeds_due, since + 60, "+inf") == known:
            return
        time.sleep(0.05)
    raise TimeoutError("the feeds were not polled")


def main() -> None:
    """Print the table."""
    server = Server(DUE)
    try:
        server.mode("etag=1&bump=0")
        for known in KNOWN:
            busy, idle = round_cost(server, known)
            print(
                f"{known:6} feeds known, {DUE} due: {busy:5.0f} ms a round; {idle:4.0f} ms a second with none due"
            )
    finally:
        server.stop()


if __name__ == "__main__":
    main()
