"""Reports as feeds for others: JSON Feed 1.1, GeoJSON (RFC 7946), and what Atom and CAP 1.2 need.

Nothing here is HTML but `html`, which comes rendered, with everything in it escaped.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from services.api.core.report_view import ReportView, TopicTitle, view_of, web_link
from services.api.core.search import Hit
from services.api.core.wording import visible
from shared.countries import CountryPlace
from shared.events import TaggedReport
from shared.feeds import rfc3339

AIRSPACE = "airspace_incursions"
MOST_TEXT = 4000
FORMS = ("atom", "json", "geojson")
_SPACE = uuid.UUID("5f6d1c52-93a5-5a5c-8a55-6b1f6d7c0a11")

Places = Mapping[str, CountryPlace]
"""By a country's code."""


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of a feed."""

    id: str
    url: str
    view: ReportView
    html: str
    updated: datetime
    tagged: TaggedReport

    @property
    def source_id(self) -> str:
        return urn(self.tagged.report.source.id)

    @property
    def is_airspace(self) -> bool:
        return AIRSPACE in self.tagged.topics


@dataclass(frozen=True, slots=True)
class OutgoingFeed:
    """A feed: where it is, the page that shows the same, and its entries, newest first."""

    title: str
    url: str
    home: str
    base: str
    hub: str
    items: Sequence[Item]

    @property
    def id(self) -> str:
        """The same for ever, also at another address of the installation."""
        return urn(self.url.removeprefix(self.base))

    @property
    def updated(self) -> datetime:
        """When the newest entry was tagged: it changes only if the entries do."""
        return self.items[0].updated if self.items else datetime(1970, 1, 1, tzinfo=UTC)


def make_items(
    hits: Sequence[Hit], topics: Mapping[str, TopicTitle], base: str, render: Callable[..., str]
) -> list[Item]:
    """Return the entries of a feed. `render` makes HTML of a view and the pieces of its text."""
    items = []
    for hit in hits:
        view = view_of(hit.tagged, topics, hit.evidence)
        pieces = view.text if sum(len(text) for text, _ in view.text) <= MOST_TEXT else view.excerpt
        items.append(
            Item(
                id=urn(hit.tagged.report.id),
                url=f"{base}/reports/{hit.tagged.report.id}",
                view=view,
                html=render(view=view, pieces=pieces),
                updated=moment_of(hit.moment),
                tagged=hit.tagged,
            )
        )
    return items


def changed_feeds(base: str, topics: Iterable[str], countries: Iterable[str]) -> set[str]:
    """Return the addresses of the feeds that a report with these is in; filters of other kinds are not counted."""
    paths = [
        "reports",
        *(f"topics/{quote(topic)}" for topic in topics),
        *(f"countries/{code}" for code in countries),
    ]
    return {f"{base}/{path}.{form}" for path in paths for form in FORMS}


def urn(name: str) -> str:
    """Return the id of a thing of ours in feeds: of its name alone, so that it outlives addresses."""
    return f"urn:uuid:{uuid.uuid5(_SPACE, name)}"


def json_feed(feed: OutgoingFeed) -> dict[str, Any]:
    """Return the feed as JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    document: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.url,
        "items": [_json_item(item) for item in feed.items],
    }
    if feed.hub:
        document["hubs"] = [{"type": "WebSub", "url": feed.hub}]
    return document


def _json_item(item: Item) -> dict[str, Any]:
    view, tagged = item.view, item.tagged
    row = {
        "id": item.id,
        "url": item.url,
        "external_url": view.url,
        "title": visible(view.plain_title),
        "content_html": item.html,
        "date_published": rfc3339(view.published_at),
        "date_modified": rfc3339(item.updated),
        "authors": [{"name": visible(name)} for name in view.authors or (view.source,)],
        "tags": [chip.title for chip in view.chips],
        "language": view.language,
        "_tocsin": {
            "report": tagged.report.id,
            "revision": tagged.report.revision,
            "topics": [
                {
                    "id": tag.topic,
                    "rule": tag.rule.model_dump(),
                    "words": [visible(e.text) for e in tag.evidence],
                }
                for tag in tagged.tags
            ],
            "countries": [country.code for country in tagged.countries],
            "story": tagged.story.model_dump(),
        },
    }
    return {name: value for name, value in row.items() if value is not None}


def geojson(items: Sequence[Item], point: Places) -> dict[str, Any]:
    """Return a feature for each country that the reports are about, with its reports, newest first.

    The place is the country's capital: a report says no more exactly where it is about.
    """
    by_country: dict[str, list[Item]] = {}
    for item in items:
        for country in item.tagged.countries:
            if country.code in point:
                by_country.setdefault(country.code, []).append(item)
    return {
        "type": "FeatureCollection",
        "features": [_feature(code, found, point[code]) for code, found in sorted(by_country.items())],
    }


def _feature(code: str, items: Sequence[Item], place: tuple[str, float, float]) -> dict[str, Any]:
    name, longitude, latitude = place
    return {
        "type": "Feature",
        "id": code,
        "geometry": {"type": "Point", "coordinates": [longitude, latitude]},
        "properties": {
            "country": code,
            "name": name,
            "place": "capital",
            "count": len(items),
            "newest": rfc3339(items[0].updated),
            "reports": [
                {
                    "id": item.tagged.report.id,
                    "title": visible(item.view.plain_title),
                    "url": item.url,
                    "source": visible(item.view.source),
                    "published_at": rfc3339(item.view.published_at),
                    "topics": list(item.tagged.topics),
                }
                for item in items
            ],
        },
    }


def cap_values(
    item: Item, base: str, point: Places, earlier: Sequence[tuple[int, int]] = ()
) -> dict[str, Any]:
    """Return what the template of a CAP 1.2 alert is filled with.

    `earlier` are the revisions before, and when they were tagged: the alerts that this one updates.
    It is a press report, not an official warning: severity and urgency are unknown, and it says so.
    """
    report = item.tagged.report
    codes = [country.code for country in item.tagged.countries if country.code in point]
    tags = [tag for tag in item.tagged.tags if tag.topic.partition("/")[0] == AIRSPACE]
    sender = base.partition("://")[2]
    return {
        "item": item,
        "identifier": _cap_identifier(report.id, report.revision),
        "sender": sender,
        "references": [
            f"{sender},{_cap_identifier(report.id, revision)},{_cap_moment(moment_of(tagged))}"
            for revision, tagged in earlier
        ],
        "incident": item.tagged.story.id,
        "sent": _cap_moment(item.updated),
        "onset": _cap_moment(report.published_at),
        "headline": item.view.plain_title[:160],
        "description": "".join(text for text, _ in item.view.excerpt),
        "areas": [(code, point[code][0]) for code in codes],
        "tags": tags,
        "web": web_link(report.url) or item.url,
    }


def moment_of(tagged: int) -> datetime:
    """Return the moment of so many microseconds."""
    return datetime.fromtimestamp(tagged // 1_000_000, UTC)


def _cap_identifier(report_id: str, revision: int) -> str:
    """CAP forbids spaces, commas and < & in it."""
    return f"tocsin.{report_id}.{revision}"


def _cap_moment(moment: datetime) -> str:
    """CAP wants an offset, and none of the usual for UTC."""
    return rfc3339(moment).replace("Z", "-00:00")
