"""The pages over HTTP, with a real Redis: what they show, and that a GET changes nothing."""

import asyncio
import html
import re
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from services.api.app import make_app
from services.api.settings import ApiSettings
from services.api.web.server import PortTaken, open_port
from shared.catalogue import Quality, SubtopicSummary, write_catalogue, write_problem
from shared.deliveries import DeliveryLog
from shared.delivery import Attempt, owed_report
from shared.endpoints import EmailEndpoint
from shared.events import Country
from shared.links import Links
from shared.server_key import server_key
from shared.subscription_store import SubscriptionStore
from tests.api_server import NO_ENV
from tests.builders import make_report, make_tagged, make_topics, store_reports

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")


FORM = {"topics": "aid", "channel": "email", "address": "duty@example.org"}
HOOK_FORM = {"topics": "aid", "channel": "webhook", "url": "https://hooks.example.org/tocsin"}
VOID = {"meta", "link", "img", "input", "br"}


async def subscribed(api, form=FORM, state=None):
    """Set an alert by the form; return its id."""
    async with api.post("/subscribe", data=form) as response:
        assert response.status == 201, await response.text()
    [made] = await SubscriptionStore(api.bus).all()
    if state:
        await api.stored_with(made.id, state=state)
    return made.id


async def posted(api, path, status=200, **form):
    async with api.post(path, data=form) as response:
        body = await response.text()
        assert response.status == status, body
        return body


async def pressed(api, subscription_id, action, status=200, **more):
    """Press a button of the manage page."""
    key = (await api.link("manage", subscription_id)).split("key=")[1]
    return await posted(api, f"/manage/{subscription_id}/{action}", status, key=key, **more)


class Structure(HTMLParser):
    """Fails on an element that is not closed, or closed twice; collects ids."""

    def __init__(self, page):
        super().__init__()
        self.open, self.ids = [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


# Reading ----------------------------------------------------------------------------------------


async def test_the_first_page_shows_reports_with_evidence_and_why(api):
    await store_reports(api.bus, [make_tagged(displacement=("Families", "fled"))])
    page = await api.text("/")
    assert "<mark>Families</mark> cross the river" in page
    assert "hundred families <mark>fled</mark> over" in page
    assert re.search(
        r"<strong>Displacement</strong>, <small>by rule\s+<code>displacement.v</code> version 2", page
    )
    assert "14 Mar 2026, 09:30 UTC" in page


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/", ["Bread", "Exodus"]),
        ("/?all=1", ["Bread", "Exodus", "Football"]),
        ("/?topic=aid", ["Bread"]),
        ("/?country=sudan", ["Exodus", '<a class="chip plain" href="/?country=SD">Sudan</a>']),
        ("/?q=hundred", ["Bread", "Exodus", "<mark>hundred</mark>", "It has the words you searched for"]),
    ],
)
async def test_the_first_page_shows_what_is_asked_for_and_nothing_else(api, address, shown):
    sudan = {"countries": (Country(code="SD", evidence=()),)}
    tagged = [
        make_tagged(make_report("Bread"), aid=("Bread",)),
        make_tagged(make_report("Exodus"), displacement=("Exodus",)).model_copy(update=sudan),
        make_tagged(make_report("Football")),
    ]
    await store_reports(api.bus, tagged)
    page = await api.text(address)
    titles = [title for title in ("Bread", "Exodus", "Football") if title in page]
    assert titles == [title for title in shown if title.isalpha()]
    assert [words for words in shown if words not in page] == []


async def test_a_search_that_cannot_be_made_says_so_on_the_page(api):
    assert "Atlantis" in await api.text("/?country=Atlantis", 400)
    page = await api.text("/?q=%28aid", 400)
    assert "a parenthesis is opened and never closed" in page
    assert 'value="(aid"' in page


async def test_older_pages_hold_every_report_once(api):
    await store_reports(
        api.bus, [make_tagged(make_report(f"Report {i:03}"), aid=("Report",)) for i in range(60)]
    )
    path, titles = "/", []
    while path:
        page = await api.text(path)
        titles += re.findall(r"<mark>Report</mark> (\d{3})", page.split("<aside")[0].replace("</a>", ""))
        older = re.search(r'href="([^"]+)" rel="next"', page)
        path = html.unescape(older[1]) if older else None
    assert [int(title) for title in titles] == list(range(59, -1, -1))


