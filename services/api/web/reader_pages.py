"""The pages for readers: latest reports, one report, a topic, how the service is doing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, Response

from services.api.adapters.explanations import explain_report
from services.api.adapters.feeds import read_feeds
from services.api.adapters.figures import read_delays
from services.api.adapters.readiness import find_missing
from services.api.adapters.report_search import Page, search_reports
from services.api.core.explaining import ReportExplained
from services.api.core.feed_health import in_words, why_empty
from services.api.core.form import AlertForm
from services.api.core.problem import NotFound, Problem
from services.api.core.report_view import by_story, numbered, view_of
from services.api.core.search import CursorError, Hit, Search
from services.api.core.wording import LANGUAGES, in_steps, listed
from services.api.web.parts import Parts, PartsOf
from shared.catalogue import TopicSummary, read_problem
from shared.countries import country_names, find_country
from shared.events import TaggedReport
from shared.groups import read_groups
from shared.subscriptions import Filter

router = APIRouter(include_in_schema=False)

PAGE = 25
SHORT_PAGE = 10


class Wanted(NamedTuple):
    """What the first page is asked for, as it was typed; a country by its code if it is one."""

    topic: str
    country: str
    q: str
    all: str

    async def search(self, parts: Parts) -> Search:
        """Return what to look for; raise Problem for what there is not."""
        given = (("topic", self.topic), ("country", self.country), ("q", self.q))
        return Search.of((await parts.asked(given)).filter, tagged_only=not self.all)


def _wanted(
    topic: str = "",
    country: Annotated[str, Query(max_length=60)] = "",
    q: Annotated[str, Query(max_length=2000)] = "",
    everything: Annotated[str, Query(alias="all")] = "",
) -> Wanted:
    return Wanted(topic, find_country(country) or country, q, "1" if everything else "")


WantedOf = Annotated[Wanted, Depends(_wanted)]


@router.get("/")
async def home(
    parts: PartsOf, wanted: WantedOf, after: Annotated[str, Query(max_length=100)] = ""
) -> HTMLResponse:
    """The latest reports; those without a topic only if asked for."""
    topics, asked = await parts.topics(), wanted._asdict()
    topic, code, q, _ = wanted
    try:
        found = await search_reports(parts.reports, await wanted.search(parts), after or None, PAGE)
        problem = None
    except (Problem, CursorError) as e:
        found, problem = Page([], None), str(e)
    nothing = not (found.hits or found.next or problem or topic or code or q or after)
    return parts.pages.render(
        "home.html",
        status=400 if problem else 200,
        topics=topics,
        titles=numbered(topics),
        stories=by_story([_view(hit, topics) for hit in found.hits]),
        asked=asked,
        problem=problem,
        older=_address("/", {**asked, "after": found.next}) if found.next else None,
        newest=_address("/", asked) if after else None,
        waiting=await _why_empty(parts) if nothing else None,
        # What it waits for is not what answers are kept by.
        private=nothing,
        address=_address,
        country=country_names().get(code, code),
        form=AlertForm(topics=(topic,) if topic else (), query=q, countries=country_names().get(code, "")),
        errors={},
    )


@router.get("/fresh")
async def fresh(
    parts: PartsOf, wanted: WantedOf, than: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    """A link to the first page that says how many reports are newer than one; 204 while there is none."""
    found = await search_reports(parts.reports, await wanted.search(parts), None, PAGE)
    newer = next((n for n, hit in enumerate(found.hits) if hit.tagged.report.id == than), len(found.hits))
    if not newer:
        return Response(status_code=204)
    return parts.pages.render("_fresh.html", newer=newer, most=PAGE, address=_address("/", wanted._asdict()))


@router.get("/reports/{report_id}")
async def report(report_id: str, parts: PartsOf, subscription: str = "", key: str = "") -> HTMLResponse:
    """One report in full, and why it has its topics; for an owner also what became of it, and why."""
    tagged = await parts.reports.get(report_id)
    if tagged is None:
        days = round(parts.settings.retention_days)
        raise NotFound(f"There is no such report here. Reports are kept for {days} days; it may be older.")
    topics = await parts.topics()
    explained = await _explained(parts, tagged, subscription, key) if subscription else None
    return parts.pages.render(
        "report.html",
        private=explained is not None,
        view=_view(Hit(tagged), topics),
        titles=numbered(topics),
        explained=explained,
        # One field counts the reports; each other is a source.
        sources=int(await parts.bus.redis.hlen(parts.bus.names.story(tagged.story.id))) - 1,
    )


async def _explained(
    parts: Parts, tagged: TaggedReport, subscription_id: str, key: str
) -> ReportExplained | None:
    await parts.check_key("manage", subscription_id, key)
    subscription = await parts.desk.store.get(subscription_id)
    if subscription is None:
        return None
    return await explain_report(parts.bus, subscription, tagged, datetime.now(UTC))


@router.get("/topics")
async def topics_page(parts: PartsOf) -> HTMLResponse:
    """What each topic means."""
    topics = await parts.topics()
    return parts.pages.render("topics.html", topics=topics, titles=numbered(topics))


@router.get("/topics/{topic}")
async def topic_page(topic: str, parts: PartsOf) -> HTMLResponse:
    """What a topic means, its rules, and the latest reports on it."""
    topics = await parts.topics()
    known = next((each for each in topics if each.id == topic), None)
    if known is None:
        raise NotFound(f"There is no topic {topic[:60]!r}. /topics lists them.")
    found = await search_reports(parts.reports, Search.of(Filter(topics=(topic,))), None, SHORT_PAGE)
    return parts.pages.render(
        "topic.html",
        topic=known,
        languages=listed([LANGUAGES.get(code, code) for code in known.languages], "and"),
        titles=numbered(topics),
        views=[_view(hit, topics) for hit in found.hits],
        more=_address("/", {"topic": topic}) if found.next else None,
    )


@router.get("/status")
async def status(parts: PartsOf) -> HTMLResponse:
    """How the service is doing: feeds, streams, dead letters, what is missing."""
    now = datetime.now(UTC)
    feeds = await read_feeds(parts.bus)
    return parts.pages.render(
        "status.html",
        rulebook_problem=await read_problem(parts.bus.redis, parts.bus.names),
        missing=await find_missing(parts.bus),
        feeds=[(feed, in_words(feed, now)) for feed in feeds],
        well=sum(feed.condition == "well" for feed in feeds),
        delays=in_steps(await read_delays(parts.bus)),
        streams=await _streams(parts),
        now=now,
    )


async def _streams(parts: Parts) -> list[dict[str, Any]]:
    redis, names = parts.bus.redis, parts.bus.names
    groups = [each async for each in read_groups(redis, names)]
    return [
        {
            "name": stream.removeprefix(names.prefix),
            "entries": await redis.xlen(stream),
            "dead": await redis.xlen(names.dead(stream)),
            "groups": [each for each in groups if each.stream == stream],
        }
        for stream in names.streams
    ]


async def _why_empty(parts: Parts) -> str:
    if await parts.reports.page(limit=1):
        return "No report has fitted a topic yet."
    return why_empty(await read_feeds(parts.bus))


def _view(hit: Hit, topics: Sequence[TopicSummary]) -> Any:
    return view_of(hit.tagged, numbered(topics), hit.evidence)


def _address(path: str, asked: Mapping[str, str | None], **changes: str) -> str:
    """The address with these parameters; empty ones are left out."""
    given = {name: value for name, value in {**asked, **changes}.items() if value}
    return f"{path}?{urlencode(given)}" if given else path
