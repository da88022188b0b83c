"""The feed of what one subscription matches, at an address that only its owner knows and can change."""

import hashlib
from typing import Annotated, Literal

from fastapi import APIRouter, Header
from fastapi.responses import Response

from services.api.core.outgoing import OutgoingFeed
from services.api.core.problem import NotFound
from services.api.core.search import Search
from services.api.core.wording import filter_in_words
from services.api.web.outgoing_routes import find_items, written
from services.api.web.pages import PRIVATE
from services.api.web.parts import Parts, PartsOf
from shared.catalogue import followable
from shared.links import feed_subject
from shared.subscriptions import Subscription

router = APIRouter(include_in_schema=False)


@router.get("/feeds/{subscription_id}.{form}")
async def owner_feed(
    subscription_id: str,
    form: Literal["atom", "json"],
    parts: PartsOf,
    key: str = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """What the subscription's filter matches, newest first, whether or not it is sent."""
    subscription = await parts.desk.store.get(subscription_id)
    if subscription is None:
        raise NotFound("this alert was removed, and its feed with it")
    await parts.check_key("feed", feed_subject(subscription), key)
    version = f"{subscription.changed_at} {await parts.reports.version()}"
    etag = f'"{hashlib.sha256(version.encode()).hexdigest()[:24]}"'
    # Kept by its reader, by nobody on the way.
    headers = {**PRIVATE, "Cache-Control": "private, max-age=60", "ETag": etag}
    if etag in if_none_match:
        return Response(status_code=304, headers=headers)
    await parts.desk.limit("feeds", subscription.id)
    topics = followable(await parts.topics())
    feed = OutgoingFeed(
        title=f"Tocsin: {subscription.name or filter_in_words(subscription.filter, topics, {})}",
        url=await feed_address(parts, subscription, form),
        home=f"{parts.settings.public_url}/",
        base=parts.settings.public_url,
        hub="",
        items=await find_items(parts, Search.of(subscription.filter)),
    )
    return written(parts, form, feed, headers)


async def feed_address(parts: Parts, subscription: Subscription, form: str = "atom") -> str:
    """Return where the feed is; for the owner alone."""
    key = await parts.link_key("feed", feed_subject(subscription))
    return f"{parts.settings.public_url}/feeds/{subscription.id}.{form}?key={key}"
