"""/v1/feeds: what is watched, and the operator's changes to it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.ingest.adapters.feed_list import FeedLists
from services.ingest.adapters.feed_state import FeedStates
from services.ingest.core.feed import Feed
from tests.api_server import ApiClient

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = {"Authorization": "Bearer open sesame"}
WISH = {"url": "https://news.example.org/rss.xml", "title": "News", "interval": 600}


def with_token(api: ApiClient, tmp_path: Path) -> ApiClient:
    api.configure(api.bus, tmp_path, admin_token="open sesame")
    return api


async def taken_in(api: ApiClient, tmp_path: Path) -> list[Feed]:
    redis, names = api.bus.redis, api.bus.names
    lists = FeedLists(tmp_path / "feeds.toml", redis, FeedStates(redis, names), names)
    await lists.take_in(datetime.now(UTC))
    return list(lists.feeds.values())


async def test_a_feed_is_added_and_taken_in_by_ingest(api: ApiClient, tmp_path: Path) -> None:
    added = await with_token(api, tmp_path).json_of("POST", "/v1/feeds", 201, json=WISH, headers=TOKEN)
    assert (added["condition"], added["title"]) == ("waiting", "News")
    listed = (await api.json_of("GET", "/v1/feeds"))["feeds"]
    assert [(feed["id"], feed["title"], feed["condition"]) for feed in listed] == [
        (added["id"], "News", "waiting")
    ]
    (tmp_path / "feeds.toml").write_text("")
    wanted = Feed(url=WISH["url"], title="News", interval=600)
    assert await taken_in(api, tmp_path) == [wanted]
    assert added["id"] == wanted.id


async def test_a_feed_that_was_added_can_be_removed(api: ApiClient, tmp_path: Path) -> None:
    added = await with_token(api, tmp_path).json_of("POST", "/v1/feeds", 201, json=WISH, headers=TOKEN)
    async with api.delete(f"/v1/feeds/{added['id']}", headers=TOKEN) as response:
        assert response.status == 204
    await api.json_of("DELETE", f"/v1/feeds/{added['id']}", 404, headers=TOKEN)


async def test_a_feed_of_the_file_is_the_operators(api: ApiClient, tmp_path: Path) -> None:
    feed = Feed(url=WISH["url"])
    await FeedStates(api.bus.redis, api.bus.names).sync([feed], datetime.now(UTC))
    await with_token(api, tmp_path).json_of("POST", "/v1/feeds", 409, json=WISH, headers=TOKEN)
    problem = await api.json_of("DELETE", f"/v1/feeds/{feed.id}", 409, headers=TOKEN)
    assert "tocsin feeds remove" in problem["detail"]


async def test_without_the_token_nothing_is_changed(api: ApiClient, tmp_path: Path) -> None:
    await api.json_of("POST", "/v1/feeds", 403, json=WISH, headers=TOKEN)
    with_token(api, tmp_path)
    await api.json_of("POST", "/v1/feeds", 401, json=WISH)
    await api.json_of("DELETE", "/v1/feeds/x", 401, headers={"Authorization": "Bearer öpen"})
    assert (await api.json_of("GET", "/v1/feeds"))["feeds"] == []


async def test_what_cannot_be_watched_is_refused(api: ApiClient, tmp_path: Path) -> None:
    with_token(api, tmp_path)
    for wish in (
        {"url": "feeds.toml"},
        {"url": "http://127.0.0.1/"},
        {"url": "https://u:p@example.org/"},
        {"url": WISH["url"], "interval": 1},
        {"url": WISH["url"], "title": "a\nb"},
        {"url": WISH["url"], "kind": "page"},
    ):
        await api.json_of("POST", "/v1/feeds", 422, json=wish, headers=TOKEN)


async def test_the_list_says_what_is_wrong_and_what_to_do(api: ApiClient) -> None:
    feed = Feed(url=WISH["url"])
    await FeedStates(api.bus.redis, api.bus.names).sync([feed], datetime.now(UTC))
    state = {
        "last_error": "gone",
        "wrong": "gone",
        "advice": "look on its site",
        "interval": "3600.0",
        "failures": 2,
    }
    await api.bus.redis.hset(api.bus.names.feed(feed.id), mapping=state)
    [listed] = (await api.json_of("GET", "/v1/feeds"))["feeds"]
    assert (listed["condition"], listed["advice"], listed["interval"]) == (
        "failing",
        "look on its site",
        3600,
    )
    assert "What to do: look on its site" in await api.text("/status")


async def test_ingest_leaves_out_what_it_cannot_read_in_redis(api: ApiClient, tmp_path: Path) -> None:
    rows = {"a": "{", "b": json.dumps({"url": "/etc/passwd"}), "c": json.dumps({"url": "https://c.example/"})}
    await api.bus.redis.hset(api.bus.names.feeds_added, mapping=rows)
    (tmp_path / "feeds.toml").write_text('[[feed]]\nurl = "https://c.example/"\ntitle = "of the file"\n')
    feeds = await taken_in(api, tmp_path)
    assert [(feed.url, feed.title) for feed in feeds or []] == [("https://c.example/", "of the file")]
