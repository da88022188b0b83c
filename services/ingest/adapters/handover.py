"""The document that `tocsin feeds add` has fetched, handed over to ingest: its first poll need not ask again."""

import json
from dataclasses import asdict

from services.ingest.adapters.fetcher import Fetched, Validators
from shared.names import Names
from shared.redis_client import RedisClient, at_once

KEPT_SECONDS = 3600


async def hand_over(redis: RedisClient, names: Names, feed_id: str, fetched: Fetched) -> None:
    """Leave a document for the first poll of a feed, if there is one within the hour."""
    known = asdict(fetched)
    body = known.pop("body")
    key = names.handed_over(feed_id)
    document = ("HSET", key, "body", body, "answer", json.dumps(known))
    await at_once(redis, document, ("EXPIRE", key, KEPT_SECONDS))


async def take_over(redis: RedisClient, names: Names, feed_id: str) -> Fetched | None:
    """Return the document that was left for a feed, once; None if there is none."""
    key = names.handed_over(feed_id)
    [body, answer], _ = await at_once(redis, ("HMGET", key, "body", "answer"), ("DEL", key))
    if body is None or answer is None:
        return None
    known = json.loads(answer)
    validators = Validators(**known.pop("validators"))
    return Fetched(body=body, validators=validators, **known)