async def test_an_empty_installation_says_what_it_waits_for_and_looks_again(api):
    page = await api.text("/")
    assert "Waiting for the first poll" in page
    assert '<meta http-equiv="refresh"' in page
    await store_reports(api.bus, [make_tagged(aid=("fled",))])
    assert "refresh" not in await api.text("/")


async def test_a_report_has_a_page_with_its_whole_text(api):
    report = make_report(text="First.\n\nThey fled. " + "More. " * 200 + "End.")
    await store_reports(api.bus, [make_tagged(report, displacement=("fled",))])
    page = await api.text(f"/reports/{report.id}")
    assert "They <mark>fled</mark>." in page
    assert "More. End.</div>" in page
    assert 'href="https://news.example.org/1" rel="noopener nofollow"' in page


@pytest.mark.parametrize("path", ["/reports/nothing", "/topics/floods", "/nowhere", "/static/../settings.py"])
async def test_what_is_not_there_is_a_page_that_says_what_to_do(api, path):
    page = await api.text(path, 404)
    assert "To the latest reports" in page


async def test_a_topic_page_says_its_parts_and_how_well_it_is_found(api):
    [topic] = make_topics("aid")
    quality = Quality(precision=0.91, recall=0.87, reports=200, on_topic=40)
    part = SubtopicSummary(id="aid/military", title="Military aid")
    tried = {"status": "experimental", "false_positives": ("gifts of the rich",)}
    rules = (topic.rules[0].model_copy(update=tried),)
    told = topic.model_copy(update={"quality": quality, "subtopics": (part,), "rules": rules})
    await write_catalogue(api.bus.redis, api.bus.names, (told,))
    page = await api.text("/topics/aid")
    assert "being tried" in page
    assert "Known to be taken for it: gifts of the rich." in page
    assert "What is told of aid." in page
    assert "Words of aid" in page
    assert "91 %" in page
    assert "87 %" in page
    assert 'href="/?topic=aid%2Fmilitary"' in page or 'href="/?topic=aid/military"' in page
    every = await api.text("/topics")
    assert "What is told of aid." in every
    for where in (every, await api.text("/?topic=aid"), await api.text("/?topic=aid/military")):
        assert 'href="/topics/aid"' in where


async def test_the_status_page_says_what_is_missing_and_why_an_edited_rulebook_is_not_in_use(api):
    await write_problem(api.bus.redis, api.bus.names, "aid.yaml:6: 'version' must be a whole number")
    page = await api.text("/status")
    assert "aid.yaml:6: &#39;version&#39; must be a whole number" in page
    assert "no classify is running" in page
    assert "reports.published.v1" in page


@pytest.mark.parametrize("path", ["/", "/status", "/subscribe", "/topics", "/topics/aid", "/manage/sub_1"])
async def test_pages_are_well_formed_and_name_each_id_once(api, path):
    ids = Structure(await api.text(path)).ids
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", ["/", "/nowhere", "/v1/topics", "/v1/nothing", "/static/tocsin.css"])
async def test_every_answer_is_closed_to_what_is_not_ours(api, path):
    async with api.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith(
            "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'"
        )
        assert "script-src 'self';" in policy
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in response.headers


async def test_nothing_is_loaded_from_elsewhere_or_styled_in_place(api):
    page = await api.text("/")
    assert re.findall(r'(?:src|stylesheet" href)="(?!/static/)', page) == []
    assert " style=" not in page
    assert re.findall("<script[^>]*>", page) == re.findall('<script src="/static/[^>]* defer>', page)


async def test_style_is_named_by_its_content_and_kept_for_ever(api):
    address = re.search(r'href="(/static/tocsin\.css\?[0-9a-f]{12})"', await api.text("/"))[1]
    async with api.get(address) as response:
        assert response.content_type == "text/css"
        assert "immutable" in response.headers["Cache-Control"]


async def test_a_head_is_answered_as_a_get_without_its_body(api):
    async with api.head("/") as response:
        assert (response.status, await response.read()) == (200, b"")


# Setting an alert -------------------------------------------------------------------------------


async def test_the_form_makes_a_pending_subscription_and_says_where_the_mail_is(api, tmp_path):
    page = await posted(api, "/subscribe", 201, **FORM)
    [made] = await SubscriptionStore(api.bus).all()
    assert (made.state, made.filter.topics) == ("pending", ("aid",))
    assert str(tmp_path / "outbox") in page
    assert "tok_" not in page


