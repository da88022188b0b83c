"""Signed webhooks a second, ours against an npm BullMQ worker that posts by undici, from one Redis to one sink.

python -m benchmarks.bullmq FOLDER, where `npm install bullmq ioredis undici` was run in FOLDER; Node.js must be there.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks.material import best_in_turn, own_redis, sink
from benchmarks.webhook_rate import AT_ONCE, DELIVERIES, ours

WORKER = Path(__file__).with_name("bullmq_worker.mjs")


def theirs(redis_url: str, url: str, folder: Path) -> float:
    """Return webhooks a second of the Node worker, from its start to the last acknowledgement."""
    port = urlsplit(redis_url).port
    command = ["node", str(WORKER), str(port), url, str(DELIVERIES), str(AT_ONCE)]
    return float(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)


def main(folder: Path) -> None:
    """Print both rates."""

    def measured(measure: Callable[[str, str], float]) -> float:
        with own_redis() as server, sink() as url:
            return measure(server.url, url)

    rate, yardstick = best_in_turn(
        lambda: measured(lambda redis, url: uvloop.run(ours(redis, url))),
        lambda: measured(lambda redis, url: theirs(redis, url, folder)),
    )
    print(f"webhooks / BullMQ with undici: {rate:,.0f}/s / {yardstick:,.0f}/s = {rate / yardstick:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
