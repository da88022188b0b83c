"""`tocsin feeds` as an operator uses it: on a feeds.toml of one's own, with a real site."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from cli.feeds import feeds
from services.ingest.adapters.feed_file import add_feeds
from services.ingest.adapters.feed_list import FeedFileError, read_feed_list
from services.ingest.adapters.feed_state import FeedStates
from services.ingest.adapters.one_feed import fetching
from services.ingest.adapters.poller import Poller
from services.ingest.core.feed import Feed
from services.ingest.core.opml import OpmlError, read_opml, write_opml
from services.ingest.core.pace import Limits
from services.ingest.settings import IngestSettings
from shared.bus import Bus
from shared.names import Names
from tests.feed_folder import item, rss

LIST = """# Our feeds.

# Near the events ------
[[feed]]
url = "https://a.example/rss"   # the first
title = "A"

# World news ------
[[feed]]
url = "https://b.example/rss"

[[feed]]
url = "https://c.example/rss"
"""


class Site:
    """A site with a page and its feed, in a thread: the command has an event loop of its own."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self.server = TestServer(app, host="127.0.0.1")
        asyncio.run_coroutine_threadsafe(self.server.start_server(), self.loop).result(10)

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/rss":
            return web.Response(text=rss(item("")), content_type="application/rss+xml")
        if request.path == "/page":
            link = '<link rel="alternate" type="application/rss+xml" href="/rss">'
            return web.Response(
                text=f"<!doctype html><html><head>{link}</head></html>", content_type="text/html"
            )
        if request.path == "/usual":
            return web.Response(text="<!doctype html><html></html>", content_type="text/html")
        if request.path == "/usual/rss":
            return web.Response(text=rss(item("")), content_type="text/xml")
        return web.Response(status=404)

    def url(self, path: str) -> str:
        return str(self.server.make_url(path))

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.stop()


@pytest.fixture
def feeds_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "feeds.toml"
    path.write_text(LIST)
    monkeypatch.setenv("TOCSIN_FEEDS_FILE", str(path))
    monkeypatch.setenv("TOCSIN_ALLOW_HOSTS", "127.0.0.0/8")
    return path


