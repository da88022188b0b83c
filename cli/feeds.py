"""`tocsin feeds`: list, add, remove, import, export, poll.

add, remove and import change feeds.toml and need no Redis: a running ingest reads the file again within ten seconds.
"""

import asyncio
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from cli.offline import without_password
from cli.session import ago, fail, on_bus, print_table, redis_url, with_bus
from services.ingest.adapters.discovery import Found, NoFeedFound, find_feed
from services.ingest.adapters.feed_file import add_feeds, remove_feed
from services.ingest.adapters.feed_list import read_feed_list
from services.ingest.adapters.feed_state import FeedStates
from services.ingest.adapters.fetcher import Fetched
from services.ingest.adapters.handover import hand_over
from services.ingest.adapters.one_feed import fetching
from services.ingest.core.feed import Feed
from services.ingest.core.health import FeedState
from services.ingest.core.opml import OpmlError, Outline, read_opml, write_opml
from services.ingest.settings import IngestSettings
from shared.bus import Bus
from shared.redis_client import make_client
from shared.settings import SettingsError, load

feeds = typer.Typer(no_args_is_help=True, help="The feeds: how each is doing; add, remove, exchange, poll.")

Wanted = Annotated[list[str] | None, typer.Argument(help="Ids, titles or addresses; all feeds if none.")]
POLL_PATIENCE = 180.0


@feeds.command("list")
@on_bus
async def list_feeds(bus: Bus) -> None:
    """Show every feed: state, pace, last success, last new item, next poll; what is wrong and what to do."""
    states = FeedStates(bus.redis, bus.names)
    when = ("last success", "last new", "next poll")
    table = Table("id", "feed", "state", "pace", *when, "what is wrong, what to do")
    for feed in await states.known():
        state = await states.load(feed.id)
        times = [ago(state.last_success), ago(state.last_new), ago(state.next_poll)]
        told = ". ".join(part for part in (state.wrong or state.last_error, state.advice) if part)
        table.add_row(feed.id, feed.name, _condition(feed, state), _pace(state), *times, told)
    print_table(table)


def _condition(feed: Feed, state: FeedState) -> str:
    if not feed.enabled:
        return "off"
    return state.health if state.last_poll else "waiting"


def _pace(state: FeedState) -> str:
    if not state.interval:
        return ""
    return f"{state.interval / 3600:.1f} h" if state.interval >= 7200 else f"{state.interval / 60:.0f} min"


@feeds.command("add")
def add_feed(
    url: Annotated[
        str, typer.Argument(help="The feed's address, a page's that has a feed, or a file's path.")
    ],
    title: Annotated[
        str | None, typer.Option(help="What reports call it; its own title unless given.")
    ] = None,
    interval: Annotated[float | None, typer.Option(help="Seconds between two polls.")] = None,
    full_text: Annotated[
        bool, typer.Option("--full-text", help="Fetch each new entry's page for its text.")
    ] = False,
    unseen: Annotated[bool, typer.Option("--unseen", help="Add it as it is, without looking.")] = False,
) -> None:
    """Find the feed at an address and add it to feeds.toml, whose comments stay."""
    settings = load(IngestSettings)
    known = {feed.url for feed in _in_file(settings)}
    found = Found(url, "", 0) if unseen or "://" not in url else asyncio.run(_find(url, settings))
    if found.url in known:
        fail(f"{found.url} is in {settings.feeds_file} already")
    keys = {
        "url": found.url,
        "title": title or _one_line(found.title),
        "interval": interval,
        "full_text": full_text,
    }
    add_feeds(settings.feeds_file, [keys])
    if found.fetched:
        _hand_over(settings, found.url, found.fetched)
    told = f": {found.title}, {found.reports} entries" if found.reports else ""
    print(f"added {found.url}{told}")


async def _find(url: str, settings: IngestSettings) -> Found:
    async with fetching(settings) as (fetcher, parser):
        try:
            return await find_feed(url, fetcher, parser, datetime.now(UTC))
        except (NoFeedFound, ValueError) as e:
            reason = str(e) if isinstance(e, NoFeedFound) else "this is no address"
            fail(f"{without_password(url)}: {reason}")


def _hand_over(settings: IngestSettings, url: str, fetched: Fetched) -> None:
    """Spare the site another request for the same document. Without a Redis that answers, ingest makes it."""

    async def leave() -> None:
        async with make_client(redis_url(settings), tries=0, timeout=2) as redis:
            await hand_over(redis, settings.names, Feed(url=url).id, fetched)

    with suppress(RedisError, OSError, SettingsError):
        asyncio.run(leave())


@feeds.command("remove")
def remove(wanted: Annotated[str, typer.Argument(help="Its id, title or address.")]) -> None:
    """Take a feed out of feeds.toml, or out of those added through the api."""
    settings = load(IngestSettings)
    chosen = [feed for feed in _in_file(settings) if wanted in (feed.id, feed.name, feed.url)]
    if len(chosen) > 1:
        fail(f"{len(chosen)} feeds are called {wanted}; say which by its id or address")
    if chosen:
        remove_feed(settings.feeds_file, chosen[0].url)
        print(f"removed {chosen[0].name}")
        return

    async def remove_added(bus: Bus) -> None:
        for feed in await FeedStates(bus.redis, bus.names).known():
            if wanted in (feed.id, feed.name, feed.url) and await bus.redis.hdel(
                bus.names.feeds_added, feed.id
            ):
                print(f"removed {feed.name}, which was added through the api")
                return
        fail(f"there is no feed {wanted}; `tocsin feeds list` shows them")

    with_bus(remove_added)


