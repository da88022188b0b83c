"""A pytest plugin with the fixtures `api` and `api_bus`.

One server serves a module's tests, each with its own prefix and settings: starting one takes longer than most tests.
"""

import pytest_asyncio

from shared.names import Names
from tests.api_server import connected, running_api
from tests.builders import store_topics
from tests.processes import until


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api_of_module(redis_url, tmp_path_factory):
    async with (
        connected(redis_url, Names("nobody:")) as bus,
        running_api(bus, tmp_path_factory.mktemp("api")) as api,
    ):
        yield api


@pytest_asyncio.fixture(loop_scope="module")
async def api_bus(redis_url, names):
    """A connected bus with a prefix that no other test has."""
    async with connected(redis_url, names) as bus:
        yield bus


@pytest_asyncio.fixture(loop_scope="module")
async def api(api_of_module, api_bus, tmp_path):
    """A client of an api whose rulebook knows aid and displacement."""
    await store_topics(api_bus, "aid", "displacement")
    api_of_module.configure(api_bus, tmp_path)
    yield api_of_module
    await api_of_module.parts.broadcast.close()
    await until(lambda: not api_of_module.parts.broadcast.listeners)
