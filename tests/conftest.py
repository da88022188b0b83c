"""What many tests need: a real Redis, a prefix of its own for each test, builders."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest

from shared import redis_server
from shared.bus import Bus
from shared.names import Names
from shared.neighbours import consumer_name

# The same examples each time, that a change is judged by what it changed; `make soak` looks for new ones.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.register_profile("searching", derandomize=False, deadline=None)
hypothesis.settings.load_profile("steady")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Redis for this run: TOCSIN_TEST_REDIS_URL, or one that is started and ended here."""
    given = os.environ.get("TOCSIN_TEST_REDIS_URL")
    if given:
        yield given
        return
    server = redis_server.start(Path(tmp_path_factory.mktemp("redis")))
    print(server.description)
    yield server.url
    server.stop()


@pytest.fixture
def names() -> Names:
    """A prefix that no other test has."""
    return Names(f"test-{secrets.token_hex(4)}:")


@pytest.fixture
async def bus(redis_url: str, names: Names) -> AsyncIterator[Bus]:
    """A connected bus that reclaims quickly."""
    bus = Bus(redis_url, names, consumer_name(), reclaim_after=0.3, max_deliveries=3, patience=1)
    await bus.connect()
    yield bus
    await bus.close()
