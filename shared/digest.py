"""A digest: what came for one subscription within a time, by topic and story. Built once, sent as it was built."""

from pydantic import Field

from shared.events import Frozen, Moment


class DigestReport(Frozen):
    """A report in a digest, and why it is there."""

    id: str
    title: str
    url: str | None
    source: str
    language: str | None
    published_at: Moment
    excerpt: str = Field(description="The text around the words that matched.")
    clauses: tuple[str, ...] = Field(description="Which parts of the filter held.")
    words: tuple[str, ...] = Field(description="The words that made them hold.")
    update_of: str | None = Field(
        default=None, description="The report told before, of which this is a new revision or a new turn."
    )


class DigestStory(Frozen):
    """Reports of the same happening, the newest first."""

    id: str
    sources: int = Field(description="How many sources have reported it, also those not in this digest.")
    reports: tuple[DigestReport, ...]


class DigestTopic(Frozen):
    """Stories of one topic, the newest first; "" if they have none."""

    topic: str
    stories: tuple[DigestStory, ...]


class Digest(Frozen):
    """All that was held for a subscription until a moment."""

    id: str = Field(description="The webhook-id.")
    due: Moment
    count: int = Field(description="How many reports it is of, also those that are not shown.")
    shown: int
    topics: tuple[DigestTopic, ...]


class DigestSubscription(Frozen):
    id: str
    name: str


class DigestLinks(Frozen):
    reports: str = Field(description="Where reports are: put the id of one after it.")
    manage: str


class DigestData(Frozen):
    subscription: DigestSubscription
    digest: Digest
    late: bool = Field(default=False, description="Whether it could not be delivered in time.")
    links: DigestLinks


class DigestReady(Frozen):
    """The body of a webhook that carries a digest; under 20 KB."""

    type: str = Field(default="digest.ready", pattern=r"^digest\.ready$")
    timestamp: Moment
    data: DigestData
