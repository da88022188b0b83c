"""/v1/subscriptions over HTTP, with a real Redis."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from services.api.adapters.recent_reports import RecentReports
from services.api.adapters.subscription_desk import SubscriptionDesk
from services.api.core.life import Change
from services.api.core.preview import PreviewWish
from services.api.settings import ApiSettings
from services.notify.adapters.fan_out import FanOut
from shared.decision import news_of, terms_of
from shared.deliveries import DeliveryLog
from shared.delivery import Attempt, owed_report
from shared.events import Story
from shared.links import Links
from shared.report_store import ReportStore
from shared.server_key import server_key
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Filter, document_of
from tests.api_server import NO_ENV
from tests.builders import make_report, make_tagged, store_reports, store_topics
from tests.processes import until

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")


MAIL = {"type": "email", "address": "duty@example.org"}
HOOK = {"type": "webhook", "url": "https://hooks.example.org/tocsin"}
WISH = {"filter": {"topics": ["aid"]}, "channel": HOOK}


async def sign_up(api, **changes):
    """Return the path of a new subscription, its answer, and the headers that open it."""
    made = await api.json_of("POST", "/v1/subscriptions", 201, json=WISH | changes)
    return f"/v1/subscriptions/{made['id']}", made, {"Authorization": f"Bearer {made['manage_token']}"}


async def activated(api, **changes):
    """The same of one that is active already."""
    path, made, owner = await sign_up(api, **changes)
    await api.stored_with(made["id"], state="active")
    return path, made, owner


async def kinds_owed(api, subscription_id):
    return [delivery.kind for delivery in await DeliveryLog(api.bus).newest(subscription_id)]


async def problem_of(api, body, status=422):
    problem = await api.json_of("POST", "/v1/subscriptions", status, json=body)
    assert problem["status"] == status
    return problem


async def test_a_sign_up_is_pending_and_owes_a_confirmation(api):
    async with api.post("/v1/subscriptions", json=WISH) as response:
        made = await response.json()
        assert response.headers["Location"] == f"/v1/subscriptions/{made['id']}"
    assert made["state"] == "pending"
    assert made["secret"].startswith("whsec_")
    assert await kinds_owed(api, made["id"]) == ["confirm"]


async def test_neither_token_nor_secret_is_read_back(api):
    path, made, owner = await sign_up(api)
    view = await api.json_of("GET", path, headers=owner)
    assert view["filter"]["topics"] == ["aid"]
    assert made["secret"] not in str(view)
    assert "token_hash" not in view
    assert made["manage_token"] not in (await api.stored(made["id"])).model_dump_json()


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        (
            {"filter": {"topics": ["floods"]}},
            "filter.topics",
            "unknown topic 'floods'; known are aid and displacement",
        ),
        ({"filter": {}}, "filter", "matches everything"),
        ({"filter": {"query": 'aid "convoy'}}, "filter.query", "at character 5"),
        ({"filter": {"query": "aid or convoy"}}, "filter.query", "at character 5"),
        ({"filter": {"sources": ["nowhere"]}}, "filter.sources", "no feed has the id 'nowhere'"),
        ({"channel": {"type": "email"}}, "channel.address", "required"),
        ({"fallback": {"type": "chat", "service": "telegram", "token": ["t"]}}, "fallback.token", "string"),
        ({"chanel": HOOK}, "chanel", "not permitted"),
    ],
)
async def test_what_is_wrong_is_named_as_in_the_body_with_what_is_right(api, wrong, field, words):
    [error] = (await problem_of(api, WISH | wrong))["errors"]
    assert error["field"] == field
    assert words in error["detail"]


async def test_everything_that_is_wrong_is_said_at_once(api):
    body = {
        "filter": {
            "topics": ["floods"],
            "languages": ["english"],
            "countries": ["ZZ"],
            "query": "topic:aids",
        },
        "channel": HOOK | {"url": "ftp://x.org"},
    }
    fields = [error["field"] for error in (await problem_of(api, body))["errors"]]
    assert fields == [
        "filter.topics",
        "filter.countries",
        "filter.query",
        "filter.languages",
        "channel.url",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/hook",
        "http://127.0.0.1:9000/hook",
        "http://2130706433/",
        "http://[::ffff:7f00:1]/",
        "http://localhost/hook",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest/meta-data",
        "https://user:pass@hooks.example.org/",
        "file:///etc/passwd",
        "https://hooks.example.org/\r\nX: y",
    ],
)
async def test_a_webhook_that_is_no_public_address_is_refused(api, url):
    problem = await problem_of(api, WISH | {"channel": {"type": "webhook", "url": url}})
    assert problem["errors"][0]["field"] == "channel.url"
    assert await SubscriptionStore(api.bus).all() == []


async def test_a_network_that_is_opened_by_name_is_reached(api, tmp_path):
    api.configure(api.bus, tmp_path, allow_hosts="127.0.0.0/8")
    _, made, _ = await sign_up(api, channel={"type": "webhook", "url": "http://127.0.0.1:9000/hook"})
    assert made["state"] == "pending"


async def test_nothing_is_accepted_while_the_rulebook_is_not_loaded(api):
    await api.bus.redis.delete(api.bus.names.catalogue)
    problem = await problem_of(api, WISH, 503)
    assert "is classify running?" in problem["detail"]


async def test_malformed_json_is_a_400(api):
    headers = {"Content-Type": "application/json"}
    async with api.post("/v1/subscriptions", data=b'{"filter": ', headers=headers) as response:
        assert (response.status, response.content_type) == (400, "application/problem+json")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"\xff\xfe", b'{"name": "\\ud800"}', b""])
async def test_a_body_of_another_kind_is_refused(api, body):
    headers = {"Content-Type": "application/json"}
    async with api.post("/v1/subscriptions", data=body, headers=headers) as response:
        assert response.status in (400, 422)
        assert response.content_type == "application/problem+json"


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_a_413(api, announced):
    async def chunks():
        for _ in range(70):
            yield b"x" * 1024

    async with api.post("/v1/subscriptions", data=b"x" * 70_000 if announced else chunks()) as response:
        assert response.status == 413
        assert (await response.json(content_type=None))["title"] == "Content too large"


async def test_one_address_signs_up_so_often_and_no_more(api, tmp_path):
    api.configure(api.bus, tmp_path, signups_per_hour=8)
    for _ in range(8):
        await sign_up(api)
    async with api.post("/v1/subscriptions", json=WISH) as response:
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 3600


async def test_one_mail_address_gets_so_many_confirmations_and_no_more(api):
    for _ in range(5):
        await sign_up(api, channel=MAIL)
    problem = await problem_of(api, WISH | {"channel": {"type": "email", "address": "Duty@example.org"}}, 429)
    assert "mail address" in problem["detail"]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer tok_wrong"}, {"Authorization": "Basic eDp5"}]
)
async def test_without_its_token_a_subscription_is_as_one_that_is_not_there(api, headers):
    path, _, _ = await sign_up(api)
    async with (
        api.get(path, headers=headers) as response,
        api.get(f"{path[:-4]}0000", headers=headers) as other,
    ):
        assert (response.status, other.status) == (401, 401)
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert await response.text() == await other.text()


async def test_a_token_opens_its_own_subscription_only(api):
    path, _, _ = await sign_up(api)
    _, _, other = await sign_up(api)
    await api.json_of("DELETE", path, 401, headers=other)


async def test_name_and_filter_change_and_the_state_stays(api):
    path, _, owner = await activated(api)
    change = {"name": "Desk", "filter": {"query": "evacuat*"}}
    view = await api.json_of("PATCH", path, headers=owner, json=change)
    assert (view["name"], view["filter"]["query"], view["state"]) == ("Desk", "evacuat*", "active")


async def test_a_change_is_checked_as_a_sign_up_is(api):
    path, _, owner = await sign_up(api)
    for change in ({"filter": {"topics": ["floods"]}}, {"channel": HOOK | {"url": "http://10.0.0.1"}}, {}):
        await api.json_of("PATCH", path, 422, headers=owner, json=change)


async def test_a_name_changes_also_when_a_topic_has_gone_from_the_rulebook(api):
    path, _, owner = await sign_up(api)
    await store_topics(api.bus, "displacement")
    view = await api.json_of("PATCH", path, headers=owner, json={"name": "Desk"})
    assert view["name"] == "Desk"


async def test_a_new_webhook_must_answer_before_it_gets_anything(api):
    path, made, owner = await activated(api)
    other = {"type": "webhook", "url": "https://other.example.org/"}
    view = await api.json_of("PATCH", path, headers=owner, json={"channel": other})
    assert (view["state"], "secret" in view) == ("pending", False)
    assert await kinds_owed(api, made["id"]) == ["confirm", "confirm"]


async def test_moving_from_mail_to_a_webhook_gives_a_secret_once(api):
    path, _, owner = await sign_up(api, channel=MAIL)
    view = await api.json_of("PATCH", path, headers=owner, json={"channel": HOOK})
    assert view["secret"].startswith("whsec_")
    assert "secret" not in await api.json_of("GET", path, headers=owner)


async def test_a_subscription_is_not_moved_to_somebody_elses_mailbox(api):
    path, _, owner = await sign_up(api, channel=MAIL)
    other = {"type": "email", "address": "other@example.org"}
    problem = await api.json_of("PATCH", path, 409, headers=owner, json={"channel": other})
    assert "confirm it first" in problem["detail"]


async def test_a_change_of_address_is_asked_of_both_and_done_when_both_agree(api):
    path, made, owner = await activated(api, channel=MAIL)
    other = {"type": "email", "address": "other@example.org"}
    view = await api.json_of("PATCH", path, headers=owner, json={"channel": other, "name": "Duty"})
    assert (view["channel"], view["move"]["channel"], view["name"]) == (MAIL, other, "Duty")
    assert set(await kinds_owed(api, made["id"])) == {"confirm", "move_from", "move_to"}
    links = Links("", await server_key(api.bus.redis, api.bus.names))
    subscription = await api.stored(made["id"])
    for side in ("to", "from"):
        link = links.move(subscription, side)
        assert "Yes, I agree" in await api.text(link)
        wrong = {"side": "from" if side == "to" else "to", "key": link.split("key=")[1]}
        async with api.post(f"/move/{made['id']}", data=wrong) as response:
            assert response.status == 403
        async with api.post(f"/move/{made['id']}", data={"side": side, "key": wrong["key"]}) as response:
            assert response.status == 200
    assert (await api.json_of("GET", path, headers=owner))["channel"] == other


async def test_a_key_for_one_change_of_address_is_no_good_for_another(api):
    path, made, owner = await activated(api, channel=MAIL)
    links = Links("", await server_key(api.bus.redis, api.bus.names))
    await api.json_of("PATCH", path, headers=owner, json={"channel": MAIL | {"address": "a@example.org"}})
    earlier = links.move(await api.stored(made["id"]), "to")
    await api.json_of("PATCH", path, headers=owner, json={"channel": MAIL | {"address": "b@example.org"}})
    await api.text(earlier, 403)


async def test_sign_up_can_be_closed_to_all_but_the_operator(api, tmp_path):
    api.configure(api.bus, tmp_path, signup="token", admin_token="s3cret")
    problem = await problem_of(api, WISH, 403)
    assert "ask whoever runs it" in problem["detail"]
    assert "takes no sign-ups" in await api.text("/subscribe")
    async with api.post("/subscribe", data={"topics": "aid", "address": "a@example.org"}) as response:
        assert response.status == 403
    headers = {"Authorization": "Bearer s3cret"}
    await api.json_of("POST", "/v1/subscriptions", 201, json=WISH, headers=headers)


async def test_closed_sign_up_without_a_token_is_no_setting():
    with pytest.raises(ValidationError, match="nobody could subscribe"):
        ApiSettings(signup="token", **NO_ENV)


async def test_everything_that_is_held_is_exported_and_erased(api):
    path, made, owner = await activated(api, schedule={"mode": "daily", "timezone": "Europe/Kyiv"})
    await told(api, made["id"], make_tagged(fresh_report(), aid=("fled",)))
    held = await api.json_of("GET", f"{path}/export", headers=owner)
    assert held["subscription"]["channel"]["url"] == HOOK["url"]
    assert {each["state"] for each in held["deliveries"]} == {"held", "pending"}
    assert len(held["stories_told"]) == 1
    assert made["secret"] not in str(held)
    async with api.delete(path, headers=owner) as response:
        assert response.status == 204
    names = api.bus.names
    for key in [key async for key in api.bus.redis.scan_iter(f"{names.prefix}*")]:
        kind = await api.bus.redis.type(key)
        if kind == b"hash":
            assert made["id"].encode() not in await api.bus.redis.hkeys(key)
        assert b"deliver" not in key or kind == b"stream"
    assert await api.bus.redis.zcard(names.digests_due) == 0


async def test_new_webhooks_of_one_host_are_not_tried_without_end(api, tmp_path):
    api.configure(api.bus, tmp_path, signups_per_hour=1000)
    wishes = [WISH | {"channel": HOOK | {"url": f"https://victim.example/{number}"}} for number in range(100)]
    await asyncio.gather(*(api.json_of("POST", "/v1/subscriptions", 201, json=wish) for wish in wishes))
    problem = await problem_of(api, wishes[0], 429)
    assert "test events an hour" in problem["detail"]
    await sign_up(api)


async def test_what_waits_for_its_digest_is_not_sent_before(api):
    path, made, owner = await activated(api, schedule={"mode": "daily"})
    await told(api, made["id"], make_tagged(fresh_report(), aid=("fled",)))
    [delivery] = [each for each in await DeliveryLog(api.bus).newest(made["id"]) if each.kind == "report"]
    problem = await api.json_of("POST", f"{path}/deliveries/{delivery.id}/retry", 409, headers=owner)
    assert problem["detail"] == "it waits for its digest"


# Explanations -----------------------------------------------------------------------------------


def fresh_report(**more):
    now = datetime.now(UTC) + timedelta(seconds=1)
    return make_report(published_at=now, fetched_at=now, **more)


async def told(api, subscription_id, tagged):
    """Do what notify does with a tagged report."""
    await store_reports(api.bus, [tagged], moment=datetime.now(UTC))
    document, subscription = document_of(tagged), await api.stored(subscription_id)
    await FanOut(api.bus).tell(news_of(tagged, document), [terms_of(subscription)])


async def explained(api, made, report):
    return await api.json_of(
        "GET",
        f"/v1/reports/{report.id}/explain?subscription={made['id']}",
        headers={"Authorization": f"Bearer {made['manage_token']}"},
    )


async def test_what_is_written_down_is_what_is_explained(api):
    schedule = {"quiet_hours": {"from": "00:00", "to": "23:59"}, "timezone": "Asia/Kathmandu"}
    _, made, _ = await activated(api, schedule=schedule)
    first, second = fresh_report(), fresh_report()
    await told(api, made["id"], make_tagged(first, aid=("fled",)))
    story = Story(id=first.id, position=2, sources=2)
    await told(api, made["id"], make_tagged(second, aid=("fled",)).model_copy(update={"story": story}))
    answer = await explained(api, made, first)
    assert answer["outcome"] in ("held_by_quiet_hours", "on_its_way")  # one minute a day is not quiet
    assert answer["filter"]["held"]
    again = await explained(api, made, second)
    assert (again["outcome"], again["refers_to"]) == ("same_story", first.id)


async def test_of_a_report_that_nothing_is_written_of_it_says_what_is_in_the_way(api):
    path, made, owner = await sign_up(api, filter={"topics": ["aid"], "query": "river AND border"})
    old, other = make_report(), fresh_report()
    await store_reports(api.bus, [make_tagged(old, aid=("fled",)), make_tagged(other)])
    assert (await explained(api, made, other))["outcome"] == "pending"
    await api.stored_with(made["id"], state="active")
    assert (await explained(api, made, old))["outcome"] == "older_than_subscription"
    answer = await explained(api, made, other)
    assert answer["outcome"] == "not_matched"
    query = answer["filter"]["parts"][-1]
    assert {part["text"]: part["note"] for part in query["parts"]}["border"] == "not found"
    await api.json_of("POST", f"{path}/pause", headers=owner)
    assert (await explained(api, made, other))["outcome"] == "paused"


async def test_only_the_owner_is_told_why(api):
    _, made, _ = await sign_up(api)
    report = make_report()
    await store_reports(api.bus, [make_tagged(report, aid=("fled",))])
    await api.json_of("GET", f"/v1/reports/{report.id}/explain?subscription={made['id']}", 401)
    await api.text(f"/reports/{report.id}?subscription={made['id']}&key=wrong", 403)
    key = (await api.link("manage", made["id"])).split("key=")[1]
    page = await api.text(f"/reports/{report.id}?subscription={made['id']}&key={key}")
    assert "Your alert and this report" in page


# Previews ---------------------------------------------------------------------------------------


async def preview_of(api, **wish):
    await api.recent.load()
    return await api.json_of("POST", "/v1/preview", json=wish)


async def test_a_preview_counts_what_would_have_been_told(api):
    reports = [fresh_report() for _ in range(3)]
    stories = [Story(id="s", position=1, sources=1), Story(id="s", position=2, sources=2)]
    tagged = [make_tagged(each, aid=("fled",)) for each in reports]
    tagged[:2] = [
        each.model_copy(update={"story": story}) for each, story in zip(tagged, stories, strict=False)
    ]
    await store_reports(api.bus, [*tagged, make_tagged(fresh_report())], moment=datetime.now(UTC))
    preview = await preview_of(api, filter={"topics": ["aid"]})
    assert (preview["reports"], preview["matched"], preview["told"], preview["messages"]) == (4, 3, 2, 2)
    assert sum(day["told"] for day in preview["per_day"]) == 2
    assert [piece["text"] for piece in preview["newest"][0]["evidence"]] == ["fled"]
    every = await preview_of(api, filter={"topics": ["aid"]}, one_per_story=False, schedule={"mode": "daily"})
    assert (every["told"], every["messages"]) == (3, 1)


async def test_a_preview_knows_what_has_just_come_and_what_it_has_become(api):
    async def reports_and_matches() -> tuple[int, int]:
        preview = await api.json_of("POST", "/v1/preview", json={"filter": {"topics": ["aid"]}})
        return preview["reports"], preview["matched"]

    report = fresh_report()
    await store_reports(api.bus, [make_tagged(report)], moment=datetime.now(UTC))
    await api.json_of("POST", "/v1/preview", 503, json={"filter": {"topics": ["aid"]}})
    following = asyncio.create_task(api.recent.follow())
    try:
        await until(api.recent.is_ready)
        assert await reports_and_matches() == (1, 0)
        revised = report.model_copy(update={"revision": 2})
        tagged = [make_tagged(revised, aid=("fled",)), make_tagged(fresh_report())]
        await store_reports(api.bus, tagged, moment=datetime.now(UTC))

        async def both_are_known() -> bool:
            return await reports_and_matches() == (2, 1)

        await until(both_are_known)
    finally:
        following.cancel()
        await asyncio.wait([following])


async def test_a_preview_warns_of_a_flood(api):
    many = [make_tagged(fresh_report(), aid=("fled",)) for _ in range(21)]
    await store_reports(api.bus, many, moment=datetime.now(UTC), apart=0)
    assert "21 reports a day" in (await preview_of(api, filter={"topics": ["aid"]}))["warning"]
    assert (await preview_of(api, filter={"query": "nothing"}))["warning"] is None


async def test_a_preview_that_takes_long_is_of_the_newest_reports_and_says_so(api):
    now = datetime.now(UTC).replace(microsecond=0)
    seen = [now - timedelta(hours=age) for age in (50, 30, 1)]
    reports = [make_report(fetched_at=moment) for moment in seen]
    await store_reports(api.bus, [make_tagged(report, aid=("fled",)) for report in reports], moment=now)
    wish = PreviewWish(filter=Filter(topics=("aid",)))
    for patience, told, since in ((1, 3, seen[0]), (-1, 1, seen[2])):
        recent = RecentReports(api.bus, patience=patience)
        await recent.load()
        preview = await recent.preview(wish, ReportStore(api.bus.redis, api.bus.names), now)
        assert (preview.reports, preview.told, preview.since) == (told, told, since)
        assert sum(day.told for day in preview.per_day) == told


async def test_the_form_shows_its_preview_by_a_button_and_while_it_is_typed(api):
    report = fresh_report()
    await store_reports(api.bus, [make_tagged(report, aid=("fled",))], moment=datetime.now(UTC))
    await api.recent.load()
    for path in ("/subscribe", "/subscribe/preview"):
        async with api.post(path, data={"topics": "aid", "do": "preview"}) as response:
            page = await response.text()
            assert response.status == 200
            assert "<strong>1 report</strong>" in page
            assert f"/reports/{report.id}" in page
    async with api.post("/subscribe/preview", data={"query": "a AND"}) as response:
        assert "nothing to the right of AND" in await response.text()


async def test_previews_are_not_had_without_end(api):
    await api.recent.load()
    wish = {"filter": {"query": "aid"}}
    await asyncio.gather(*(api.json_of("POST", "/v1/preview", json=wish) for _ in range(90)))
    await api.json_of("POST", "/v1/preview", 429, json=wish)


@pytest.mark.parametrize("action", ["pause", "resume"])
async def test_a_pending_subscription_cannot_be_activated_by_its_token(api, action):
    path, made, owner = await sign_up(api)
    await api.json_of("POST", f"{path}/{action}", 409, headers=owner)
    assert (await api.stored(made["id"])).state == "pending"


async def test_pause_and_resume(api):
    path, _, owner = await activated(api)
    assert (await api.json_of("POST", f"{path}/pause", headers=owner))["state"] == "paused"
    assert (await api.json_of("POST", f"{path}/resume", headers=owner))["state"] == "active"


@pytest.mark.parametrize(
    ("before", "kind", "after"), [("active", "test", "active"), ("disabled", "confirm", "pending")]
)
async def test_a_test_of_what_is_switched_off_asks_its_endpoint_again(api, before, kind, after):
    path, made, owner = await sign_up(api)
    await api.stored_with(made["id"], state=before)
    delivery = await api.json_of("POST", f"{path}/test", 202, headers=owner)
    assert (delivery["kind"], delivery["state"]) == (kind, "pending")
    assert (await api.stored(made["id"])).state == after


async def test_tests_are_limited(api):
    path, _, owner = await sign_up(api)
    for _ in range(10):
        await api.json_of("POST", f"{path}/test", 202, headers=owner)
    await api.json_of("POST", f"{path}/test", 429, headers=owner)


async def test_a_secret_is_rotated(api):
    path, made, owner = await sign_up(api)
    new = await api.json_of("POST", f"{path}/rotate-secret", headers=owner)
    assert new["secret"] != made["secret"]
    assert (await api.stored(made["id"])).secret == new["secret"]


async def test_a_change_that_was_asked_for_before_a_rotation_leaves_the_new_secret(api):
    _, made, _ = await sign_up(api)
    desk, asked = SubscriptionDesk(api.bus), await api.stored(made["id"])
    new = (await desk.rotate_secret(asked)).secret
    await desk.change(asked, Change(name="renamed"))
    assert (await api.stored(made["id"])).secret == new


async def test_a_mail_subscription_has_no_secret_to_rotate(api):
    path, made, owner = await sign_up(api, channel=MAIL)
    assert "secret" not in made
    await api.json_of("POST", f"{path}/rotate-secret", 409, headers=owner)


async def test_deliveries_are_listed_with_their_attempts(api):
    path, _, owner = await sign_up(api)
    [delivery] = (await api.json_of("GET", f"{path}/deliveries", headers=owner))["deliveries"]
    assert (delivery["kind"], delivery["attempts"], delivery["log"]) == ("confirm", 0, [])


async def test_a_delivery_that_was_given_up_is_sent_again(api):
    path, made, owner = await activated(api)
    delivery = replace(owed_report(made["id"], "r1", datetime.now(UTC)), state="given_up", attempts=9)
    await DeliveryLog(api.bus).owe([delivery])
    await api.json_of("POST", f"{path}/deliveries/{delivery.id}/retry", 202, headers=owner)
    assert (await DeliveryLog(api.bus).get(delivery.id)).state == "pending"


@pytest.mark.parametrize("delivery_id", ["dlv_00", "x", "dlv_00:attempts"])
async def test_a_delivery_of_another_subscription_is_not_there(api, delivery_id):
    path, _, owner = await sign_up(api)
    _, made, _ = await sign_up(api)
    other = owed_report(made["id"], "r1", datetime.now(UTC))
    await DeliveryLog(api.bus).owe([other])
    for wanted in (delivery_id, other.id):
        await api.json_of("POST", f"{path}/deliveries/{wanted}/retry", 404, headers=owner)


async def test_an_unconfirmed_endpoint_gets_nothing_by_a_retry(api):
    path, made, owner = await sign_up(api)
    [confirmation] = await DeliveryLog(api.bus).newest(made["id"])
    report = owed_report(made["id"], "r1", datetime.now(UTC))
    await DeliveryLog(api.bus).owe([report])
    for delivery in (confirmation, report):
        await api.json_of("POST", f"{path}/deliveries/{delivery.id}/retry", 409, headers=owner)


async def test_a_removed_subscription_is_gone(api):
    path, made, owner = await sign_up(api)
    async with api.delete(path, headers=owner) as response:
        assert (response.status, await response.read()) == (204, b"")
        assert "Content-Type" not in response.headers
    assert await api.stored(made["id"]) is None
    await api.json_of("GET", path, 401, headers=owner)


async def test_each_change_is_told_on_the_stream(api):
    path, made, owner = await sign_up(api)
    await api.json_of("PATCH", path, headers=owner, json={"name": "Desk"})
    await api.delete(path, headers=owner)
    entries = await api.bus.redis.xrange(api.bus.names.subscription_changes)
    assert [fields[b"type"] for _, fields in entries] == [b"changed", b"changed", b"removed"]
    assert {fields[b"id"] for _, fields in entries} == {made["id"].encode()}


async def test_changes_at_the_same_time_all_hold(api):
    path, _, owner = await sign_up(api)
    changes = [{"name": "Desk"}, {"filter": {"query": "convoy"}}, {"one_per_story": False}]
    await asyncio.gather(*(api.json_of("PATCH", path, headers=owner, json=change) for change in changes))
    view = await api.json_of("GET", path, headers=owner)
    assert (view["name"], view["filter"]["query"], view["one_per_story"]) == ("Desk", "convoy", False)


async def test_an_unknown_route_and_a_wrong_method_are_problems(api):
    assert (await api.json_of("GET", "/v1/nothing", 404))["code"] == "not-found"
    async with api.put("/v1/subscriptions") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert (await response.json(content_type=None))["status"] == 405
    for path, allowed in (("/v1/topics", "GET, HEAD"), ("/v1/subscriptions/a", "GET, HEAD, PATCH, DELETE")):
        async with api.put(path) as response:
            assert (response.status, response.headers["Allow"]) == (405, allowed)


async def test_a_bug_or_a_broken_record_is_an_answer_and_closed_to_others(api):
    path, made, owner = await sign_up(api)
    await api.bus.redis.hset(api.bus.names.subscriptions, made["id"], b"{")
    async with api.get(path, headers=owner) as response:
        assert (response.status, response.content_type) == (500, "application/problem+json")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Traceback" not in await response.text()
    assert await api.json_of("GET", "/livez") == {"status": "alive"}


async def test_what_was_missed_is_sent_again_once_under_its_own_id(api):
    path, made, owner = await activated(api)
    now, log = datetime.now(UTC), DeliveryLog(api.bus)
    reports = [make_tagged(fresh_report(title=f"Aid {number}"), aid=("fled",)) for number in range(3)]
    other = make_tagged(fresh_report(title="Elsewhere"), displacement=("fled",))
    await store_reports(api.bus, [*reports, other], moment=now)
    arrived, failed, never = [owed_report(made["id"], each.report.id, now) for each in reports]
    arrived = arrived.after(Attempt(now, "delivered"), "delivered")
    await log.owe([arrived, failed.after(Attempt(now, "given_up", "answered 500"), "given_up")])
    wanted = {"what": "missed", "since": (now - timedelta(minutes=5)).isoformat()}
    for queued in (2, 0):
        answer = await api.json_of("POST", f"{path}/replay", 202, json=wanted, headers=owner)
        assert answer == {"queued": queued}
    told = {each.id: each.state for each in await log.newest(made["id"]) if each.kind == "report"}
    assert told == {arrived.id: "delivered", failed.id: "pending", never.id: "pending"}


async def test_a_replay_of_more_than_can_be_looked_at_says_so_and_sends_nothing(api, monkeypatch):
    path, made, owner = await activated(api)
    now = datetime.now(UTC)
    await store_reports(
        api.bus,
        [make_tagged(fresh_report(title=f"Aid {each}"), aid=("fled",)) for each in range(3)],
        moment=now,
    )
    monkeypatch.setattr("services.api.adapters.replays.REPORTS_LOOKED_AT", 2)
    wanted = {"what": "missed", "since": (now - timedelta(minutes=5)).isoformat()}
    problem = await api.json_of("POST", f"{path}/replay", 409, json=wanted, headers=owner)
    assert "name a later moment" in problem["detail"]
    assert await kinds_owed(api, made["id"]) == ["confirm"]


async def test_a_secret_that_is_not_shown_is_not_taken_back_as_it_is_shown(api):
    hook = {"type": "chat", "service": "slack", "url": "https://hooks.slack.com/services/T0/B0/secret"}
    made = await api.json_of("POST", "/v1/subscriptions", 201, json=WISH | {"channel": hook})
    path, owner = f"/v1/subscriptions/{made['id']}", {"Authorization": f"Bearer {made['manage_token']}"}
    shown = (await api.json_of("GET", path, headers=owner))["channel"]
    assert shown["url"] == "https://hooks.slack.com/…"
    problem = await api.json_of("PATCH", path, 422, headers=owner, json={"channel": shown})
    assert [error["field"] for error in problem["errors"]] == ["channel.url"]
    assert (await api.stored(made["id"])).channel.url == hook["url"]


@pytest.mark.parametrize("second", [MAIL, MAIL | {"address": MAIL["address"].title()}])
async def test_a_second_channel_is_another_than_the_first(api, second):
    problem = await api.json_of(
        "POST", "/v1/subscriptions", 422, json=WISH | {"channel": MAIL, "fallback": second}
    )
    assert [error["detail"] for error in problem["errors"]] == ["the second channel is the same as the first"]


async def test_two_webhooks_are_signed_in_one_way(api):
    second = HOOK | {"url": "https://second.example.org/", "signature": "v1a"}
    problem = await api.json_of("POST", "/v1/subscriptions", 422, json=WISH | {"fallback": second})
    assert [error["field"] for error in problem["errors"]] == ["fallback.signature"]
    both = {"channel": HOOK | {"signature": "v1a"}, "fallback": second}
    await api.json_of("POST", "/v1/subscriptions", 201, json=WISH | both)


async def test_what_failed_and_fell_off_the_log_is_missed_as_well(api):
    path, made, owner = await activated(api)
    now, log, report = datetime.now(UTC), DeliveryLog(api.bus), make_tagged(fresh_report(), aid=("fled",))
    await store_reports(api.bus, [report], moment=now)
    failed = owed_report(made["id"], report.report.id, now)
    await log.owe([failed.after(Attempt(now, "given_up"), "given_up")])
    await api.bus.redis.delete(api.bus.names.deliveries_of(made["id"]))
    wanted = {"what": "missed", "since": (now - timedelta(minutes=5)).isoformat()}
    assert await api.json_of("POST", f"{path}/replay", 202, json=wanted, headers=owner) == {"queued": 1}
    again = await log.get(failed.id)
    assert again
    assert again.state == "pending"


async def test_what_was_missed_is_owed_from_when_it_came_so_that_it_is_marked_as_late(api):
    path, made, owner = await activated(api)
    came = datetime.now(UTC) - timedelta(hours=2)
    await store_reports(api.bus, [make_tagged(fresh_report(title="Aid"), aid=("fled",))], moment=came)
    wanted = {"what": "missed", "since": (came - timedelta(minutes=5)).isoformat()}
    await api.json_of("POST", f"{path}/replay", 202, json=wanted, headers=owner)
    [missed] = [each for each in await DeliveryLog(api.bus).newest(made["id"]) if each.kind == "report"]
    assert abs((missed.created_at - came).total_seconds()) < 1
