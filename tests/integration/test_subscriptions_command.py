"""`tocsin subscriptions` as an operator runs it, on a real Redis."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.subscriptions import subscriptions
from shared.bus import Bus
from shared.endpoints import WebhookEndpoint
from shared.names import Names
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Filter, Subscription

NOW = datetime.now(UTC).replace(microsecond=0)
Run = Callable[..., str]


def make_subscription(name: str, **more: Any) -> Subscription:
    values = {
        "id": f"sub_{name}",
        "filter": Filter(query="aid", countries=("SD",)),
        "channel": WebhookEndpoint(type="webhook", url=f"https://{name}.example/"),
        "state": "active",
        "token_hash": "0" * 64,
        "secret": "whsec_" + "A" * 44,
        "schedule": {"mode": "daily", "quiet_hours": {"from": "22:00", "to": "07:00"}},
        "created_at": NOW,
        "changed_at": NOW,
        "since": NOW,
    }
    return Subscription.model_validate(values | more)


@pytest.fixture
def run(redis_url: str, names: Names, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a subcommand; return what it printed."""
    monkeypatch.setenv("TOCSIN_REDIS_URL", redis_url)
    monkeypatch.setenv("TOCSIN_KEY_PREFIX", names.prefix)
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: str, status: int = 0, typed: str | None = None) -> str:
        result = CliRunner().invoke(subscriptions, arguments, input=typed)
        assert result.exit_code == status, result.output
        return result.output

    return run


@pytest.fixture
def store(redis_url: str, names: Names) -> list[Subscription]:
    """Two subscriptions that are there."""
    stored = [make_subscription("a"), make_subscription("b")]

    async def add() -> None:
        bus = Bus(redis_url, names, "test")
        await bus.connect()
        for each in stored:
            await SubscriptionStore(bus).add(each)
        await bus.close()

    asyncio.run(add())
    return stored


def test_what_is_exported_is_taken_in_as_it_was(run: Run, store: list[Subscription]) -> None:
    exported = run("export")
    assert len(exported.splitlines()) == 2
    run("remove", "sub_a")
    assert run("import", "-", typed=exported) == "1 taken in, 1 left as they are\n"
    assert sorted(run("export").splitlines()) == sorted(exported.splitlines())
    changed = exported.replace('"active"', '"paused"')
    assert run("import", "-", "--replace", typed=changed) == "2 taken in, 0 left as they are\n"
    assert json.loads(run("show", "sub_b"))["state"] == "paused"


def test_one_wrong_line_and_nothing_is_taken_in(run: Run, store: list[Subscription]) -> None:
    exported = run("export").replace("sub_", "sub_new_").splitlines()
    broken = exported[1].replace('"query":"aid"', '"query":"aid AND"')
    message = run("import", "-", status=1, typed=f"{exported[0]}\n{broken}\n")
    assert "line 2: filter.query: " in message
    assert "nothing to the right of AND" in message
    assert len(run("export").splitlines()) == 2
    run("import", "-", status=1, typed=exported[0].replace("sub_new_", "../x y "))


def test_they_are_listed_by_address_and_shown_without_secrets(run: Run, store: list[Subscription]) -> None:
    listed = run("list", "--to", "https://a.example/")
    assert "sub_a" in listed
    assert "sub_b" not in listed
    shown = run("show", "sub_a", "--all")
    assert "whsec_" not in shown
    assert json.loads(shown)["deliveries"] == []
    run("show", "sub_none", status=1)


def test_only_what_is_active_is_paused(run: Run, store: list[Subscription]) -> None:
    assert run("pause", "sub_a") == "sub_a is paused\n"
    run("pause", "sub_a", status=1)
    run("remove", "sub_none", status=1)
