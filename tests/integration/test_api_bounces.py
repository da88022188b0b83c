"""Bounces by HTTP, on a real Redis: the subscriptions of an address are stopped or paused."""

import json

import pytest

from shared.deliveries import DeliveryLog

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")
TOKEN = {"Authorization": "Bearer bounce-token"}


@pytest.fixture
def open_api(api, api_bus, tmp_path):
    api.configure(api_bus, tmp_path, bounce_token="bounce-token")
    return api


async def mail_alert(api, **more: object) -> str:
    return (await owned_alert(api, **more))["id"]


async def owned_alert(api, **more: object) -> dict[str, str]:
    channel = {"type": "email", "address": "duty@example.org"}
    wish = {"filter": {"topics": ["aid"]}, "channel": channel, **more}
    made = await api.json_of("POST", "/v1/subscriptions", 201, json=wish)
    await api.stored_with(made["id"], state="active")
    return made


async def bounced(api, kind: str, address: str = "Duty@Example.org") -> int:
    body = {"address": address, "kind": kind, "reason": "no such user"}
    return (await api.json_of("POST", "/v1/bounces/generic", json=body, headers=TOKEN))["stopped"]


@pytest.mark.parametrize(("kind", "words"), [("hard", "does not arrive"), ("complaint", "spam")])
async def test_a_hard_bounce_or_a_complaint_stops_at_once(open_api, kind, words):
    made = await mail_alert(open_api)
    assert await bounced(open_api, kind) == 1
    found = await open_api.stored(made)
    assert (found.state, words in found.reason) == ("disabled", True)


async def test_the_third_soft_bounce_of_a_week_pauses(open_api):
    made = await mail_alert(open_api)
    assert [await bounced(open_api, "soft") for _ in range(2)] == [0, 0]
    assert (await open_api.stored(made)).state == "active"
    assert await bounced(open_api, "soft") == 1
    assert (await open_api.stored(made)).state == "paused"


async def test_whoever_resumes_after_soft_bounces_begins_anew(open_api):
    made = await owned_alert(open_api)
    for _ in range(3):
        await bounced(open_api, "soft")
    owner = {"Authorization": f"Bearer {made['manage_token']}"}
    await open_api.json_of("POST", f"/v1/subscriptions/{made['id']}/resume", headers=owner)
    assert [await bounced(open_api, "soft") for _ in range(3)] == [0, 0, 1]


@pytest.mark.parametrize("kinds", [["hard"], ["soft"] * 3])
async def test_a_second_address_that_bounces_is_taken_off_and_the_alert_goes_on(open_api, kinds):
    made = await mail_alert(open_api, fallback={"type": "email", "address": "night@example.org"})
    assert await bounced(open_api, kinds[0], "night@example.org") == (len(kinds) == 1)
    for kind in kinds[1:]:
        assert (await open_api.stored(made)).fallback is not None
        await bounced(open_api, kind, "night@example.org")
    found = await open_api.stored(made)
    assert (found.state, found.fallback) == ("active", None)


async def test_a_soft_bounce_that_is_told_again_is_counted_once(open_api):
    made = await mail_alert(open_api)
    body = {"address": "duty@example.org", "kind": "soft", "id": "b-1"}
    for _ in range(4):
        await open_api.json_of("POST", "/v1/bounces/generic", json=body, headers=TOKEN)
    assert (await open_api.stored(made)).state == "active"


async def test_one_that_is_not_confirmed_is_not_paused_as_that_could_be_resumed(open_api):
    wish = {"filter": {"topics": ["aid"]}, "channel": {"type": "email", "address": "new@example.org"}}
    made = await open_api.json_of("POST", "/v1/subscriptions", 201, json=wish)
    for _ in range(3):
        await bounced(open_api, "soft", "new@example.org")
    owner = {"Authorization": f"Bearer {made['manage_token']}"}
    await open_api.json_of("POST", f"/v1/subscriptions/{made['id']}/resume", 409, headers=owner)
    assert (await open_api.stored(made["id"])).state == "pending"


async def test_a_second_channel_is_told_that_the_first_was_stopped(open_api):
    hook = {"type": "webhook", "url": "https://hook.example.org/"}
    answered, silent = [await mail_alert(open_api, fallback=hook) for _ in range(2)]
    await open_api.stored_with(answered, state="active", fallback_confirmed=True)
    for _ in range(2):
        await bounced(open_api, "hard")
    log = DeliveryLog(open_api.bus)
    told = [[each for each in await log.newest(one) if each.kind == "notice"] for one in (answered, silent)]
    assert [len(each) for each in told] == [1, 0]
    assert told[0][0].to_fallback
    assert "does not arrive: no such user" in told[0][0].note


async def test_an_address_that_nobody_has_changes_nothing(open_api):
    made = await mail_alert(open_api)
    assert await bounced(open_api, "hard", "other@example.org") == 0
    assert (await open_api.stored(made)).state == "active"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}])
async def test_nobody_without_the_token_reports_bounces(open_api, headers):
    body = {"address": "duty@example.org", "kind": "hard"}
    await open_api.json_of("POST", "/v1/bounces/generic", 403, json=body, headers=headers)


async def test_without_a_token_set_nobody_does(api):
    await api.json_of("POST", "/v1/bounces/generic", 403, json={}, headers={"Authorization": "Bearer "})


async def test_what_is_no_bounce_is_answered_in_words(open_api):
    await open_api.json_of("POST", "/v1/bounces/ses", 422, json={"Message": "x"}, headers=TOKEN)


async def test_what_ses_tells_comes_by_sns(open_api):
    made = await mail_alert(open_api)
    recipients = [{"emailAddress": "duty@example.org"}]
    bounce = {"bounceType": "Permanent", "bouncedRecipients": recipients}
    told = json.dumps({"notificationType": "Bounce", "bounce": bounce})
    message = {"Type": "Notification", "Message": told}
    await open_api.json_of("POST", "/v1/bounces/ses", 403, json=message)
    assert await open_api.json_of("POST", "/v1/bounces/ses", json=message, headers=TOKEN) == {"stopped": 1}
    assert (await open_api.stored(made)).state == "disabled"


@pytest.mark.parametrize("raw", [True, False])
async def test_what_sns_posts_as_plain_text_is_read(open_api, raw):
    made = await mail_alert(open_api)
    told = {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bouncedRecipients": [{"emailAddress": "duty@example.org", "diagnosticCode": "smtp; 550 5.1.1"}],
        },
    }
    body = told if raw else {"Type": "Notification", "TopicArn": "arn:x", "Message": json.dumps(told)}
    answer = await open_api.json_of(
        "POST",
        "/v1/bounces/ses?token=bounce-token",
        data=json.dumps(body),
        headers={"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"},
    )
    assert answer == {"stopped": 1}
    assert (await open_api.stored(made)).state == "disabled"


async def test_what_is_no_json_is_refused_clearly(open_api):
    problem = await open_api.json_of(
        "POST",
        "/v1/bounces/ses",
        422,
        data="{not json",
        headers=TOKEN | {"Content-Type": "text/plain; charset=UTF-8"},
    )
    assert "JSON" in json.dumps(problem)
