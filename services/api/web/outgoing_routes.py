"""Feeds for others: Atom, JSON Feed and GeoJSON of a topic, a country or any filter; CAP of airspace incursions; and
the feed of what one subscription matches, at an address that only its owner knows and can change.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from email.utils import format_datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import Response

from services.api.adapters.report_search import search_reports
from services.api.core.asked import Asked
from services.api.core.outgoing import (
    AIRSPACE,
    FORMS,
    Item,
    OutgoingFeed,
    cap_values,
    geojson,
    json_feed,
    make_items,
)
from services.api.core.problem import NotFound, Problem
from services.api.core.report_view import numbered
from services.api.core.search import Hit, Search
from services.api.core.wording import filter_in_words, listed
from services.api.web.pages import PRIVATE
from services.api.web.parts import AskedOf, Parts, PartsOf
from shared.catalogue import followable
from shared.countries import country_names, country_places
from shared.links import feed_subject
from shared.subscriptions import Filter, Subscription

router = APIRouter(tags=["feeds out"])

ENTRIES = 50
Form = Annotated[Literal["atom", "json", "geojson"], Path()]

MEDIA = {
    "atom": "application/atom+xml",
    "json": "application/feed+json",
    "geojson": "application/geo+json",
    "cap": "application/cap+xml",
}
# Readers ask again after a minute, and are told whether anything has changed.
CACHED = {"Cache-Control": "public, max-age=60"}
_CONTENT: dict[str, Any] = {
    MEDIA[form]: {"schema": {"type": "string" if form == "atom" else "object"}} for form in FORMS
}
_ANSWERS: dict[int | str, dict[str, Any]] = {200: {"description": "The feed", "content": _CONTENT}}
_CAP: dict[int | str, dict[str, Any]] = {
    200: {"description": "A CAP 1.2 alert", "content": {MEDIA["cap"]: {"schema": {"type": "string"}}}}
}


@router.get("/reports.{form}", response_class=Response, responses=_ANSWERS)
async def reports_feed(form: Form, request: Request, parts: PartsOf, asked: AskedOf) -> Response:
    """The newest reports of any filter: the parameters of /v1/reports."""
    return await _feed(form, request, parts, asked)


@router.get(f"/topics/{AIRSPACE}.cap", response_class=Response, responses=_CAP)
async def newest_incursion(parts: PartsOf) -> Response:
    """The newest report of an airspace incursion as a CAP 1.2 alert; 404 while there is none."""
    page = await search_reports(parts.reports, Search.of(Filter(topics=(AIRSPACE,))), None, 1)
    if not page.hits:
        raise NotFound("no airspace incursion has been reported")
    return await _cap(parts, page.hits[0])


@router.get("/reports/{report_id}.cap", response_class=Response, responses=_CAP)
async def incursion(report_id: str, parts: PartsOf) -> Response:
    """A report of an airspace incursion as a CAP 1.2 alert; 404 if it is about something else."""
    tagged, moment = await parts.reports.get(report_id), await parts.reports.moment(report_id)
    if tagged is None or AIRSPACE not in tagged.topics:
        raise NotFound("there is no report of an airspace incursion of that id")
    return await _cap(parts, Hit(tagged, (), moment))


@router.get("/topics/{name:path}.{form}", response_class=Response, responses=_ANSWERS)
async def topic_feed(name: str, form: Form, request: Request, parts: PartsOf, asked: AskedOf) -> Response:
    """The newest reports on a topic, or a part of one; `country` and `q` narrow it."""
    if name not in followable(await parts.topics()):
        raise NotFound(f"there is no topic {name[:60]!r}")
    if asked.topics:
        raise Problem("the address names the topic; /reports.atom takes several as `topic`")
    return await _feed(form, request, parts, replace(asked, topics=(name,)))


@router.get("/countries/{code}.{form}", response_class=Response, responses=_ANSWERS)
async def country_feed(code: str, form: Form, request: Request, parts: PartsOf, asked: AskedOf) -> Response:
    """The newest reports about a country (ISO 3166-1 alpha-2); `topic` and `q` narrow it."""
    code = code.upper()
    if code not in country_names():
        raise NotFound(f"there is no country {code[:20]!r}: write two letters, as in SD")
    if asked.countries:
        raise Problem("the address names the country; /reports.atom takes several as `country`")
    return await _feed(form, request, parts, replace(asked, countries=(code,)))


async def _feed(form: str, request: Request, parts: Parts, asked: Asked) -> Response:
    titles = followable(await parts.topics())
    base = parts.settings.public_url
    query = f"?{request.url.query}" if request.url.query else ""
    feed = OutgoingFeed(
        title=_title(asked, titles),
        url=f"{base}{quote(request.url.path)}{query}",
        home=f"{base}/topics/{quote(asked.topics[0])}"
        if asked.topics[:1] == asked.topics != ()
        else f"{base}/",
        base=base,
        hub=parts.settings.websub_hub,
        items=await _find_items(parts, Search.of(asked.filter)),
    )
    headers = {**CACHED, "Last-Modified": format_datetime(feed.updated, usegmt=True)}
    if feed.hub:
        headers["Link"] = f'<{feed.hub}>; rel="hub", <{feed.url}>; rel="self"'
    return _written(parts, form, feed, headers)


def _written(parts: Parts, form: str, feed: OutgoingFeed, headers: Mapping[str, str]) -> Response:
    """Return the feed in one of the forms."""
    if form == "atom":
        body = parts.pages.text("atom.xml", feed=feed).encode()
    else:
        document = json_feed(feed) if form == "json" else geojson(feed.items, country_places())
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, media_type=MEDIA[form], headers=headers)


async def _find_items(parts: Parts, search: Search) -> list[Item]:
    """Return the newest reports that are looked for, as entries of a feed."""
    return await _items(parts, (await search_reports(parts.reports, search, None, ENTRIES)).hits)


async def _items(parts: Parts, hits: list[Hit]) -> list[Item]:
    def render(**values: Any) -> str:
        return parts.pages.text("_outgoing.html", **values)

    return make_items(hits, numbered(await parts.topics()), parts.settings.public_url, render)


def _title(asked: Asked, titles: dict[str, str]) -> str:
    about = []
    if asked.topics:
        about.append(listed([titles[topic] for topic in asked.topics]))
    if asked.countries:
        about.append(listed([country_names()[code] for code in asked.countries]))
    if asked.words:
        about.append(f"“{asked.words}”")
    return f"Tocsin: {', '.join(about) or 'all reports'}"


async def _cap(parts: Parts, hit: Hit) -> Response:
    [item] = await _items(parts, [hit])
    earlier = await parts.reports.earlier(hit.tagged.report.id, hit.tagged.report.revision)
    values = cap_values(item, parts.settings.public_url, country_places(), earlier)
    body = parts.pages.text("cap.xml", **values)
    return Response(body, media_type=MEDIA["cap"], headers=CACHED)


@router.get("/feeds/{subscription_id}.{form}", include_in_schema=False)
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
        items=await _find_items(parts, Search.of(subscription.filter)),
    )
    return _written(parts, form, feed, headers)


async def feed_address(parts: Parts, subscription: Subscription, form: str = "atom") -> str:
    """Return where the feed is; for the owner alone."""
    key = await parts.link_key("feed", feed_subject(subscription))
    return f"{parts.settings.public_url}/feeds/{subscription.id}.{form}?key={key}"
