"""The API asked with what its own description allows, and with much that it does not: never a 5xx.

The fuzzer finds the limits of each field in /openapi.json; what no description tells is asked below by hand.
"""

import asyncio
import json
import sys

import pytest

from tests.builders import make_report, make_tagged, store_reports

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

HOOK = {"type": "webhook", "url": "https://hooks.example.org/tocsin"}


async def fuzz(api, tmp_path, *options: str) -> None:
    """Let schemathesis ask this api, as an owner and operator."""
    api.configure(api.bus, tmp_path, signups_per_hour=1_000_000, admin_token="s3cret")
    await api.recent.load()
    await store_reports(api.bus, [make_tagged(make_report(), aid=("fled",))])
    made = await api.json_of(
        "POST", "/v1/subscriptions", 201, json={"filter": {"topics": ["aid"]}, "channel": HOOK}
    )
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.address}/openapi.json"),
        *(
            "--checks",
            "not_a_server_error",
            "--no-color",
            "--warnings",
            "off",
            "--suppress-health-check",
            "all",
        ),
        *(
            "--header",
            f"Authorization: Bearer {made['manage_token']}",
            "--seed",
            "1",
            "--generation-database",
            "none",
        ),
        *("--request-timeout", "10", "--exclude-path-regex", "^/(readyz|v1/events)", *options),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-4000:]


@pytest.mark.soak
async def test_no_request_by_its_description_makes_the_api_fail(api, tmp_path):
    await fuzz(api, tmp_path, "--max-examples", "60", "--max-time", "40")


async def test_what_is_asked_of_the_forms_of_wishes_never_makes_the_api_fail(api, tmp_path):
    wishes = ("--include-path", "/v1/preview", "--include-path", "/v1/subscriptions")
    await fuzz(api, tmp_path, *wishes, "--phases", "fuzzing", "--max-examples", "8")


WISH = {"filter": {"topics": ["aid"]}, "channel": HOOK}
HUGE = "x" * 1_000_000


def nested(depth: int) -> str:
    """A wish in JSON, its filter in filters: Python's own writer ends where its stack does."""
    inside = '{"filter":' * depth + "{}" + "}" * depth
    return json.dumps(WISH | {"filter": "inside"}).replace('"inside"', inside)


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"filter": {"query": " OR ".join(f"w{n}" for n in range(201))}}, 422, "too many terms at character"),
        ({"filter": {"query": " ".join(f"w{n}" for n in range(10_000))}}, 422, "too long at character 2001"),
        ({"filter": {"topics": ["aid"] * 10_000}}, 413, "at most"),
        ({"filter": {"topics": ["aid"] * 51}}, 422, "at most 50"),
        ({"filter": {"query": "ab*"}}, 422, "at character 1: write at least 3"),
        ({"filter": {"query": "aid OR -food"}}, 422, "only what not to at character 9"),
        ({"filter": {"query": "fled country:ZZ"}}, 422, "'ZZ' is no country"),
        ({"filter": {"query": "fled topic:floods"}}, 422, "unknown topic 'floods' at character 6"),
        ({"filter": {"query": "(" * 1500 + "a" + ")" * 400}}, 422, "too deep"),
        ({"filter": {"countries": ["ZZ"]}}, 422, "'ZZ' is no country"),
        ({"filter": {"countries": ["Sudan"]}}, 422, "no country code"),
        ({"filter": {"topics": ["a\u0000\u202e\U0001f600"]}}, 422, "unknown topic"),
        ({"filter": {"query": "\u202e\u200b\ufeff"}}, 422, "no letter or digit"),
        ({"filter": {"sources": ["\ud83d\ude00" * 50]}}, 422, "no feed has the id"),
        ({"name": HUGE}, 413, "at most 65536 bytes"),
        ({"name": "x" * 121}, 422, "at most 120"),
        ({"schedule": {"timezone": "Mars/Olympus"}}, 422, "no time zone"),
        ({"schedule": {"timezone": "../../../etc/passwd"}}, 422, "no time zone"),
        ({"schedule": {"timezone": "x" * 61}}, 422, "at most 60"),
        ({"schedule": {"mode": "daily", "at": "25:00"}}, 422, "no time of day"),
        ({"schedule": {"quiet_hours": {"from": "22:00", "to": "22:00"}}}, 422, "name two times"),
        ({"schedule": {"expires_at": "9999-12-31T23:59:59-23:59"}}, 422, "this century"),
        ({"filter": json.loads(nested(20))["filter"]}, 422, "Extra inputs"),
    ],
)
async def test_what_is_too_much_or_nonsense_is_refused_in_words(api, changes, status, said):
    headers = {"Content-Type": "application/json"}
    body = json.dumps(WISH | changes)
    problem = await api.json_of("POST", "/v1/subscriptions", status, data=body, headers=headers)
    assert (problem["status"], said in problem["detail"]) == (status, True), problem["detail"][:300]


async def test_json_deeper_than_a_parser_reads_is_refused(api):
    headers = {"Content-Type": "application/json"}
    async with api.request("POST", "/v1/subscriptions", data=nested(5000), headers=headers) as r:
        # Python 3.13 reads it, and then it is a field that does not exist; those before do not.
        assert r.status in (400, 422)
        assert (await r.json())["status"] == r.status


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/json"])
async def test_a_body_that_is_no_json_object_says_what_to_send(api, kind):
    body = "[]" if kind.endswith("json") else json.dumps(WISH)
    problem = await api.json_of("POST", "/v1/subscriptions", 422, data=body, headers={"Content-Type": kind})
    assert problem["errors"] == [
        {"field": "body", "detail": "must be a JSON object, sent with Content-Type: application/json"}
    ]


async def test_lone_surrogates_are_no_text(api):
    body = json.dumps(WISH).replace("aid", "\\ud800")
    headers = {"Content-Type": "application/json"}
    async with api.post("/v1/subscriptions", data=body, headers=headers) as response:
        assert 400 <= response.status < 500
        assert response.content_type == "application/problem+json"
