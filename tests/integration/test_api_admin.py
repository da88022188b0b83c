"""The operators' page: closed without the token, and what its buttons do."""

import json

import pytest

from shared.catalogue import EditedReport, RulebookEdit, TopicEdit, write_edit
from shared.entries import xadd
from shared.subscription_store import SubscriptionStore
from tests.builders import NOW
from tests.integration.test_api_pages import HOOK_FORM, Structure, posted, subscribed

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "an admin token"


@pytest.fixture
def admin(api, tmp_path):
    api.configure(api.bus, tmp_path, admin_token=TOKEN)
    api.forget_cookies()
    return api


async def signed_in(api):
    """Sign in by the form; return the page."""
    return await posted(api, "/admin", token=TOKEN)


async def dead_letter(api, reason="no field 'event'"):
    names = api.bus.names
    letter = {"stream": names.tagged, "group": "notify", "id": "1-0", "deliveries": 1, "reason": reason}
    command = xadd(names.dead(names.tagged), letter | {"raw:event": "<script>alert(1)</script>"})
    return f"{names.tagged}/{(await api.bus.redis.execute_command(*command)).decode()}"


async def test_without_the_token_there_is_only_a_form(admin):
    await dead_letter(admin)
    page = await admin.text("/admin")
    assert "Admin token" in page
    assert "Dead letters" not in page
    assert "This is not the token" in await posted(admin, "/admin", 403, token="guess")
    assert "session has ended" in await posted(admin, "/admin/dead-letters/drop", 403, letter="all")


async def test_where_no_token_is_set_it_says_so(api, tmp_path):
    api.configure(api.bus, tmp_path)
    assert "TOCSIN_ADMIN_TOKEN" in await api.text("/admin", 403)


async def test_what_the_last_edit_of_the_rulebook_changed_is_shown(admin):
    found = EditedReport(id="r1", title="<b>A deluge</b>", words="deluge")
    topic = TopicEdit(topic="floods", gained=12, lost=0, newest_gained=(found,))
    edit = RulebookEdit(before="aaa", after="bbb", at=NOW, reports=400, topics=(topic,))
    await write_edit(admin.bus.redis, admin.bus.names, edit)
    page = await signed_in(admin)
    assert "+12 that it finds now" in page
    assert '<a href="/reports/r1">&lt;b&gt;A deluge&lt;/b&gt;</a> <small>deluge</small>' in page
    assert "and 11 more" in page
    assert "does not find any more" not in page
    Structure(page)


async def test_a_changed_token_ends_sessions(admin, tmp_path):
    await signed_in(admin)
    assert "Dead letters" in await admin.text("/admin")
    admin.configure(admin.bus, tmp_path, admin_token="another")
    assert "Dead letters" not in await admin.text("/admin")


async def test_guessing_is_slowed_down(admin):
    for _ in range(20):
        await posted(admin, "/admin", 403, token="guess")
    await posted(admin, "/admin", 429, token=TOKEN)


async def test_the_cookie_is_for_this_site_and_no_script(admin):
    async with admin.post("/admin", data={"token": TOKEN}, allow_redirects=False) as answer:
        cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/admin" in cookie


async def test_dead_letters_are_shown_replayed_and_dropped(admin):
    first, second = await dead_letter(admin), await dead_letter(admin, "it is not JSON")
    page = await signed_in(admin)
    Structure(page)
    assert "it is not JSON" in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    names = admin.bus.names
    assert "Put back" in await posted(admin, "/admin/dead-letters/replay", letter=first)
    [(_, fields)] = await admin.bus.redis.xrange(names.tagged)
    assert fields == {b"event": b"<script>alert(1)</script>"}
    await posted(admin, "/admin/dead-letters/drop", letter=second)
    assert await admin.bus.redis.xlen(names.dead(names.tagged)) == 0
    await posted(admin, "/admin/dead-letters/drop", 404, letter=second)


async def test_a_feed_is_added_and_removed(admin):
    await signed_in(admin)
    names, redis = admin.bus.names, admin.bus.redis
    assert "10.0.0.1" in await posted(admin, "/admin/feeds", 422, url="http://10.0.0.1/feed")
    await posted(admin, "/admin/feeds", url="https://news.example.org/rss")
    [raw_id] = await redis.hkeys(names.feeds_added)
    await redis.hset(names.feeds, raw_id, json.dumps({"url": "https://news.example.org/rss"}))
    assert "https://news.example.org/rss" in await admin.text("/admin")
    await posted(admin, f"/admin/feeds/{raw_id.decode()}/remove")
    assert await redis.hlen(names.feeds_added) == 0


async def test_an_endpoint_in_trouble_is_named_by_its_host_only(admin):
    made = await subscribed(admin, HOOK_FORM)
    gone = {"state": "disabled", "reason": "the endpoint is gone: 410"}
    await SubscriptionStore(admin.bus).update(made, lambda it: it.model_copy(update=gone))
    page = await signed_in(admin)
    assert "webhook at hooks.example.org" in page
    assert "410" in page
    assert "org/tocsin" not in page


async def test_a_service_is_paused_and_resumed(admin):
    names, redis = admin.bus.names, admin.bus.redis
    await redis.xgroup_create(names.tagged, "notify", id="0", mkstream=True)
    await redis.xgroup_create(names.tagged, "theirs", id="0", mkstream=True)
    await redis.xadd(names.tagged, {"event": "{}"})
    page = await signed_in(admin)
    Structure(page)
    assert f"{names.tagged}: 1 not read, 0 in hand" in page
    assert f"theirs on {names.tagged}" in page
    assert "takes up nothing more" in await posted(admin, "/admin/services/notify/pause")
    assert "notify is paused" in await admin.text("/readyz", 503)
    assert "Resume" in await admin.text("/admin")
    await posted(admin, "/admin/services/notify/resume")
    assert await redis.hgetall(names.paused) == {}
    await posted(admin, "/admin/services/api/pause", 404)
