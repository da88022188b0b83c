"""The events on the streams: a report is published, then tagged; a feed goes bad, silent or well again.

A stream entry has the field `event`, a CloudEvents 1.0 JSON object (structured mode), and beside it a
few flat fields for cheap filtering. These models are the source of docs/schemas; they only ever gain
optional fields.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from shared.feeds import PUBLISHED, rfc3339

TAGGED: Final = "report.tagged.v1"
FEED_HEALTH: Final = "feed.health.v1"


Moment = Annotated[AwareDatetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""A moment in UTC, written as RFC 3339 with `Z`, to the second."""


class Frozen(BaseModel):
    """A value that goes from one service to another; what a later release adds to it is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Source(Frozen):
    """Where a report comes from: the feed, as it names itself."""

    id: str = Field(description="Stable id of the feed.")
    title: str
    feed_url: str
    home_url: str | None = None


class Report(Frozen):
    """An entry of a feed made ours: plain text, UTC times, http(s) links only."""

    id: str = Field(description="Hash of the feed's identity and the entry's identity.")
    revision: int = Field(default=1, ge=1, description="Grows by one when the entry changes.")
    changed: tuple[Literal["title", "text", "url"], ...] = Field(
        default=(), description="What is new in this revision; empty for the first."
    )
    url: str | None = Field(description="The report's page; http or https.")
    title: str
    summary: str = ""
    text: str = Field(default="", description="Plain text; paragraphs are separated by a blank line.")
    language: str | None = Field(default=None, description="BCP 47, as the feed says.")
    authors: tuple[str, ...] = ()
    published_at: Moment = Field(description="From the feed; else the first time it was fetched.")
    updated_at: Moment | None = None
    fetched_at: Moment
    source: Source
    notes: tuple[str, ...] = Field(
        default=(),
        description='What was mended, e.g. "date: none given" or "text: cut at 200000 characters".',
    )


class Evidence(Frozen):
    """The words that made something match. Offsets are Unicode code points in the original field."""

    field: Literal["title", "text"]
    start: int = Field(ge=0)
    end: int
    text: str


class RuleReference(Frozen):
    id: str
    version: int


class Tag(Frozen):
    """One topic of a report, with the rule and the words that say so."""

    topic: str
    score: float = Field(ge=0, description="How strongly; comparable within a topic only.")
    rule: RuleReference
    evidence: tuple[Evidence, ...]


class Country(Frozen):
    """A country that a report is about."""

    code: str = Field(description="ISO 3166-1 alpha-2.")
    evidence: tuple[Evidence, ...] = ()


class Story(Frozen):
    """Reports of the same happening share its id."""

    id: str
    position: int = Field(ge=1, description="1 for the first report of the story.")
    sources: int = Field(ge=1, description="How many sources have reported it so far.")


class PublishedData(Frozen):
    report: Report


class TaggedReport(Frozen):
    """A report with what classify says of it."""

    report: Report
    tags: tuple[Tag, ...] = ()
    countries: tuple[Country, ...] = ()
    story: Story
    rulebook: str = Field(description="Version of the rulebook that tagged it.")

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics, each once, in the order of the tags."""
        return tuple(dict.fromkeys(tag.topic for tag in self.tags))


FeedCondition = Literal["well", "bad", "silent"]
"""bad: it cannot be fetched or read; silent: it can, but its own rhythm has long called for something new."""


class FeedHealthData(Frozen):
    """How a feed is doing now, and what it was before."""

    feed: Source
    condition: FeedCondition
    before: FeedCondition
    reason: str | None = Field(description="What is wrong, in plain words; null if all is well.")
    advice: str | None = Field(description="What can be done about it, in plain words.")
    failures: int = Field(description="Polls in a row that failed.")
    last_success: Moment | None = None
    last_new: Moment | None = Field(default=None, description="When something new was last found.")
    next_poll: Moment | None = None


class _CloudEvent(Frozen):
    specversion: Literal["1.0"] = "1.0"
    id: str = Field(description="Unique within source; the same event delivered twice has the same id.")
    source: str
    time: Moment
    subject: str = Field(description="The id of the report or feed that it is about.")
    datacontenttype: Literal["application/json"] = "application/json"


class ReportPublished(_CloudEvent):
    """ingest has seen a new report, or a new revision of one."""

    type: Literal["report.published.v1"] = PUBLISHED
    dataschema: str = f"/schemas/{PUBLISHED}.json"
    data: PublishedData


class ReportTagged(_CloudEvent):
    """classify has tagged a report; also those that no topic fits."""

    type: Literal["report.tagged.v1"] = TAGGED
    dataschema: str = f"/schemas/{TAGGED}.json"
    data: TaggedReport


class FeedHealthChanged(_CloudEvent):
    """A feed has gone bad or silent, or is well again."""

    type: Literal["feed.health.v1"] = FEED_HEALTH
    dataschema: str = f"/schemas/{FEED_HEALTH}.json"
    data: FeedHealthData


def published(report: Report, now: datetime) -> ReportPublished:
    """The event that says this revision of a report exists."""
    return ReportPublished(**_of(report, "ingest", now), data=PublishedData(report=report))


def tagged(tagged_report: TaggedReport, now: datetime) -> ReportTagged:
    """The event that says what this revision of a report is about."""
    return ReportTagged(**_of(tagged_report.report, "classify", now), data=tagged_report)


def _of(report: Report, service: str, now: datetime) -> dict[str, Any]:
    return {
        "id": f"{report.id}.{report.revision}",
        "source": f"/tocsin/{service}",
        "time": now,
        "subject": report.id,
    }


def feed_health_changed(data: FeedHealthData, now: datetime) -> FeedHealthChanged:
    """The event that says how a feed is doing from now on."""
    return FeedHealthChanged(
        id=f"{data.feed.id}.{data.condition}.{int(now.timestamp())}",
        source="/tocsin/ingest",
        time=now,
        subject=data.feed.id,
        data=data,
    )


def fields_of(event: ReportPublished | ReportTagged | FeedHealthChanged) -> dict[str, str]:
    """The fields of the stream entry: what is cheap to filter by, with commas between several, and the event."""
    flat: dict[str, str] = {}
    if isinstance(event, ReportTagged):
        codes = (country.code for country in event.data.countries)
        flat = {
            "topics": ",".join(event.data.topics),
            "countries": ",".join(codes),
            "story": event.data.story.id,
        }
    elif isinstance(event, FeedHealthChanged):
        flat = {"condition": event.data.condition}
    return {"type": event.type, "id": event.id, **flat, "event": event.model_dump_json()}
