"""What holds for all that everybody may read: limits, CORS, codes, and a description that is true."""

import json
import re
import socket

import pytest

from services.api.core.problem import KINDS, Problem
from services.api.web.event_routes import StreamState
from services.api.web.openapi import ANSWERS, REPORT
from services.api.web.report_routes import ReportPage, Topics
from services.api.web.server import open_port
from shared.events import TaggedReport
from tests.builders import make_tagged, store_reports

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")


def limited(api, most):
    api.use(settings=api.parts.settings.model_copy(update={"reads_per_minute": most}))


async def test_what_costs_something_is_counted_and_what_is_kept_is_not(api):
    limited(api, 3)
    async with api.get("/v1/reports") as response:
        assert response.headers["RateLimit-Policy"] == '"reads";q=3;w=60'
        assert response.headers["RateLimit"] == '"reads";r=2;t=60'
    for _ in range(5):
        await api.text("/v1/reports")
    await api.text("/v1/reports?limit=2")
    await api.text("/v1/stream")
    async with api.get("/v1/reports?limit=3") as response:
        assert response.status == 429
        assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert response.headers["RateLimit"].startswith('"reads";r=0;')
        assert (await response.json(content_type=None))["code"] == "too-many-requests"


async def test_a_search_for_words_counts_as_what_it_costs(api):
    limited(api, 60)
    await api.text("/v1/reports?q=zebra")
    await api.text("/v1/reports?q=giraffe", 429)


async def test_behind_a_proxy_each_client_has_a_limit_of_its_own(api):
    limited(api, 1)
    for client in ("198.51.100.1", "198.51.100.2"):
        async with api.get("/v1/stream", headers={"X-Forwarded-For": client}) as response:
            assert response.status == 200
    async with api.get("/v1/stream", headers={"X-Forwarded-For": "198.51.100.2"}) as response:
        assert response.status == 429


@pytest.mark.parametrize(
    "path", ["/v1/reports", "/v1/topics", "/v1/stream", "/topics/aid.atom", "/openapi.json"]
)
async def test_programs_of_any_site_may_read(api, path):
    async with api.get(path, headers={"Origin": "https://else.example"}) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
    asked = {"Origin": "https://else.example", "Access-Control-Request-Method": "GET"}
    async with api.request("OPTIONS", path, headers=asked) as response:
        assert (response.status, response.headers["Access-Control-Allow-Methods"]) == (204, "GET, HEAD")


async def test_an_error_too_can_be_read_by_programs_of_any_site(api):
    async with api.get("/v1/reports?topic=floods") as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (400, "*")


@pytest.mark.parametrize(
    "path", ["/", "/subscribe", "/status", "/v1/subscriptions/sub_1", "/manage/sub_1", "/metrics"]
)
async def test_pages_and_subscriptions_are_for_this_site_only(api, path):
    async with api.get(path, headers={"Origin": "https://else.example"}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_every_error_has_a_code_that_is_explained(api):
    def kinds(kind):
        return [kind, *(each for sub in kind.__subclasses__() for each in kinds(sub))]

    page = await api.text("/problems")
    for kind in kinds(Problem):
        assert f'id="{KINDS[kind.status].code}"' in page


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/nothing", 404), ("/v1/reports/none", 404), ("/v1/topics", 405)]
)
async def test_errors_of_the_framework_have_codes_too(api, path, status):
    method = "DELETE" if status == 405 else "GET"
    problem = await api.json_of(method, path, status)
    assert problem["code"] == KINDS[status].code
    assert problem["type"] == f"/problems#{problem['code']}"


async def test_the_examples_of_openapi_are_what_the_routes_answer(api):
    TaggedReport.model_validate(REPORT)
    for path, model in (("/v1/reports", ReportPage), ("/v1/topics", Topics), ("/v1/stream", StreamState)):
        model.model_validate(ANSWERS[path])
    await store_reports(api.bus, [make_tagged(displacement=("fled",))])
    for path in ("/v1/reports", "/v1/topics", "/v1/stream"):
        assert set(json.loads(await api.text(path))) == set(ANSWERS[path])


async def test_openapi_has_no_reference_that_leads_nowhere(api):
    document = await api.json_of("GET", "/openapi.json")
    for reference in set(_references(document)):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    paths = document["paths"]
    assert {"/v1/events", "/v1/stream", "/v1/history/{day}.ndjson", "/topics/{name}.{form}"} <= set(paths)


async def test_the_page_of_the_streams_needs_nothing_from_elsewhere(api):
    page = await api.text("/asyncapi")
    assert api.bus.names.tagged in page
    assert re.findall('src="(?!/static/)', page) == []
    assert (await api.json_of("GET", "/asyncapi.json"))["asyncapi"] == "3.0.0"


def _references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


async def test_answers_are_sent_at_once():
    listener = open_port("127.0.0.1", 0)
    assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    listener.close()