async def test_with_a_mail_server_the_page_speaks_of_the_mailbox(api, tmp_path):
    api.configure(api.bus, tmp_path, smtp_url="smtp://user:hush@mail.example.org")
    page = await posted(api, "/subscribe", 201, **FORM)
    assert "We have written to" in page
    assert "outbox" not in page
    assert "hush" not in page


async def test_a_webhooks_secret_and_manage_link_are_shown(api):
    page = await posted(api, "/subscribe", 201, **HOOK_FORM)
    assert html.escape((await SubscriptionStore(api.bus).all())[0].secret) in html.unescape(page)
    link = re.search(rf'href="{api.address}(/manage/[^"]+)"', page)[1]
    assert "hooks.example.org" in await api.text(html.unescape(link))


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"topics": "floods"}, "topics", "unknown topic"),
        ({"topics": "", "query": ""}, "topics", "unknown topic"),
        ({"query": "aid AND"}, "query", "nothing to the right of AND"),
        ({"address": "duty"}, "address", "@-sign"),
        ({"address": "duty@example.org\r\nBcc: x@example.org"}, "address", "invalid characters"),
        ({**HOOK_FORM, "url": "http://127.0.0.1/x"}, "url", "loopback"),
        ({**HOOK_FORM, "url": "http://2130706433/"}, "url", "loopback"),
        ({"name": "n" * 121}, "name", "at most 120"),
        ({"headers": "Host: inside", **HOOK_FORM}, "headers", "no header that may be added"),
        ({"second": "nobody"}, "second", "@-sign"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_and_the_rest_is_kept(api, change, field, words):
    page = await posted(api, "/subscribe", 422, **{**FORM, "query": "convoy", **change})
    error = re.search(rf'id="error-{field}">([^<]*)<', page)[1]
    assert words in html.unescape(error)
    assert change.get("query", "convoy") in html.unescape(page)
    assert await SubscriptionStore(api.bus).all() == []


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"channel": "email", "address": "duty@example.org"}, "name at least one topic"),
        ({"topics": "aid", "channel": "pigeon"}, "channel"),
        (
            {"topics": "aid", "channel": "chat", "service": "slack", "url": "https://inside.example/"},
            "hooks.slack.com",
        ),
    ],
)
async def test_a_form_that_makes_no_alert_is_told_why(api, form, words):
    assert words in await posted(api, "/subscribe", 422, **form)


async def test_a_form_that_is_no_form_is_no_crash(api):
    headers = {"Content-Type": "multipart/form-data"}
    async with api.post("/subscribe", data=b"\xff\x00", headers=headers) as response:
        assert response.status in (400, 422)


async def test_the_form_is_filled_in_from_the_address(api):
    page = await api.text("/subscribe?topic=aid&q=convoy")
    assert 'value="aid" checked' in page
    assert 'value="convoy"' in page


# Links in messages ------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["confirm", "unsubscribe", "manage"])
async def test_following_a_link_changes_nothing(api, purpose):
    made = await subscribed(api)
    before = await api.stored(made)
    link = await api.link(purpose, made)
    Structure(await api.text(link))
    async with api.head(link) as response:
        assert response.status == 200
    assert await api.stored(made) == before


@pytest.mark.parametrize("purpose", ["confirm", "unsubscribe", "manage"])
@pytest.mark.parametrize("key", ["0" * 32, "é", ""])
async def test_a_wrong_key_opens_nothing(api, purpose, key):
    made = await subscribed(api)
    before = await api.stored(made)
    for path in (f"/{purpose}/{made}", f"/{purpose}/{made}/remove"):
        async with api.post(path, data={"key": key}) as response:
            assert response.status in (403, 404)
    if key:
        await api.text(f"/{purpose}/{made}?key={key}", 403)
    assert await api.stored(made) == before


async def test_a_key_opens_what_it_was_made_for_only(api):
    made = await subscribed(api)
    key = (await api.link("confirm", made)).split("key=")[1]
    await posted(api, f"/unsubscribe/{made}", 403, key=key)
    await posted(api, f"/manage/{made}/remove", 403, key=key)
    assert await api.stored(made)


async def test_the_button_of_the_confirmation_activates_and_so_does_a_post_to_its_link(api):
    made = await subscribed(api)
    link = await api.link("confirm", made)
    path, key = link.split("?key=")
    assert "reports on Aid" in await api.text(link)
    for address, form in ((path, {"key": key}), (link, {})):
        await api.stored_with(made, state="pending")
        assert "Your alert is active" in await posted(api, address, **form)
        assert (await api.stored(made)).state == "active"


