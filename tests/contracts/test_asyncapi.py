"""The AsyncAPI document: valid, complete, and true of what is on the streams."""

import gzip
import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from shared.contract import asyncapi_document, public_streams
from shared.events import fields_of, tagged
from shared.names import Names
from tests.builders import NOW, make_tagged

SCHEMA = json.loads(
    gzip.decompress((Path(__file__).parent / "standards/asyncapi-3.0.0.json.gz").read_bytes())
)
DOCUMENT = asyncapi_document(Names(), "0.1.0", 86400)


def resolve(reference: str):
    found = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_it_is_valid_asyncapi_3_0():
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert [error.message for error in Draft7Validator(SCHEMA).iter_errors(DOCUMENT)] == []


def test_the_schema_finds_what_is_wrong():
    assert list(Draft7Validator(SCHEMA).iter_errors({**DOCUMENT, "channels": {"x": {"messages": 3}}}))


def test_every_reference_leads_somewhere():
    for reference in set(references(DOCUMENT)):
        assert resolve(reference)


@pytest.mark.parametrize("stream", public_streams(Names()), ids=lambda stream: stream.event_type)
def test_a_channel_names_its_stream_and_fields(stream):
    channel = DOCUMENT["channels"][stream.event_type]
    assert channel["address"] == channel["x-redis-stream"]["key"] == stream.key
    assert tuple(channel["x-redis-stream"]["fields"]) == stream.fields


def test_the_fields_are_those_of_an_entry():
    fields = fields_of(tagged(make_tagged(), NOW))
    assert tuple(fields) == public_streams(Names())[0].fields


def test_another_prefix_is_another_address():
    document = asyncapi_document(Names("desk:"), "0.1.0", 86400)
    assert document["channels"]["report.tagged.v1"]["address"] == "desk:reports.tagged.v1"
