"""/v1/feeds: what is watched and how it is doing; add and remove, for whoever has TOCSIN_ADMIN_TOKEN."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.api.adapters import feeds
from services.api.core.feed_health import FeedHealth, NewFeed
from services.api.web.parts import PartsOf
from services.api.web.tokens import Operator

router = APIRouter(prefix="/v1/feeds", tags=["feeds"])


class Feeds(BaseModel):
    """Every feed."""

    feeds: list[FeedHealth]


@router.get("")
async def list_feeds(parts: PartsOf) -> Feeds:
    """Return the feeds and how each is doing."""
    return Feeds(feeds=await feeds.read_feeds(parts.bus))


@router.post("", status_code=201, dependencies=[Operator])
async def add_feed(wish: NewFeed, parts: PartsOf, response: Response) -> FeedHealth:
    """Watch a feed; the address of a page that names its feed will do. It is read within seconds."""
    added = await feeds.add_feed(parts.bus, wish, parts.settings.allow_hosts)
    response.headers["Location"] = f"/v1/feeds/{added.id}"
    return added


@router.delete("/{feed_id}", status_code=204, dependencies=[Operator])
async def remove_feed(feed_id: str, parts: PartsOf) -> Response:
    """Watch a feed no more that was added here. What it has reported stays."""
    await feeds.remove_feed(parts.bus, feed_id)
    return Response(status_code=204)
