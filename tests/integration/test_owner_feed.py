"""The feed of one alert: what it matches, for whoever has its address, until there is another."""

import json
import re

import pytest

from shared.subscription_store import SubscriptionStore
from tests.builders import make_report, make_tagged, store_reports

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

WISH = {
    "filter": {"topics": ["aid"], "query": "flour", "languages": ["en"]},
    "channel": {"type": "email", "address": "duty@example.org"},
}


async def made(api):
    """Set the alert; return its path in the API, and what shows that it is one's own."""
    created = await api.json_of("POST", "/v1/subscriptions", 201, json=WISH)
    return f"/v1/subscriptions/{created['id']}", {"Authorization": f"Bearer {created['manage_token']}"}


async def feed_of(api, form="atom"):
    """Return the address of the feed, as the manage page has it."""
    [subscription] = await SubscriptionStore(api.bus).all()
    page = await api.text(await api.link("manage", subscription.id))
    return re.search(rf'href="([^"]+/feeds/sub_[^"]+\.{form}[^"]+)"', page)[1].removeprefix(api.address)


async def test_it_has_what_the_filter_matches(api):
    await made(api)
    wanted = make_tagged(make_report(title="Convoy", text="It brought flour.", language="en"), aid=("flour",))
    other_words = make_tagged(make_report(title="Convoy", text="It brought tents."), aid=("tents",))
    other_language = make_tagged(
        make_report(title="Convoi", text="Avec flour.", language="fr"), aid=("flour",)
    )
    await store_reports(api.bus, [wanted, other_words, other_language])
    feed = json.loads(await api.text(await feed_of(api, "json")))
    assert [item["_tocsin"]["report"] for item in feed["items"]] == [wanted.report.id]
    assert feed["feed_url"].endswith(await feed_of(api, "json"))
    assert "Convoy" in await api.text(await feed_of(api))


async def test_what_has_not_changed_is_not_sent_again_and_nobody_else_keeps_it(api):
    await made(api)
    address = await feed_of(api)
    async with api.get(address) as response:
        etag = response.headers["ETag"]
        assert response.headers["Cache-Control"].startswith("private")
        assert "Access-Control-Allow-Origin" not in response.headers
    async with api.get(address, headers={"If-None-Match": etag}) as response:
        assert response.status == 304
    await store_reports(api.bus, [make_tagged(make_report(text="flour"), aid=("flour",))])
    async with api.get(address, headers={"If-None-Match": etag}) as response:
        assert response.status == 200


async def test_a_new_address_ends_the_old_one_and_removal_both(api):
    path, owner = await made(api)
    old = await feed_of(api)
    new = (await api.json_of("POST", f"{path}/rotate-feed", headers=owner))["atom"].removeprefix(api.address)
    assert new == await feed_of(api)
    await api.text(new)
    await api.text(old, 403)
    await api.text(new.partition("?")[0], 403)
    await api.text(new[:-1] + ("0" if new[-1] != "0" else "1"), 403)
    async with api.delete(path, headers=owner) as response:
        assert response.status == 204
    await api.text(new, 404)
