"""/v1/reports, /v1/topics, /v1/feeds, health and figures over HTTP, with a real Redis."""

import json
import time
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.events import Country
from tests.builders import NOW, make_report, make_tagged, store_reports

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def all_ids(api, path):
    """Return the ids of every page, in order."""
    ids, after = [], ""
    while True:
        page = await api.json_of("GET", f"{path}&after={after}" if after else path)
        ids += [tagged["report"]["id"] for tagged in page["reports"]]
        after = page["next"]
        if after is None:
            return ids


@pytest.mark.parametrize("apart", [1, 0])
async def test_pages_hold_every_report_once_newest_first(api, apart):
    reports = [make_tagged() for _ in range(23)]
    await store_reports(api.bus, reports, apart=apart)
    wanted = [each.report.id for each in reversed(reports)]
    assert await all_ids(api, "/v1/reports?limit=5") == wanted


async def test_a_report_that_comes_meanwhile_does_not_shift_the_pages(api):
    await store_reports(api.bus, old := [make_tagged() for _ in range(6)])
    first = await api.json_of("GET", "/v1/reports?limit=3")
    await store_reports(api.bus, [make_tagged()], moment=NOW + timedelta(hours=1))
    rest = await api.json_of("GET", f"/v1/reports?limit=3&after={first['next']}")
    ids = [tagged["report"]["id"] for tagged in first["reports"] + rest["reports"]]
    assert ids == [each.report.id for each in reversed(old)]
    assert rest["next"] is None


async def test_a_report_whose_body_has_expired_is_passed_over(api):
    await store_reports(api.bus, reports := [make_tagged() for _ in range(4)])
    await api.bus.redis.delete(api.bus.names.report(reports[2].report.id))
    assert await all_ids(api, "/v1/reports?limit=1") == [reports[i].report.id for i in (3, 1, 0)]


async def test_topic_country_and_words_must_all_hold(api):
    wanted = make_tagged(displacement=("fled",)).model_copy(update={"countries": (Country(code="SD"),)})
    await store_reports(api.bus, [wanted, make_tagged(displacement=("fled",)), make_tagged()])
    ids = await all_ids(api, "/v1/reports?topic=displacement&country=sd&q=famil*")
    assert ids == [wanted.report.id]


async def test_a_revision_that_lost_a_topic_is_not_found_under_it(api):
    report = make_report()
    await store_reports(api.bus, [make_tagged(report, displacement=("fled",))])
    await store_reports(api.bus, [make_tagged(report.model_copy(update={"revision": 2}))])
    assert await all_ids(api, "/v1/reports?topic=displacement") == []


@pytest.mark.parametrize("bad", ["after=x", "limit=0", "limit=many", "country=Sudan"])
async def test_a_bad_parameter_is_a_problem_that_names_it(api, bad):
    async with api.get(f"/v1/reports?{bad}") as response:
        assert response.status in (400, 422)
        problem = await response.json(content_type=None)
    assert problem["errors"][0]["field"] == bad.split("=")[0]


async def test_a_report_is_read_by_its_id(api):
    await store_reports(api.bus, [tagged := make_tagged(aid=("fled",))])
    found = await api.json_of("GET", f"/v1/reports/{tagged.report.id}")
    assert found == tagged.model_dump(mode="json")


@pytest.mark.parametrize("report_id", ["nothing", "a%0Ab", "..%2F..", "%F0%9F%92%A5"])
async def test_a_report_that_is_not_there_is_a_404(api, report_id):
    await api.json_of("GET", f"/v1/reports/{report_id}", 404)


async def test_topics_are_those_of_the_rulebook(api):
    topics = (await api.json_of("GET", "/v1/topics"))["topics"]
    assert [topic["id"] for topic in topics] == ["aid", "displacement"]


async def test_feeds_are_listed_with_how_they_are(api):
    redis, names = api.bus.redis, api.bus.names
    await redis.hset(
        names.feeds, "f1", json.dumps({"id": "f1", "url": "https://a.example/feed", "title": "A"})
    )
    await redis.hset(names.feeds, "f2", json.dumps({"id": "f2", "url": "https://b.example/feed"}))
    await redis.hset(names.feeds, "f3", b"{")
    await redis.hset(names.feed("f1"), mapping={"failures": 2, "last_error": "404", "last_status": 404})
    feeds = (await api.json_of("GET", "/v1/feeds"))["feeds"]
    assert [(feed["title"], feed["condition"]) for feed in feeds] == [
        ("A", "failing"),
        ("https://b.example/feed", "waiting"),
    ]


async def test_a_process_that_answers_is_alive(api):
    assert await api.json_of("GET", "/livez") == {"status": "alive"}