@feeds.command("import")
def import_feeds(
    file: Annotated[Path, typer.Argument(help="An OPML file, as feed readers export it.")],
) -> None:
    """Add the feeds of an OPML file to feeds.toml, but for those that are in it already."""
    settings = load(IngestSettings)
    try:
        outlines = read_opml(file.read_bytes())
    except OSError as e:
        fail(f"{file} cannot be read: {e.strerror}")
    except OpmlError as e:
        fail(f"{file} is not OPML: {e}")
    known = {feed.url for feed in _in_file(settings)}
    fresh = [outline for outline in outlines if outline.url not in known]
    fit = [outline for outline in fresh if _is_fit(outline)]
    tables = [{"url": outline.url, "title": _one_line(outline.title)} for outline in fit]
    add_feeds(settings.feeds_file, tables)
    for outline in fresh:
        if outline not in fit:
            print(f"left out {outline.url[:200]!r}: no http or https address", file=sys.stderr)
    print(f"{len(fit)} feeds added, {len(outlines) - len(fresh)} were there already")


@feeds.command("export")
def export_feeds(
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output unless given.")] = None,
) -> None:
    """Write the feeds of feeds.toml as OPML, which feed readers import."""
    settings = load(IngestSettings)
    outlines = [Outline(feed.url, feed.title) for feed in _in_file(settings) if not feed.is_file]
    document = write_opml(outlines, datetime.now(UTC))
    if file is None:
        sys.stdout.buffer.write(document)
        return
    try:
        file.write_bytes(document)
    except OSError as e:
        fail(f"{file} cannot be written: {e.strerror}")
    print(f"{len(outlines)} feeds in {file}", file=sys.stderr)


@feeds.command("poll")
@on_bus
async def poll_feeds(
    bus: Bus,
    wanted: Wanted = None,
    wait: Annotated[bool, typer.Option(help="Wait until they have been polled.")] = True,
) -> None:
    """Ask ingest to poll feeds now, one after another at each host, and wait for what comes of it."""
    states = FeedStates(bus.redis, bus.names)
    chosen = [
        feed
        for feed in await states.known()
        if feed.enabled and (not wanted or {feed.id, feed.name, feed.url} & set(wanted))
    ]
    if not chosen:
        fail("no such feed; `tocsin feeds list` shows them")
    began = datetime.now(UTC)
    for feed in chosen:
        await states.poll_soon(feed.id, began)
    if wait:
        _tell(chosen, await _watch(states, chosen, began), began)
    else:
        print(f"{len(chosen)} feeds will be polled now")


async def _watch(states: FeedStates, chosen: list[Feed], began: datetime) -> dict[str, FeedState]:
    """The states of those that were polled or put off, by feed; a bar shows how far it is."""
    done: dict[str, FeedState] = {}
    until = time.monotonic() + POLL_PATIENCE
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("polling", total=len(chosen))
        while len(done) < len(chosen) and time.monotonic() < until:
            for feed in chosen:
                if feed.id not in done:
                    state = await states.load(feed.id)
                    if (state.last_poll and state.last_poll >= began) or await _is_put_off(
                        states, feed, state, began
                    ):
                        done[feed.id] = state
            progress.update(bar, completed=len(done))
            await asyncio.sleep(0.3)
    return done


async def _is_put_off(states: FeedStates, feed: Feed, state: FeedState, began: datetime) -> bool:
    """It was not asked, for it was asked only just now, or its host wants to be left alone."""
    due = await states.due_at(feed.id)
    return bool(state.next_poll and due and abs((due - state.next_poll).total_seconds()) < 1 and due > began)


def _tell(chosen: list[Feed], done: dict[str, FeedState], began: datetime) -> None:
    failed = 0
    for feed in chosen:
        state = done.get(feed.id)
        if state is None:
            print(f"{feed.name}: not polled yet; is ingest running?", file=sys.stderr)
            failed += 1
        elif not state.last_poll or state.last_poll < began:
            print(f"{feed.name}: was asked only just now; next poll {ago(state.next_poll)}")
        elif state.last_error:
            print(f"{feed.name}: {state.last_error}. {state.advice or ''}".rstrip(), file=sys.stderr)
            failed += 1
        else:
            fresh = "something new" if state.last_new and state.last_new >= began else "nothing new"
            print(f"{feed.name}: {state.entries} entries, {fresh}")
    if failed:
        raise typer.Exit(1)


def _in_file(settings: IngestSettings) -> list[Feed]:
    return read_feed_list(settings.feeds_file) if settings.feeds_file.exists() else []


def _is_fit(outline: Outline) -> bool:
    try:
        return not Feed(url=outline.url).is_file
    except ValueError:
        return False


def _one_line(title: str | None) -> str | None:
    return (
        " ".join("".join(each for each in title or "" if each.isprintable() or each.isspace()).split())[:200]
        or None
    )
