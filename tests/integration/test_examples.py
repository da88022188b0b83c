"""The example consumers, run as they are: every report once across a restart, and loud when something is missing."""

import asyncio
import os
import shutil
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.builders import make_report, make_tagged, store_reports
from tests.processes import until

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = Path(__file__).parent.parent.parent / "docs/examples"


def over_redis(program, script):
    return lambda api, url, cursor: [program, str(EXAMPLES / script), url, str(cursor), api.bus.names.tagged]


def over_http(*command):
    return lambda api, url, cursor: [*command, api.address, str(cursor)]


EXAMPLE = pytest.mark.parametrize(
    ("runtime", "command"),
    [
        pytest.param(sys.executable, over_redis(sys.executable, "python/consume.py"), id="python"),
        pytest.param("redis-cli", over_redis("sh", "shell/consume.sh"), id="shell"),
        pytest.param("node", over_http("node", str(EXAMPLES / "javascript/consume.mjs")), id="javascript"),
        pytest.param("go", over_http("go", "run", str(EXAMPLES / "go/main.go")), id="go"),
    ],
)


@asynccontextmanager
async def running(command):
    """A process; it is ended with the block."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


async def titles(process, count):
    async with asyncio.timeout(60):
        lines = [(await process.stdout.readline()).decode() for _ in range(count)]
    return [line.rstrip("\n").split("\t") for line in lines]


@EXAMPLE
async def test_a_consumer_gets_every_report_once_and_says_when_one_is_missing(
    api, redis_url, tmp_path, runtime, command
):
    if not shutil.which(runtime):
        pytest.skip(f"there is no {runtime} here")
    cursor = tmp_path / "cursor"
    arguments = command(api, redis_url, cursor)
    reports = [make_tagged(make_report(title=f"Title {number}"), aid=("fled",)) for number in range(5)]
    await store_reports(api.bus, reports[:3])
    ids = await ids_of(api)
    async with running(arguments) as consumer:
        found = await titles(consumer, 3)
        await until(lambda: cursor.exists() and cursor.read_text().strip() == ids[-1])
    await store_reports(api.bus, reports[3:])
    ids = await ids_of(api)
    async with running(arguments) as consumer:
        found += await titles(consumer, 2)
    assert [row[:2] for row in found] == [[entry_id, "aid"] for entry_id in ids]
    assert all(f"Title {number}" in row[2] for number, row in enumerate(found))
    await api.bus.redis.xtrim(api.bus.names.tagged, minid=ids[3], approximate=False)
    cursor.write_text(ids[0])
    async with running(arguments) as consumer, asyncio.timeout(60):
        assert await consumer.stdout.read() == b""
        assert await consumer.wait() == 1
        assert (await consumer.stderr.read()).strip()


async def ids_of(api):
    return [raw.decode() for raw, _ in await api.bus.redis.xrange(api.bus.names.tagged)]
