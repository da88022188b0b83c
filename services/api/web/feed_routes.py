"""/v1/feeds: what is watched and how it is doing; add and remove, for whoever has TOCSIN_ADMIN_TOKEN."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from services.api.adapters.feed_desk import FeedDesk
from services.api.adapters.feed_list import read_feeds
from services.api.core.feed_health import FeedHealth
from services.api.core.new_feed import NewFeed, NoAdmin, NoAdminToken
from services.api.web.parts import PartsOf

router = APIRouter(prefix="/v1/feeds", tags=["feeds"])

_bearer = HTTPBearer(auto_error=False, description="TOCSIN_ADMIN_TOKEN.")


class Feeds(BaseModel):
    """Every feed."""

    feeds: list[FeedHealth]


def _check_token(
    parts: PartsOf, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    token = parts.settings.admin_token
    if token is None or not token.get_secret_value():
        raise NoAdmin
    sent = given.credentials if given else ""
    if not secrets.compare_digest(sent.encode(), token.get_secret_value().encode()):
        raise NoAdminToken


_Admin = Depends(_check_token)


@router.get("")
async def list_feeds(parts: PartsOf) -> Feeds:
    """Return the feeds and how each is doing."""
    return Feeds(feeds=await read_feeds(parts.bus.redis, parts.bus.names))


@router.post("", status_code=201, dependencies=[_Admin])
async def add_feed(wish: NewFeed, parts: PartsOf, response: Response) -> FeedHealth:
    """Watch a feed; the address of a page that names its feed will do. It is read within seconds."""
    desk = FeedDesk(parts.bus, allow=parts.settings.allow_hosts)
    added = await desk.add(wish)
    response.headers["Location"] = f"/v1/feeds/{added.id}"
    return added


@router.delete("/{feed_id}", status_code=204, dependencies=[_Admin])
async def remove_feed(feed_id: str, parts: PartsOf) -> Response:
    """Watch a feed no more that was added here. What it has reported stays."""
    await FeedDesk(parts.bus, allow=parts.settings.allow_hosts).remove(feed_id)
    return Response(status_code=204)
