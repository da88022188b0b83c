"""Parsing in real worker processes, with documents that do harm."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from services.ingest.adapters.fetcher import FetchError
from services.ingest.adapters.one_feed import read_reports
from services.ingest.adapters.parser import Parser
from services.ingest.core.draft import Reading
from services.ingest.core.entry import UnreadableDocument
from services.ingest.core.feed import Feed
from services.ingest.settings import IngestSettings

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
FEED = Feed(url="https://example.org/rss")


def rss(items: str) -> bytes:
    return f"<rss version='2.0'><channel><title>News</title>{items}</channel></rss>".encode()


GOOD = rss("<item><guid>1</guid><title>Talks</title></item>")
RUNAWAY = b"<!DOCTYPE rss>" + rss(
    "<item><title " + " ".join(f'a{n}="1"' for n in range(100_000)) + ">x</title></item>"
)


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    async with Parser(workers=1, cpu_seconds=1) as parser:
        yield parser


async def read(parser: Parser, body: bytes) -> Reading:
    return await parser.read(body, "application/rss+xml", FEED.url, FEED, NOW)


async def test_what_is_no_feed_is_named(parser: Parser) -> None:
    with pytest.raises(UnreadableDocument, match="this is a web page, not a feed"):
        await read(parser, b"<!doctype html><html></html>")


async def test_a_document_that_runs_away_fails_alone_and_soon(parser: Parser) -> None:
    bad, good = await asyncio.gather(read(parser, RUNAWAY), read(parser, GOOD), return_exceptions=True)
    assert isinstance(bad, UnreadableDocument)
    assert bad.reason == "reading it takes more than 1 seconds"
    assert isinstance(good, Reading)


async def test_a_document_that_takes_too_much_memory_fails_alone() -> None:
    async with Parser(workers=1, memory_bytes=60_000_000) as parser:
        with pytest.raises(UnreadableDocument, match=r"more memory|broke the parser"):
            await read(parser, rss(f"<item><description>{'many words ' * 3_000_000}</description></item>"))
        assert await read(parser, GOOD)


async def test_a_worker_killed_at_rest_is_replaced(parser: Parser) -> None:
    await read(parser, GOOD)
    [worker] = workers_of(psutil.Process())
    worker.kill()
    while worker.status() != psutil.STATUS_ZOMBIE:
        await asyncio.sleep(0.01)
    assert await read(parser, GOOD)


async def test_a_worker_killed_at_work_costs_one_document(parser: Parser) -> None:
    await read(parser, GOOD)
    [worker] = workers_of(psutil.Process())
    reading = asyncio.create_task(read(parser, RUNAWAY))
    await asyncio.sleep(0.2)
    worker.kill()
    with pytest.raises(UnreadableDocument):
        await reading
    assert await read(parser, GOOD)


async def test_a_reading_that_is_called_off_leaves_the_parser_usable(parser: Parser) -> None:
    reading = asyncio.create_task(read(parser, RUNAWAY))
    await asyncio.sleep(0.2)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await read(parser, GOOD)


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children() if "parse_worker" in " ".join(child.cmdline())]


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout
        parent.stdout.readline()
        workers = workers_of(psutil.Process(parent.pid))
        parent.kill()
        _, alive = psutil.wait_procs(workers, timeout=10)
    assert workers
    assert alive == []


PARENT = """
import asyncio
from tests.integration.test_ingest_parser import GOOD, read
from services.ingest.adapters.parser import Parser

async def main():
    async with Parser(workers=2) as parser:
        await read(parser, GOOD)
        print("ready", flush=True)
        await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_one_feed_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(GOOD)
    reports = await read_reports(str(tmp_path / "a.xml"), IngestSettings(), NOW)
    assert [report.title for report in reports] == ["Talks"]


async def test_one_feed_that_cannot_be_had_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no such file"):
        await read_reports(str(tmp_path / "missing.xml"), IngestSettings(), NOW)
