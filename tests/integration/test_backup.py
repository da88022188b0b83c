"""A backup made from a Redis in use, and taken back into an empty one."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.backup_file import About, check_backup, restore_backup, write_backup
from cli.backup_lines import BackupError
from shared import redis_server
from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.delivery import owed_report
from shared.endpoints import WebhookEndpoint
from shared.names import Names
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Filter, Subscription
from tests.builders import make_tagged, store_reports
from tests.processes import Services, WebhookSink, until

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
SECRET = "whsec_" + "A" * 43 + "="


async def back_up(bus: Bus, path: Path) -> About:
    return await write_backup(bus.redis, bus.names, path, now=NOW, tocsin="1.2", progress=lambda lines: None)


async def take_back(bus: Bus, names: Names, path: Path) -> About:
    return await restore_backup(bus.redis, names, path, lambda lines: None)


@pytest.fixture
def elsewhere(names: Names) -> Names:
    return Names(f"restored-{names.prefix}")


async def test_every_kind_of_key_comes_back_as_it_was(bus: Bus, elsewhere: Names, tmp_path: Path) -> None:
    key, redis = bus.names.prefix, bus.redis
    numbers = {f"field{n}": str(n) for n in range(1200)}
    await redis.set(f"{key}server-key", bytes(range(256)), px=60_000)
    await redis.hset(f"{key}hash", mapping=numbers)
    await redis.rpush(f"{key}list", "c", "a", "b", "a")
    await redis.sadd(f"{key}set", "x", "ü")
    await redis.zadd(f"{key}zset", {"a": 1.5, "b": 1773480600.123456, "c": float("inf")})

    await back_up(bus, tmp_path / "file")
    await take_back(bus, elsewhere, tmp_path / "file")

    there = elsewhere.prefix
    assert await redis.get(f"{there}server-key") == bytes(range(256))
    assert 0 < await redis.pttl(f"{there}server-key") <= 60_000
    assert await redis.hgetall(f"{there}hash") == await redis.hgetall(f"{key}hash")
    assert await redis.lrange(f"{there}list", 0, -1) == [b"c", b"a", b"b", b"a"]
    assert await redis.smembers(f"{there}set") == {b"x", "ü".encode()}
    assert await redis.zrange(f"{there}zset", 0, -1, withscores=True) == await redis.zrange(
        f"{key}zset", 0, -1, withscores=True
    )


async def test_a_group_reads_again_what_it_had_not_acknowledged(
    bus: Bus, elsewhere: Names, tmp_path: Path
) -> None:
    stream = bus.names.tagged
    event = json.dumps({"data": {"rulebook": "rb7"}})
    ids = [await bus.redis.xadd(stream, {"event": event, "n": n}) for n in range(1100)]
    await bus.redis.xgroup_create(stream, "notify", id="0")
    await bus.redis.xreadgroup("notify", "one", {stream: ">"}, count=600)
    await bus.redis.xack(stream, "notify", *ids[:100], *ids[200:600])

    assert (await back_up(bus, tmp_path / "file")).rulebook == "rb7"
    await take_back(bus, elsewhere, tmp_path / "file")

    assert await bus.redis.xrange(elsewhere.tagged) == await bus.redis.xrange(stream)
    [[_, again]] = await bus.redis.xreadgroup("notify", "two", {elsewhere.tagged: ">"}, count=2000)
    assert [entry_id for entry_id, _ in again] == ids[100:]


async def test_an_emptied_stream_keeps_its_place(bus: Bus, elsewhere: Names, tmp_path: Path) -> None:
    await bus.redis.xadd(bus.names.deliveries, {"id": "a"}, id="9999999999999-5")
    await bus.redis.xgroup_create(bus.names.deliveries, "notify", id="9999999999999-5")
    await bus.redis.xtrim(bus.names.deliveries, maxlen=0)
    await back_up(bus, tmp_path / "file")
    await take_back(bus, elsewhere, tmp_path / "file")
    info = await bus.redis.xinfo_stream(elsewhere.deliveries)
    assert (info["length"], info["last-generated-id"]) == (0, b"9999999999999-5")
    [group] = await bus.redis.xinfo_groups(elsewhere.deliveries)
    assert group["last-delivered-id"] == b"9999999999999-5"


async def test_what_is_written_meanwhile_is_in_the_file_wholly_or_not_at_all(
    bus: Bus, elsewhere: Names, tmp_path: Path
) -> None:
    """A mark and its entry are written together; a backup that read them at two moments would show one of them."""
    names, written = bus.names, 0

    async def write() -> None:
        nonlocal written
        while True:
            async with bus.redis.pipeline(transaction=True) as both:
                both.hset(f"{names.prefix}marks", str(written), "1")
                both.xadd(names.published, {"n": written})
                await both.execute()
            written += 1

    writer = asyncio.create_task(write())
    await until(lambda: written >= 500)
    before = written
    await back_up(bus, tmp_path / "file")
    after_backup = written
    await until(lambda: written > after_backup + 10)
    writer.cancel()
    await take_back(bus, elsewhere, tmp_path / "file")

    marks = await bus.redis.hkeys(f"{elsewhere.prefix}marks")
    entries = await bus.redis.xrange(elsewhere.published)
    assert {fields[b"n"] for _, fields in entries} == set(marks)
    assert before <= len(marks) <= after_backup + 1


async def test_a_file_that_is_not_whole_is_refused(bus: Bus, elsewhere: Names, tmp_path: Path) -> None:
    await bus.redis.set(f"{bus.names.prefix}one", "1")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    await back_up(bus, whole)
    lines = gzip.decompress(whole.read_bytes()).splitlines(keepends=True)
    header = json.loads(lines[0])
    cases = {
        "no whole backup": whole.read_bytes()[:-20],
        "checksum": gzip.compress(b"".join(lines).replace(b'"1"', b'"2"')),
        "end is missing": gzip.compress(b"".join(lines[:-1])),
        "no whole backup of Tocsin": b"hello",
        "while decompressing": whole.read_bytes()[:30] + b"x" * 20 + whole.read_bytes()[50:],
        "is no backup of Tocsin": gzip.compress(b'{"format": "other"}\n'),
        "a backup of form 9, made by Tocsin 1.2": gzip.compress(json.dumps(header | {"version": 9}).encode()),
    }
    for reason, content in cases.items():
        broken.write_bytes(content)
        with pytest.raises(BackupError, match=reason):
            await take_back(bus, elsewhere, broken)
    assert await bus.redis.keys(f"{elsewhere.prefix}*") == []


async def test_an_installation_in_use_is_not_written_over(bus: Bus, tmp_path: Path) -> None:
    await bus.redis.set(f"{bus.names.prefix}one", "1")
    await back_up(bus, tmp_path / "file")
    with pytest.raises(BackupError, match="already"):
        await take_back(bus, bus.names, tmp_path / "file")


@pytest.fixture
async def sink() -> AsyncIterator[WebhookSink]:
    sink = WebhookSink()
    await sink.start()
    yield sink
    await sink.stop()


async def test_what_was_owed_arrives_after_the_loss_of_redis(
    bus: Bus, sink: WebhookSink, tmp_path: Path
) -> None:
    subscription = Subscription(
        id="sub_owed",
        filter=Filter(topics=("aid",)),
        channel=WebhookEndpoint(type="webhook", url=sink.url("owed")),
        state="active",
        token_hash="",
        secret=SECRET,
        created_at=NOW,
        changed_at=NOW,
    )
    sink.secrets["owed"] = SECRET
    await SubscriptionStore(bus).add(subscription)
    report = make_tagged(aid=("fled",))
    await store_reports(bus, [report])
    await DeliveryLog(bus).owe([owed_report(subscription.id, report.report.id, datetime.now(UTC))])
    await back_up(bus, tmp_path / "file")

    empty = redis_server.start(tmp_path / "redis")
    services = Services(
        tmp_path,
        {
            "TOCSIN_REDIS_URL": empty.url,
            "TOCSIN_KEY_PREFIX": bus.names.prefix,
            "TOCSIN_ALLOW_HOSTS": "127.0.0.0/8",
        },
    )
    try:
        restored = services.command("restore", str(tmp_path / "file"))
        assert "restored" in restored
        services.start("notify")
        await until(lambda: sink.reports(subscription.id).get(report.report.id))
    finally:
        services.end()
        empty.stop()


def test_check_names_what_a_file_holds(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="No such file"):
        check_backup(tmp_path / "none")
