"""The document that `tocsin feeds add` has fetched, handed over to ingest: its first poll need not ask again."""

import json
from dataclasses import asdict

from services.ingest.adapters.fetcher import Fetched, Validators
from shared.names import Names
from shared.redis_client import RedisClient, at_once
from shared.together import Together

KEPT_SECONDS = 3600


async def hand_over(redis: RedisClient, names: Names, feed_id: str, fetched: Fetched) -> None:
    """Leave a document for the first poll of a feed, if there is one within the hour."""
    known = asdict(fetched)
    body = known.pop("body")
    key = names.handed_over(feed_id)
    document = ("HSET", key, "body", body, "answer", json.dumps(known))
    await at_once(redis, document, ("EXPIRE", key, KEPT_SECONDS))


async def take_over(together: Together, names: Names, feed_id: str) -> Fetched | None:
    """Return the document that was left for a feed, None if there is none; for whoever polls it, once."""
    key = names.handed_over(feed_id)
    body, answer = await together.ask("HMGET", key, "body", "answer")
    if body is None or answer is None:
        return None
    await together.ask("DEL", key)
    known = json.loads(answer)
    validators = Validators(**known.pop("validators"))
    return Fetched(body=body, validators=validators, **known)