def run(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(feeds, list(arguments))
    assert done.exit_code == status, done.output
    return done.output


def urls(path: Path) -> list[str]:
    return [feed.url for feed in read_feed_list(path)]


def test_a_feed_is_added_with_one_request_and_comments_stay(feeds_file: Path, site: Site) -> None:
    assert "The Valley Post, 1 entries" in run("add", site.url("/rss"), "--interval", "600")
    assert feeds_file.read_text().startswith(LIST)
    [*_, added] = read_feed_list(feeds_file)
    assert (added.url, added.title, added.interval) == (site.url("/rss"), "The Valley Post", 600)
    assert site.asked == ["/rss"]


async def test_what_was_fetched_to_add_a_feed_is_not_fetched_again(
    feeds_file: Path, site: Site, bus: Bus, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_REDIS_URL", redis_url)
    monkeypatch.setenv("TOCSIN_KEY_PREFIX", bus.names.prefix)
    await asyncio.to_thread(run, "add", site.url("/rss"))
    [*_, added] = read_feed_list(feeds_file)
    async with fetching(IngestSettings()) as (fetcher, parser):
        poller = Poller(
            fetcher=fetcher,
            parser=parser,
            states=FeedStates(bus.redis, bus.names),
            bus=bus,
            limits=Limits(60),
            clock=lambda: datetime.now(UTC),
            random=lambda: 0.5,
            recent_days=36_500,
        )
        assert (await poller.poll(added)).result == "read"
    assert await bus.redis.xlen(bus.names.published) == 1
    assert site.asked == ["/rss"]
    assert not await bus.redis.exists(bus.names.handed_over(added.id))


@pytest.mark.parametrize(("given", "found"), [("/page", "/rss"), ("/usual", "/usual/rss")])
def test_the_feed_of_a_page_is_found(feeds_file: Path, site: Site, given: str, found: str) -> None:
    run("add", site.url(given), "--title", "Ours")
    assert urls(feeds_file)[-1] == site.url(found)


def test_what_has_no_feed_is_not_added(feeds_file: Path, site: Site) -> None:
    assert "there is nothing at this address (404)" in run("add", site.url("/nothing"), status=1)
    assert feeds_file.read_text() == LIST


def test_a_feed_list_with_a_byte_order_mark_is_read_and_changed(feeds_file: Path) -> None:
    feeds_file.write_text("\ufeff[[feed]]\nurl = 'https://a.example/rss'\n", encoding="utf-8")
    assert urls(feeds_file) == ["https://a.example/rss"]
    run("remove", "https://a.example/rss")
    assert urls(feeds_file) == []


def test_a_feed_is_not_added_twice(feeds_file: Path) -> None:
    assert "already" in run("add", "https://a.example/rss", "--unseen", status=1)


def test_a_feed_is_removed_and_comments_stay_where_people_see_them(feeds_file: Path) -> None:
    run("remove", "https://b.example/rss")
    text = feeds_file.read_text()
    assert urls(feeds_file) == ["https://a.example/rss", "https://c.example/rss"]
    assert "# World news ------" in text
    assert "# the first" in text
    run("remove", "A")
    assert urls(feeds_file) == ["https://c.example/rss"]


def test_opml_goes_out_and_comes_in_again(feeds_file: Path, tmp_path: Path) -> None:
    run("export", str(tmp_path / "out.opml"))
    feeds_file.write_text('[[feed]]\nurl = "https://c.example/rss"\n')
    assert "2 feeds added, 1 were there already" in run("import", str(tmp_path / "out.opml"))
    assert {feed.url: feed.title for feed in read_feed_list(feeds_file)} == {
        "https://a.example/rss": "A",
        "https://b.example/rss": None,
        "https://c.example/rss": None,
    }


def test_opml_of_other_readers_is_read() -> None:
    body = (
        '<?xml version="1.0"?><OPML><body><outline text="News"><outline type="rss" text="T &amp; U" '
        'xmlURL=" https://t.example/ "/><outline text="x" xmlUrl="https://t.example/"/></outline>'
        '<outline text="no feed"/></body></OPML>'
    )
    assert read_opml(body.encode()) == [("https://t.example/", "T & U")]
    assert read_opml(write_opml(read_opml(body.encode()), datetime.now(UTC))) == [
        ("https://t.example/", "T & U")
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not well-formed"),
        (b"<rss/>", "not <opml>"),
        (b"<!DOCTYPE x><opml/>", "entities"),
        (b"x" * 10_000_001, "larger"),
    ],
)
def test_what_is_no_opml_is_named(body: bytes, words: str) -> None:
    with pytest.raises(OpmlError, match=words):
        read_opml(body)


def test_a_bad_address_in_opml_is_left_out_and_said(feeds_file: Path, tmp_path: Path) -> None:
    (tmp_path / "in.opml").write_text(
        '<opml><body><outline xmlUrl="javascript:x"/><outline xmlUrl="/etc/passwd"/>'
        '<outline xmlUrl="https://new.example/" text="Line&#10;two &quot;q&quot;"/></body></opml>'
    )
    assert "1 feeds added" in run("import", str(tmp_path / "in.opml"))
    assert read_feed_list(feeds_file)[-1].title == 'Line two "q"'


def test_a_file_that_could_not_be_read_again_is_not_written(feeds_file: Path) -> None:
    with pytest.raises(FeedFileError, match="2 times"):
        add_feeds(feeds_file, [{"url": "https://a.example/rss"}])
    assert feeds_file.read_text() == LIST


@pytest.fixture
async def listed(bus: Bus, names: Names, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> FeedStates:
    monkeypatch.setenv("TOCSIN_REDIS_URL", redis_url)
    monkeypatch.setenv("TOCSIN_KEY_PREFIX", names.prefix)
    states = FeedStates(bus.redis, names)
    await states.sync([Feed(url="https://a.example/rss", title="A")], datetime.now(UTC))
    return states


async def test_the_list_shows_how_each_feed_is_doing(listed: FeedStates) -> None:
    shown = await asyncio.to_thread(run, "list")
    assert "A" in shown
    assert "waiting" in shown


async def test_poll_waits_for_what_comes_of_it(listed: FeedStates, bus: Bus, names: Names) -> None:
    feed = Feed(url="https://a.example/rss")
    before = await listed.due_at(feed.id)
    polling = asyncio.create_task(asyncio.to_thread(run, "poll", "A"))
    while await listed.due_at(feed.id) == before:
        await asyncio.sleep(0.01)
    now = datetime.now(UTC).isoformat()
    await bus.redis.hset(names.feed(feed.id), mapping={"last_poll": now, "last_new": now, "entries": 3})
    assert "A: 3 entries, something new" in await polling


async def test_poll_names_a_feed_that_there_is_not(listed: FeedStates) -> None:
    done = await asyncio.to_thread(CliRunner().invoke, feeds, ["poll", "Z"])
    assert done.exit_code == 1
