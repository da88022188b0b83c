"""A rulebook that is edited while classify runs, on a real Redis."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from services.classify.adapters.live_rulebook import LiveRulebook
from services.classify.app import make_app
from services.classify.settings import ClassifySettings
from shared.bus import Bus
from shared.catalogue import read_catalogue, read_edit, read_problem
from shared.events import fields_of, published
from tests.builders import NOW, make_report, make_tagged, store_reports
from tests.unit.test_rulebook import RULE

BROKEN = RULE.replace("version: 1", "version: one")


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "floods.yaml").write_text(RULE)
    return tmp_path


@pytest.fixture
async def live(bus: Bus, folder: Path) -> AsyncIterator[LiveRulebook]:
    rulebook = LiveRulebook(bus, folder, look_every=0.05)
    await rulebook.announce()
    watching = asyncio.create_task(rulebook.watch())
    yield rulebook
    while not watching.done():
        # redis-py may turn a cancellation into an error, which a loop survives.
        watching.cancel()
        await asyncio.wait([watching], timeout=1)


async def test_a_changed_file_is_taken_over_and_told(bus: Bus, folder: Path, live: LiveRulebook):
    (folder / "floods.yaml").write_text(RULE.replace("title: Floods", "title: High water"))
    await until(lambda: _title_is(bus, "High water"))
    assert live.current.topics[0].title == "High water"


async def test_a_file_that_is_put_in_its_place_with_the_same_size_and_date_is_seen(
    bus: Bus, folder: Path, live: LiveRulebook
):
    about = (folder / "floods.yaml").stat()
    (folder / "new").write_text(RULE.replace("title: Floods", "title: Deluge"))
    os.utime(folder / "new", ns=(about.st_atime_ns, about.st_mtime_ns))
    (folder / "new").replace(folder / "floods.yaml")
    await until(lambda: _title_is(bus, "Deluge"))


async def test_an_edit_says_which_stored_reports_it_gains_and_loses(
    bus: Bus, folder: Path, live: LiveRulebook
):
    by_old, by_new, by_both = (
        make_tagged(make_report(title=title))
        for title in ("The river flooded a village", "A deluge in the valley", "Inundation of the plain")
    )
    await store_reports(bus, [by_old, by_new, by_both])
    before = live.current.version
    (folder / "floods.yaml").write_text(
        RULE.replace("flood*", "deluge").replace("river flooded", "deluge took")
    )
    await until(lambda: _is_edited(bus))
    edit = await read_edit(bus.redis, bus.names)
    assert edit
    assert (edit.before, edit.after, edit.reports) == (before, live.current.version, 3)
    [floods] = edit.topics
    assert (floods.topic, floods.gained, floods.lost) == ("floods", 1, 1)
    assert [(each.id, each.words) for each in floods.newest_gained] == [(by_new.report.id, "deluge")]
    assert [(each.id, each.words) for each in floods.newest_lost] == [(by_old.report.id, "flooded")]


async def test_a_broken_edit_keeps_the_last_good_one_and_says_so_until_it_is_mended(
    bus: Bus, folder: Path, live: LiveRulebook
):
    version = live.current.version
    (folder / "floods.yaml").write_text(BROKEN)
    await until(lambda: _has_problem(bus, True))
    problem = await read_problem(bus.redis, bus.names)
    assert problem == "floods.yaml:6: 'version' must be a whole number"
    assert live.current.version == version
    (folder / "floods.yaml").write_text(RULE)
    await until(lambda: _has_problem(bus, False))


async def test_sighup_reads_it_again(bus: Bus, live: LiveRulebook):
    before = live.current
    live._look_every = 60
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGHUP)

    async def is_new() -> bool:
        return live.current is not before

    await until(is_new)


async def test_edits_while_reports_come_lose_and_double_none(bus: Bus, redis_url: str, folder: Path):
    settings = ClassifySettings(
        redis_url=redis_url, key_prefix=bus.names.prefix, topics_dir=folder, log_level="error"
    )
    app = make_app(settings)
    running = asyncio.create_task(app.run())
    await until(lambda: _is_working(bus))
    ids = []
    for number in range(300):
        report = make_report(title=f"The river flooded village {number}")
        ids.append(report.id)
        await bus.redis.xadd(bus.names.published, fields_of(published(report, NOW)))
        if number % 30 == 0:
            text = BROKEN if number % 60 else RULE.replace("inundation", f"deluge{number}")
            (folder / "floods.yaml").write_text(text)
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.02)

    async def all_told() -> bool:
        return bool(await bus.redis.xlen(bus.names.tagged) >= len(ids))

    await until(all_told)
    app.stop()
    await running
    told = [fields[b"id"].decode() for _, fields in await bus.redis.xrange(bus.names.tagged)]
    topics = {fields[b"topics"] for _, fields in await bus.redis.xrange(bus.names.tagged)}
    assert sorted(told) == sorted(f"{each}.1" for each in ids)
    assert topics == {b"floods"}


async def _is_working(bus: Bus) -> bool:
    return bool(await bus.redis.zcard(bus.names.instances))


async def _title_is(bus: Bus, title: str) -> bool:
    return [topic.title for topic in await read_catalogue(bus.redis, bus.names)] == [title]


async def _is_edited(bus: Bus) -> bool:
    return await read_edit(bus.redis, bus.names) is not None


async def _has_problem(bus: Bus, wanted: bool) -> bool:
    return (await read_problem(bus.redis, bus.names) is not None) is wanted