async def test_a_webhook_is_not_confirmed_by_a_button(api):
    made = await subscribed(api, HOOK_FORM)
    path, key = (await api.link("confirm", made)).split("?key=")
    await posted(api, path, key=key)
    assert (await api.stored(made)).state == "pending"


async def test_the_button_of_the_unsubscribe_page_removes(api):
    made = await subscribed(api)
    path, key = (await api.link("unsubscribe", made)).split("?key=")
    assert "Removed" in await posted(api, path, key=key)
    assert await api.stored(made) is None


async def test_one_click_from_a_mail_program_removes_and_may_be_sent_twice(api):
    made = await subscribed(api)
    link = await api.link("unsubscribe", made)
    for _ in range(2):
        await posted(api, link, **{"List-Unsubscribe": "One-Click"})
    assert await api.stored(made) is None
    assert "Removed" in await api.text(link)


async def test_one_click_may_come_as_multipart(api):
    made = await subscribed(api)
    body = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    async with api.post(await api.link("unsubscribe", made), data=body, headers=headers) as response:
        assert response.status == 200
    assert await api.stored(made) is None


@pytest.mark.parametrize(
    ("button", "words", "undo", "undone"),
    [
        ("pause", "Paused: nothing is sent", "resume", "Active again"),
        ("snooze-week", "Snoozed: nothing is sent", "wake", "Awake again"),
    ],
)
async def test_a_pause_or_a_snooze_begins_and_ends_by_a_button(api, button, words, undo, undone):
    made = await subscribed(api, state="active")
    assert words in await pressed(api, made, button)
    found = await api.stored(made)
    snoozed = (found.schedule.snooze_until or datetime.now(UTC)) - datetime.now(UTC)
    assert (found.state == "paused") is (button == "pause")
    assert (timedelta(days=6) < snoozed < timedelta(days=8)) is (button == "snooze-week")
    assert undone in await pressed(api, made, undo)
    found = await api.stored(made)
    assert (found.state, found.schedule.snooze_until) == ("active", None)


async def test_the_manage_page_sends_a_test_and_shows_it(api):
    made = await subscribed(api, state="active")
    page = await pressed(api, made, "test")
    assert "on its way" in page
    assert [delivery.kind for delivery in await DeliveryLog(api.bus).newest(made)].count("test") == 1


async def test_the_manage_page_shows_a_new_secret_once(api):
    made = await subscribed(api, HOOK_FORM)
    page = await pressed(api, made, "rotate-secret")
    assert (await api.stored(made)).secret in html.unescape(page)
    assert "whsec_" not in await api.text(await api.link("manage", made))


async def test_the_manage_page_shows_deliveries_with_attempts_and_sends_them_again(api):
    made = await subscribed(api, HOOK_FORM, state="active")
    now = datetime.now(UTC)
    attempt = Attempt(at=now, outcome="given_up", detail="<b>answered 410</b>", status=410)
    delivery = owed_report(made, "r1", now).after(attempt, "given_up")
    arrived = owed_report(made, "r2", now).after(Attempt(now, "delivered"), "delivered")
    log = DeliveryLog(api.bus)
    await log.owe([delivery, arrived])
    page = await api.text(await api.link("manage", made))
    assert "&lt;b&gt;answered 410" in page
    assert "1 attempt<" in page
    Structure(page)
    assert "1 being sent again" in await pressed(api, made, "replay-failed")
    assert [each.state for each in await log.many([delivery.id, arrived.id])] == ["pending", "delivered"]
    await pressed(api, made, "retry", delivery=arrived.id)
    assert (await log.get(arrived.id)).state == "pending"


async def test_a_second_address_is_used_only_after_its_button_was_pressed(api):
    made = await subscribed(api, HOOK_FORM, state="active")
    mail = EmailEndpoint(type="email", address="duty@example.org")
    await api.stored_with(made, fallback=mail)
    key = await server_key(api.bus.redis, api.bus.names)
    address = Links("", key).confirm_fallback(await api.stored(made))
    assert "duty@example.org" in await api.text(address)
    assert not (await api.stored(made)).fallback_confirmed
    await posted(api, f"/fallback/{made}", key=address.split("key=")[1])
    assert (await api.stored(made)).fallback_confirmed
    await posted(api, f"/fallback/{made}", 403, key="0" * 32)


