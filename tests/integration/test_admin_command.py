"""`tocsin admin` as an operator runs it, on a real Redis."""

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.admin import admin
from cli.commands import app
from services.api.adapters import replays
from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.delivery import Attempt, delivery_id, owed_report
from shared.endpoints import EmailEndpoint
from shared.maintenance import PAUSED
from shared.names import Names
from shared.redis_client import at_once
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Filter
from tests.builders import make_report, make_tagged, store_reports
from tests.integration.test_subscriptions_command import make_subscription
from tests.processes import until

NOW = datetime.now(UTC)
WHO = "Somebody@People.example"
Run = Callable[..., str]


@pytest.fixture
def run(redis_url: str, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a subcommand; return what it printed."""
    monkeypatch.setenv("TOCSIN_REDIS_URL", redis_url)
    monkeypatch.setenv("TOCSIN_KEY_PREFIX", names.prefix)
    monkeypatch.setenv("TOCSIN_DATA_DIR", str(tmp_path))

    def run(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(admin, list(arguments))
        assert done.exit_code == status, done.output
        return done.output

    return run


async def in_thread(work: Callable[..., str], *arguments: str, **more: Any) -> str:
    """A command has an event loop of its own."""
    return await asyncio.to_thread(work, *arguments, **more)


async def every_key(bus: Bus) -> str:
    """All that Redis holds for the installation, keys and values."""
    found = []
    async for key in bus.redis.scan_iter(f"{bus.names.prefix}*"):
        kind = (await bus.redis.type(key)).decode()
        reads: dict[str, tuple[object, ...]] = {
            "string": ("GET", key),
            "hash": ("HGETALL", key),
            "list": ("LRANGE", key, 0, -1),
            "zset": ("ZRANGE", key, 0, -1),
            "set": ("SMEMBERS", key),
            "stream": ("XRANGE", key, "-", "+"),
        }
        found.append(f"{key} {await bus.redis.execute_command(*reads[kind])}")
    return "\n".join(found)


async def test_status_shows_groups_and_says_what_is_missing(bus: Bus, run: Run) -> None:
    await bus.redis.xgroup_create(bus.names.tagged, "notify", id="0", mkstream=True)
    await bus.redis.xadd(bus.names.tagged, {"event": "{}"})
    await SubscriptionStore(bus).add(make_subscription("a", state="disabled", reason="it is gone: 410"))
    shown = await in_thread(run, "status", status=1)
    assert "notify" in shown
    assert "sub_a is disabled: it is gone: 410" in shown
    assert "no classify is running" in shown


async def test_status_counts_no_process_that_has_died(bus: Bus, run: Run) -> None:
    for group, consumers in (("notify", ("dead", "alive")), ("theirs", ("one", "two", "three"))):
        await bus.redis.xgroup_create(bus.names.tagged, group, id="0", mkstream=True)
        for consumer in consumers:
            await bus.redis.xgroup_createconsumer(bus.names.tagged, group, consumer)
    await bus.redis.zadd(bus.names.instances, {"notify alive": time.time() + 60, "notify dead": 0})
    shown = (await in_thread(run, "status", status=1)).splitlines()
    counted = {
        group: line.split() for group in ("notify", "theirs") for line in shown[:-1] if group in line.split()
    }
    assert "1" in counted["notify"]
    assert "2" not in counted["notify"]
    assert "3" in counted["theirs"]


async def test_pausing_waits_until_nobody_works(bus: Bus, run: Run) -> None:
    names, now = bus.names, time.time()
    await bus.redis.zadd(names.instances, {"notify one": now + 60, "ingest two": now + 60})
    pausing = asyncio.create_task(in_thread(run, "pause", "notify"))
    await until(lambda: bus.redis.hexists(names.paused, "notify"), 20)
    assert not pausing.done()
    await at_once(
        bus.redis,
        ("ZREM", names.instances, "notify one"),
        ("ZADD", names.instances, now + 60, f"notify one {PAUSED}"),
    )
    assert "has nothing in hand" in await pausing
    assert "notify has been paused since" in await in_thread(run, "status", status=1)
    await in_thread(run, "resume", "notify")
    await in_thread(run, "resume", "notify", status=1)


async def test_a_span_of_time_is_sent_again_and_nothing_twice(bus: Bus, run: Run) -> None:
    subscription = make_subscription("a", filter=Filter(query="families"), since=NOW - timedelta(days=9))
    await SubscriptionStore(bus).add(subscription)
    reports = {hours: make_report("Families flee") for hours in (1, 3, 5, 7)}
    for hours, report in reports.items():
        moment = NOW - timedelta(hours=hours)
        await store_reports(bus, [make_tagged(report)], moment=moment)
    log = DeliveryLog(bus)
    delivered = owed_report(subscription.id, reports[3].id, NOW - timedelta(hours=3))
    await log.owe([delivered.after(Attempt(NOW, "delivered"), "delivered")])
    await bus.redis.delete(bus.names.deliveries)

    def since(hours: float) -> str:
        return (NOW - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M")

    assert "1 deliveries to 1 of 1" in await in_thread(
        run, "replay", "--since", since(6), "--until", since(2)
    )
    queued = [fields[b"id"].decode() for _, fields in await bus.redis.xrange(bus.names.deliveries)]
    assert queued == [delivery_id(subscription.id, reports[5].id)]
    assert "0 deliveries" in await in_thread(run, "replay", "--since", since(6), "--until", since(2))
    await in_thread(run, "replay", "--since", since(6), "--subscription", "nobody", status=1)


async def test_one_that_cannot_be_sent_again_is_named_and_the_others_are(
    bus: Bus, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "KEPT_PER_SUBSCRIPTION", 1)
    begin, log = NOW - timedelta(days=9), DeliveryLog(bus)
    for name in ("busy", "calm"):
        alert = make_subscription(name, filter=Filter(query="families"), since=begin)
        await SubscriptionStore(bus).add(alert)
    report = make_report("Families flee")
    await store_reports(bus, [make_tagged(report)], moment=NOW - timedelta(days=6))
    settled = owed_report(make_subscription("busy").id, "other", NOW)
    await log.owe([settled.after(Attempt(NOW, "delivered"), "delivered")])
    told = await in_thread(run, "replay", "--since", f"{begin:%Y-%m-%d}", status=1)
    assert "1 deliveries to 1 of 2" in told
    assert "is not known any more, and would come twice: name a later moment" in " ".join(told.split())


def test_a_log_is_cut_where_its_oldest_was_put_there_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "KEPT_PER_SUBSCRIPTION", 2)
    days = [NOW - timedelta(days=number) for number in range(10)]
    newest = owed_report("sub_a", "new", days[1])
    sent_again = owed_report("sub_a", "old", days[9]).after(Attempt(days[2], "delivered"), "delivered")
    assert [replays._is_cut([newest, sent_again], since) for since in (days[3], days[1])] == [True, False]
    assert not replays._is_cut([newest], days[9])


async def test_a_person_is_erased_and_nobody_else(bus: Bus, run: Run, tmp_path: Path) -> None:
    store, log = SubscriptionStore(bus), DeliveryLog(bus)
    theirs = EmailEndpoint(type="email", address=WHO)
    await store.add(make_subscription("theirs", channel=theirs, secret=None))
    await store.add(make_subscription("shared", fallback=theirs, fallback_confirmed=True))
    await store.add(make_subscription("other"))
    for name in ("theirs", "other"):
        attempt = Attempt(NOW, "failed", f"550 no mailbox {WHO}" if name == "theirs" else "")
        await log.owe([owed_report(f"sub_{name}", "report1", NOW).after(attempt, "pending")])
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / "a.eml").write_text(f"To: {WHO}\n\nhello")
    (tmp_path / "outbox" / "b.eml").write_text("To: other@people.example\n\nhello")
    shown = await in_thread(run, "erase", WHO.lower())
    assert "say --yes" in shown
    assert WHO in await every_key(bus)
    shown = await in_thread(run, "erase", WHO.lower(), "--yes")
    assert "erased" in shown
    assert "backups" in shown
    held = await every_key(bus)
    assert WHO.lower() not in held.lower()
    assert delivery_id("sub_theirs", "report1") not in held.replace(
        str(await bus.redis.xrange(bus.names.deliveries)), ""
    )
    assert delivery_id("sub_other", "report1") in held
    assert {each.id for each in await store.all()} == {"sub_shared", "sub_other"}
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == ["b.eml"]
    await in_thread(run, "erase", WHO, status=1)


async def test_every_command_of_the_runbook_runs(
    bus: Bus, names: Names, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await SubscriptionStore(bus).add(
        make_subscription(
            "a", channel=EmailEndpoint(type="email", address="somebody@example.org"), secret=None
        )
    )
    runbook = (Path(__file__).parent.parent.parent / "docs" / "runbook.md").read_text()
    lines = re.findall(r"^    tocsin (.+?)(?:\s+#.*)?$", runbook, re.MULTILINE)
    assert len(lines) >= 8
    for line in sorted(lines, key=lambda line: not line.startswith("backup")):
        words = re.sub(r"/safe/\S+ \S+|\bFILE\b", str(tmp_path / "file"), line).split()
        if words[0] == "restore" and "--verify" not in words:
            # What it is for: everything is gone.
            for key in [key async for key in bus.redis.scan_iter(f"{names.prefix}*")]:
                await bus.redis.delete(key)
        done = await asyncio.to_thread(CliRunner().invoke, app, words)
        assert done.exit_code == (1 if words[:2] == ["admin", "status"] else 0), f"{line}: {done.output}"
    assert await SubscriptionStore(bus).all() == []
