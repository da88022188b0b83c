"""The streams that other systems read, as an AsyncAPI 3.0 document: made by FastStream from the event models,
completed with what neither knows: how an entry of a Redis stream carries an event.

AsyncAPI's binding for Redis is empty, so the layout is in `x-redis-stream`, and in words in docs/stream.md.
"""

from typing import Any, NamedTuple

from faststream.redis import RedisBroker, StreamSub
from faststream.specification.asyncapi import AsyncAPI
from pydantic import BaseModel

from shared.events import FEED_HEALTH, TAGGED, FeedHealthChanged, ReportPublished, ReportTagged
from shared.feeds import PUBLISHED
from shared.names import Names

DESCRIPTION = """Reports of conflict and humanitarian feeds as they are seen and tagged, on Redis Streams.
Reading is by XREAD with a cursor of your own, or by a consumer group. The contract in words is docs/stream.md."""

_FIELDS = {
    "type": "The type of the event.",
    "id": "The event's id; the same event twice has the same.",
    "topics": "Ids of topics, with commas; empty for none.",
    "countries": "ISO 3166-1 alpha-2 codes, with commas; empty for none.",
    "story": "Reports of the same happening share it.",
    "condition": "well, bad or silent.",
    "event": "The event itself: a CloudEvents 1.0 JSON object. Everything else repeats what is in it.",
}


class PublicStream(NamedTuple):
    """A stream that others may read."""

    key: str
    event_type: str
    model: type[BaseModel]
    fields: tuple[str, ...]


def public_streams(names: Names) -> tuple[PublicStream, ...]:
    """Return the streams that are part of the contract."""
    return (
        PublicStream(
            names.tagged, TAGGED, ReportTagged, ("type", "id", "topics", "countries", "story", "event")
        ),
        PublicStream(names.published, PUBLISHED, ReportPublished, ("type", "id", "event")),
        PublicStream(names.feed_health, FEED_HEALTH, FeedHealthChanged, ("type", "id", "condition", "event")),
    )


def asyncapi_document(names: Names, version: str, retention_seconds: int) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of an installation."""
    broker = RedisBroker("redis://localhost:6379", logger=None)  # type: ignore[arg-type]
    streams = public_streams(names)
    for stream in streams:
        broker.publisher(
            stream=StreamSub(stream.key),
            title=stream.event_type,
            description=stream.model.__doc__,
            schema=stream.model,
        )
    made = AsyncAPI(
        broker, title="Tocsin", version=version, description=DESCRIPTION, license={"name": "Apache-2.0"}
    ).to_specification()
    document: dict[str, Any] = made.to_jsonable()
    document["id"] = "urn:tocsin:streams"
    document["servers"] = {
        "redis": {
            "host": "localhost:6379",
            "protocol": "redis",
            "description": "The Redis of the installation; deploy/stream.yaml opens it to readers.",
        }
    }
    for stream in streams:
        _complete(document, stream, retention_seconds)
    return document


def _complete(document: dict[str, Any], stream: PublicStream, retention_seconds: int) -> None:
    channel = document["channels"][stream.event_type]
    channel["servers"] = [{"$ref": "#/servers/redis"}]
    channel["bindings"] = {"redis": {}}
    channel["x-redis-stream"] = {
        "key": stream.key,
        "fields": {name: _FIELDS[name] for name in stream.fields},
        "event-field": "event",
        "delivery": "at least once; the event's id tells one that comes again",
        "order": "as tagged, in one stream; none between streams",
        "retention-seconds": retention_seconds,
        "resume": "XREAD STREAMS key LAST-ID, unless LAST-ID is older than the floor of GET /v1/stream",
    }
    [message] = [
        each
        for name, each in document["components"]["messages"].items()
        if name.startswith(stream.event_type)
    ]
    message.pop("correlationId", None)
    message["name"] = stream.event_type
    message["contentType"] = "application/cloudevents+json"
    message["headers"] = {
        "type": "object",
        "description": "The flat fields beside `event`, for filtering without a JSON parser.",
        "required": [name for name in stream.fields if name != "event"],
        "properties": {
            name: {"type": "string", "description": _FIELDS[name]}
            for name in stream.fields
            if name != "event"
        },
    }