async def test_whoever_reads_at_the_second_address_ends_that_and_nothing_else(api):
    made = await subscribed(api, HOOK_FORM, state="active")
    await api.stored_with(made, fallback=EmailEndpoint(type="email", address="duty@example.org"))
    key = await server_key(api.bus.redis, api.bus.names)
    address = Links("", key).end_fallback(await api.stored(made))
    assert "duty@example.org" in await api.text(address)
    assert (await api.stored(made)).fallback
    await posted(api, f"/fallback/{made}/end", 403, key="0" * 32)
    # As a mail program does it: the key in the address, no form.
    await posted(api, address, **{"List-Unsubscribe": "One-Click"})
    found = await api.stored(made)
    assert (found.state, found.fallback, found.fallback_confirmed) == ("active", None, False)
    assert "no second address any more" in await api.text(address)


async def test_the_form_sets_headers_a_key_pair_and_a_second_address(api):
    more = {
        "signature": "v1a",
        "headers": "Authorization: Bearer x\nX-Team: a:b\n",
        "second": "duty@example.org",
    }
    page = await posted(api, "/subscribe", 201, **HOOK_FORM, **more)
    assert "whpk_" in page
    assert "duty@example.org" in page
    [made] = await SubscriptionStore(api.bus).all()
    assert made.channel.headers == {"Authorization": "Bearer x", "X-Team": "a:b"}
    assert (made.channel.signature, made.fallback.address) == ("v1a", "duty@example.org")


async def test_the_form_sets_a_chat_room(api):
    room = {"topics": "aid", "channel": "chat", "service": "telegram", "token": "1:abc", "room": "-5"}
    page = await posted(api, "/subscribe", 201, **room)
    assert "Telegram at api.telegram.org" in page
    assert "abc" not in page


async def test_the_manage_page_removes(api):
    made = await subscribed(api)
    assert "Removed" in await pressed(api, made, "remove")
    await api.text(await api.link("manage", made), 404)


async def test_a_button_that_is_not_there_is_a_404(api):
    await pressed(api, await subscribed(api), "explode", 404)


async def test_the_manage_token_opens_the_manage_page_without_going_into_an_address(api):
    made = await api.json_of(
        "POST",
        "/v1/subscriptions",
        201,
        json={"filter": {"topics": ["aid"]}, "channel": {"type": "webhook", "url": HOOK_FORM["url"]}},
    )
    path = f"/manage/{made['id']}"
    assert "Manage token" in await api.text(path)
    await posted(api, path, 403, token="tok_wrong")
    async with api.post(path, data={"token": made["manage_token"]}) as response:
        assert response.status == 200
        assert "hooks.example.org" in await response.text()
        assert made["manage_token"] not in str(response.url)


async def test_pages_that_hold_keys_are_not_kept_by_anybody(api):
    made = await subscribed(api)
    async with api.get(await api.link("manage", made)) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Robots-Tag"] == "noindex"


# The process ------------------------------------------------------------------------------------


async def test_a_port_that_is_taken_is_named_with_the_setting():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} of 127.0.0.1 is taken: set TOCSIN_HTTP_PORT"):
            open_port("127.0.0.1", port)


async def test_the_app_serves_until_it_is_stopped(redis_url, names, unused_tcp_port):
    values = {"redis_url": redis_url, "key_prefix": names.prefix, "http_port": unused_tcp_port, **NO_ENV}
    app = make_app(ApiSettings(**values))
    running = asyncio.create_task(app.run())
    await reachable(unused_tcp_port)
    app.stop()
    await asyncio.wait_for(running, 10)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", unused_tcp_port)


async def reachable(port):
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)


# Changing an alert ------------------------------------------------------------------------------

CHANGED = {"topics": "displacement", "query": "fled", "countries": "Sudan, td", "name": "Crossings"}


async def test_the_form_of_the_manage_page_changes_everything_it_shows_and_nothing_else(api):
    made = await subscribed(api, state="active")
    expiry = datetime(2030, 1, 1, tzinfo=UTC)
    await SubscriptionStore(api.bus).update(
        made,
        lambda it: it.model_copy(update={"schedule": it.schedule.model_copy(update={"expires_at": expiry})}),
    )
    when = {
        "mode": "daily",
        "at": "07:30",
        "timezone": "Africa/Khartoum",
        "quiet_from": "22:00",
        "quiet_to": "06:00",
    }
    page = await pressed(api, made, "change", **CHANGED, **when, stories="every")
    assert "a daily digest at 07:30; quiet from 22:00 to 06:00 (Africa/Khartoum)" in page
    assert "reports on Displacement in Sudan or Chad" in page
    changed = await api.stored(made)
    assert (changed.filter.countries, changed.one_per_story, changed.schedule.expires_at) == (
        ("SD", "TD"),
        False,
        expiry,
    )
    assert changed.state == "active"


