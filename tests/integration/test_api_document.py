"""docs/api.md: every curl line in it works as it stands."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from tests.builders import make_tagged, store_reports

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENT = (Path(__file__).parent.parent.parent / "docs/api.md").read_text()
LINES = re.findall(r"^    (curl .*)$", DOCUMENT, re.MULTILINE)
TIMED_OUT = 28
REFUSED = ("topic=floods",)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("8000")[1][:40])
async def test_a_line_of_the_document_works(api, line):
    if not shutil.which("curl"):
        pytest.skip("there is no curl here")
    await store_reports(api.bus, [make_tagged(displacement=("fled",), aid=("fled",))])
    line = line.replace("http://127.0.0.1:8000", api.address).replace("--max-time 2", "--max-time 0.3")
    flag = "" if any(each in line for each in REFUSED) else " --fail-with-body"
    process = await asyncio.create_subprocess_shell(
        line.replace("curl ", f"curl{flag} ", 1), stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await process.communicate()
    assert process.returncode == (TIMED_OUT if "--max-time" in line else 0), answer
    assert answer


async def test_the_document_is_not_empty_of_lines(api):
    assert len(LINES) > 10
