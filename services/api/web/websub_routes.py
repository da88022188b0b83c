"""What WebSub hubs ask and send. The answers are the protocol's, not problem details."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import PlainTextResponse

from services.api.core.problem import Forbidden, NotFound
from services.api.web.parts import Parts, PartsOf
from shared.push import PATH, Push, change_push, load_push

router = APIRouter(include_in_schema=False)

USUAL_LEASE = timedelta(days=1)
LONGEST_LEASE = timedelta(days=90)
# What waits to be read; a hub that sends more is told to come again.
WAITING_LIMIT = 100


@router.get(PATH + "/{feed_id}/{key}")
async def answer_hub(
    feed_id: str,
    key: str,
    parts: PartsOf,
    mode: Annotated[str, Query(alias="hub.mode")],
    topic: Annotated[str, Query(alias="hub.topic")] = "",
    challenge: Annotated[str, Query(alias="hub.challenge", max_length=1000)] = "",
    lease_seconds: Annotated[str, Query(alias="hub.lease_seconds")] = "",
) -> PlainTextResponse:
    """Confirm to a hub that we have asked for this feed; take note if it refuses us."""
    push, now = await _push(parts, feed_id, key), datetime.now(UTC)
    if topic != push.topic:
        raise NotFound("this is not what was asked for")
    if mode == "denied":
        await change_push(parts.bus.redis, parts.bus.names, feed_id, state="refused", asked=now)
        return PlainTextResponse("")
    if mode == "unsubscribe" and push.state == "dropped":
        return PlainTextResponse(challenge)
    if mode != "subscribe" or push.state not in ("asked", "failed", "active"):
        raise NotFound("this is not what was asked for")
    changes = {"state": "active", "until": now + _lease(lease_seconds), "since": push.since or now}
    await change_push(parts.bus.redis, parts.bus.names, feed_id, **changes)  # type: ignore[arg-type]
    return PlainTextResponse(challenge)


@router.post(PATH + "/{feed_id}/{key}", status_code=202)
async def take_push(
    feed_id: str,
    key: str,
    request: Request,
    parts: PartsOf,
    content_type: Annotated[str, Header()] = "",
    x_hub_signature: Annotated[str, Header()] = "",
) -> PlainTextResponse:
    """Take a document that a hub sends, if its signature is right."""
    push, body = await _push(parts, feed_id, key), await request.body()
    if not push.is_signed(body, x_hub_signature):
        parts.bus.counters.add("websub_refused")
        raise Forbidden("the signature is not right")
    if not push.is_active(datetime.now(UTC)):
        # 410: whoever goes on pushing need not.
        return PlainTextResponse("not wanted any more", 410)
    if await parts.bus.redis.xlen(parts.bus.names.pushed) >= WAITING_LIMIT:
        return PlainTextResponse("too much is waiting", 503, {"Retry-After": "60"})
    fields: dict[str, str | bytes] = {"feed": feed_id, "content_type": content_type[:200], "body": body}
    await parts.bus.redis.xadd(parts.bus.names.pushed, fields)
    return PlainTextResponse("", 202)


async def _push(parts: Parts, feed_id: str, key: str) -> Push:
    push = await load_push(parts.bus.redis, parts.bus.names, feed_id)
    if push is None or not push.opens(key):
        raise NotFound("there is nothing of that name")
    return push


def _lease(written: str) -> timedelta:
    if written.isascii() and written.isdigit():
        return min(timedelta(seconds=int(written[:9])), LONGEST_LEASE)
    return USUAL_LEASE