def ticked(page):
    return re.findall(r'name="topics" value="([^"]+)" checked', page)


async def test_a_part_of_a_topic_and_a_topic_that_is_gone_stay_ticked_in_the_form(api):
    [topic] = make_topics("aid")
    part = SubtopicSummary(id="aid/military", title="Military aid")
    topics = (topic.model_copy(update={"subtopics": (part,)}), *make_topics("displacement", "floods"))
    await write_catalogue(api.bus.redis, api.bus.names, topics)
    assert ticked(await api.text("/?topic=aid/military")) == ["aid/military"]
    made = await subscribed(api, FORM | {"topics": ["aid/military", "floods"]}, state="active")
    await write_catalogue(api.bus.redis, api.bus.names, topics[:2])
    page = await api.text(await api.link("manage", made))
    assert ticked(page) == ["aid/military", "floods"]
    assert "There is no such topic any more" in page
    refused = await pressed(api, made, "change", 422, topics=["aid/military", "floods"])
    assert re.search(r'id="error-topics">[^<]*floods', refused)
    await pressed(api, made, "change", topics="aid/military", name="Arms")
    assert (await api.stored(made)).filter.topics == ("aid/military",)


async def test_what_is_wrong_in_a_change_stands_beside_its_field(api):
    made = await subscribed(api, state="active")
    wrong = {"countries": "Atlantis", "timezone": "Mars", "mode": "daily"}
    page = await pressed(api, made, "change", 422, topics="aid", **wrong)
    assert re.search(r'id="error-countries">[^<]*Atlantis', page)
    assert re.search(r'id="error-timezone">[^<]*no time zone', page)
    assert (await api.stored(made)).filter.countries == ()


async def test_another_mail_address_is_asked_for_on_the_page(api):
    made = await subscribed(api, state="active")
    page = await pressed(api, made, "change", topics="aid", channel="email", address="other@example.org")
    assert "The mail addresses were written to" in page
    assert "waits for the consent of the old address and the new address" in page


async def test_a_second_channel_is_set_and_taken_away_by_the_form(api):
    made = await subscribed(api, state="active")
    page = await pressed(api, made, "change", topics="aid", second="https://example.org/second")
    assert "used once it has answered" in page
    assert 'value="https://example.org/second"' in page
    await pressed(api, made, "change", topics="aid", second="https://example.org/second", name="Still there")
    assert (await api.stored(made)).fallback is not None
    await pressed(api, made, "change", topics="aid")
    assert (await api.stored(made)).fallback is None


async def test_a_change_from_a_mail_address_to_a_webhook_shows_its_secret_and_asks_it(api):
    made = await subscribed(api, state="active")
    page = await pressed(api, made, "change", topics="aid", channel="webhook", url="https://example.org/hook")
    assert "whsec_" in page
    assert "sent a test" in page
    assert (await api.stored(made)).state == "pending"


async def test_all_that_is_held_is_had_as_a_file(api):
    made = await subscribed(api)
    key = (await api.link("manage", made)).split("key=")[1]
    async with api.post(f"/manage/{made}/export", data={"key": key}) as response:
        assert made in response.headers["Content-Disposition"]
        assert (await response.json())["subscription"]["channel"]["address"] == "duty@example.org"
    async with api.post(f"/manage/{made}/export", data={"key": "wrong"}) as response:
        assert response.status == 403


async def test_the_first_page_learns_of_newer_reports(api):
    await store_reports(api.bus, [make_tagged(aid=("fled",)) for _ in range(2)])
    asked = re.search(r'hx-get="(/fresh[^"]+)"', await api.text("/?topic=aid"))[1].replace("&amp;", "&")
    assert await api.text(asked, 204) == ""
    later = [make_tagged(displacement=("fled",)), make_tagged(aid=("fled",))]
    await store_reports(api.bus, later, moment=datetime.now(UTC))
    page = await api.text(asked)
    assert "1 new report: show" in page
    assert 'href="/?topic=aid"' in page
