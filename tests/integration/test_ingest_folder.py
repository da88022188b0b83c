"""Every document of the folder, good and broken, through the limits of the parse workers."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from cli.commands import app
from services.ingest.adapters.parser import Parser
from services.ingest.core.entry import UnreadableDocument
from services.ingest.core.feed import Feed
from shared.events import Report
from tests.feed_folder import documents
from tests.integration.test_ingest_parser import workers_of

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
FEED = Feed(url="https://example.org/rss")


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    async with Parser(workers=1) as parser:
        yield parser


def processor_seconds(worker: psutil.Process) -> float:
    return sum(worker.cpu_times()[:2])


async def test_every_document_ends_with_reports_or_a_named_error_in_time_and_memory(parser: Parser) -> None:
    count, odd, slowest, largest = 0, [], 0.0, 0
    for name, body in documents():
        workers = {worker: processor_seconds(worker) for worker in workers_of(psutil.Process())}
        try:
            reading = await parser.read(body, None, FEED.url, FEED, NOW)
            assert all(report.title or report.url for report in reading.reports), name
        except UnreadableDocument as e:
            if not e.reason or "broke the parser" in e.reason or "Error" in e.reason:
                odd.append((name, e.reason))
        count += 1
        for worker in workers_of(psutil.Process()):
            # Not by the clock on the wall: the machine may be busy with something else.
            slowest = max(slowest, processor_seconds(worker) - workers.get(worker, 0))
            largest = max(largest, worker.memory_info().rss)
    assert count > 200
    assert odd == []
    assert 0 < slowest < 5
    assert 0 < largest < 300e6


def test_the_command_prints_reports_or_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    chosen = list(documents())[::30]
    outcomes = set()
    for name, body in chosen:
        file = tmp_path / name.replace("/", "-")
        file.write_bytes(body)
        done = CliRunner().invoke(app, ["parse", str(file)])
        status, out, err = done.exit_code, done.stdout, done.stderr
        assert all(Report.model_validate_json(line) for line in out.splitlines()), name
        assert (status, bool(err)) in ((0, False), (1, True)), name
        assert not err or re.fullmatch(r"tocsin: .+\n", err), name
        outcomes.add(status)
    assert outcomes == {0, 1}
