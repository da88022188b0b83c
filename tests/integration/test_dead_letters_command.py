"""`tocsin dead-letters` as an operator runs it, on a real Redis."""

import asyncio

import pytest
from typer.testing import CliRunner

from cli.dead_letters import dead_letters
from shared.bus import Bus
from shared.names import Names


@pytest.fixture
def two_letters(redis_url: str, names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two letters of different streams that came in the same millisecond."""
    monkeypatch.setenv("TOCSIN_REDIS_URL", redis_url)
    monkeypatch.setenv("TOCSIN_KEY_PREFIX", names.prefix)
    monkeypatch.setenv("COLUMNS", "60")

    async def add() -> None:
        bus = Bus(redis_url, names, "test")
        for stream in (names.published, names.tagged):
            about = {
                "stream": stream,
                "group": "g",
                "id": "1-0",
                "deliveries": 5,
                "reason": "no words for it",
            }
            await bus.redis.xadd(names.dead(stream), {**about, "raw:event": "{}"}, id="7-0")
        await bus.close()

    asyncio.run(add())


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(dead_letters, arguments)
    assert result.exit_code == status, result.output
    return result.output


@pytest.mark.usefixtures("two_letters")
def test_one_is_dropped_or_put_back_and_not_another_of_the_same_id(names: Names) -> None:
    listed = run("list")
    assert all(stream in listed for stream in (names.published, names.tagged))
    assert f"{names.tagged}/7-0" in run("drop", "7-0", status=1)
    assert run("drop", f"{names.tagged}/7-0") == "1 dropped\n"
    assert run("replay", "7-0") == "1 replayed\n"
    assert "7-0" not in run("list")
    run("drop", "7-0", status=1)
