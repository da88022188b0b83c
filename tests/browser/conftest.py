"""A Chromium of the machine and an installation with the sample feed, for all tests of this folder."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.installation import Installation, installed
from tools.screenshots import installation

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an installation that has read the sample feed."""
    with installation(Path(tmp_path_factory.mktemp("tocsin"))) as address:
        yield address


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: chromium), and none named in CHROMIUM")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """Four services and a world around them. It asks for the browser: nothing is started where there is none."""
    async with installed(tmp_path_factory.mktemp("running"), feeds_listed=3) as installation:
        yield installation