async def test_readiness_says_what_is_missing(api):
    redis, names = api.bus.redis, api.bus.names
    await redis.xgroup_create(names.published, "classify", id="0", mkstream=True)
    await redis.zadd(names.instances, {"ingest host-1": time.time(), "notify host-1": time.time() - 60})
    missing = (await api.json_of("GET", "/readyz", 503))["missing"]
    assert missing == [
        f"consumer group notify on {names.tagged}",
        f"consumer group notify on {names.deliveries}",
        "no classify is running",
        "no notify is running",
    ]


async def test_it_is_ready_when_groups_and_services_are_there(api):
    redis, names = api.bus.redis, api.bus.names
    for stream, group in (
        (names.published, "classify"),
        (names.tagged, "notify"),
        (names.deliveries, "notify"),
    ):
        await redis.xgroup_create(stream, group, id="0", mkstream=True)
    for service in ("ingest", "classify", "notify"):
        await redis.zadd(names.instances, {f"{service} host-1": time.time()})
    assert await api.json_of("GET", "/readyz") == {"status": "ready", "missing": []}


async def figures(api):
    async with api.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = text_string_to_metric_families(await response.text())
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }


async def test_counters_of_every_service_are_figures(api):
    api.bus.counters.add("handled", 3, stream='odd "name"\\', group="classify")
    api.bus.counters.add("signups", 2, channel="email")
    found = await figures(api)
    assert found["tocsin_handled_total", ("group", "classify"), ("stream", 'odd "name"\\')] == 3
    assert found["tocsin_signups_total", ("channel", "email")] == 2


async def test_durations_are_a_histogram(api):
    api.bus.counters.observe("stage_seconds", [0.004, 0.2, 7200], stream="s", group="notify")
    found = await figures(api)
    here = (("group", "notify"), ("stream", "s"))
    assert found["tocsin_stage_seconds_count", *here] == 3
    assert found["tocsin_stage_seconds_sum", *here] == pytest.approx(7200.204)
    below = {
        bound: found["tocsin_stage_seconds_bucket", here[0], ("le", bound), here[1]]
        for bound in ("0.01", "0.25", "3600", "+Inf")
    }
    assert below == {"0.01": 1, "0.25": 2, "3600": 2, "+Inf": 3}


async def test_feeds_redis_and_versions_are_figures(api):
    redis, names = api.bus.redis, api.bus.names
    await redis.hset(names.feeds, "f1", json.dumps({"url": "https://news.example/feed"}))
    await redis.hset(names.feed("f1"), mapping={"last_success": "2026-03-14T09:30:00Z"})
    found = await figures(api)
    assert found["tocsin_feeds", ("condition", "well")] == 1
    assert found["tocsin_feed_last_success_timestamp_seconds", ("feed", "f1")] == 1773480600
    assert found["tocsin_redis_memory_bytes",] > 0
    assert found["tocsin_instances", ("service", "notify")] == 0
    assert any(name == "tocsin_build_info" for name, *_ in found)


async def test_figures_are_kept_from_those_without_the_token_if_there_is_one(api, tmp_path):
    api.configure(api.bus, tmp_path, metrics_token="t0ken")
    async with api.get("/metrics") as response:
        assert response.status == 401
    async with api.get("/metrics", headers={"Authorization": "Bearer t0ken"}) as response:
        assert response.status == 200


async def test_streams_are_figures(api):
    redis, names = api.bus.redis, api.bus.names
    await redis.xgroup_create(names.published, "classify", id="0", mkstream=True)
    for second in (1, 2, 3):
        await redis.xadd(names.published, {"x": "y"}, id=f"{second}000-0")
    await redis.xreadgroup("classify", "c1", {names.published: ">"}, count=1)
    await redis.xadd(names.dead(names.tagged), {"reason": "none"})
    found = await figures(api)
    here = (("group", "classify"), ("stream", names.published))
    assert found["tocsin_stream_entries", here[1]] == 3
    assert found["tocsin_stream_pending", *here] == 1
    assert found["tocsin_stream_oldest_unacknowledged_seconds", *here] > 1_000_000
    assert found["tocsin_dead_letters", ("stream", names.tagged)] == 1
    assert found["tocsin_api_uptime_seconds",] > 0


async def test_schemas_are_served_under_the_address_that_events_name(api):
    schema = await api.json_of("GET", "/schemas/report.tagged.v1.json")
    assert schema["$id"] == "/schemas/report.tagged.v1.json"
    await api.json_of("GET", "/schemas/nothing.json", 404)


async def test_openapi_describes_the_routes_with_examples(api):
    document = await api.json_of("GET", "/openapi.json")
    subscribe = document["paths"]["/v1/subscriptions"]["post"]
    assert "webhook" in subscribe["requestBody"]["content"]["application/json"]["examples"]
    assert subscribe["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    assert "application/problem+json" in document["components"]["responses"]["Problem"]["content"]
    assert "/" not in document["paths"]
