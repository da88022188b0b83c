"""A feed on this machine, and a poller with a worker, for the tests of polling."""

from collections.abc import AsyncIterator

import pytest

from services.ingest.adapters.parser import Parser
from shared.bus import Bus
from tests.polling import Bench, FeedSite, local_fetcher


@pytest.fixture
async def site() -> AsyncIterator[FeedSite]:
    async with FeedSite() as site:
        yield site


@pytest.fixture
async def bench(bus: Bus, site: FeedSite) -> AsyncIterator[Bench]:
    fetcher = local_fetcher(max_bytes=1_000_000, timeout=5)
    async with fetcher, Parser(workers=1, cpu_seconds=1) as parser:
        yield Bench(bus, parser, fetcher, site)
