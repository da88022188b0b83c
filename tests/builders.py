"""Builders: a report, a tagged report, the topics of a rulebook, with good values for what a test does not name."""

from datetime import UTC, datetime, timedelta
from itertools import count

from shared.bus import Bus
from shared.catalogue import RuleSummary, TopicSummary, write_catalogue
from shared.events import Evidence, Report, RuleReference, Source, Story, Tag, TaggedReport, tagged
from shared.report_store import forwarded

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
DAY = 86400

_number = count(1)


def make_report(
    title: str = "Families cross the river",
    text: str = "Several hundred families fled over the river.",
    **more: object,
) -> Report:
    """A report with an id of its own."""
    values: dict[str, object] = {
        "id": f"{next(_number):024x}",
        "url": "https://news.example.org/1",
        "title": title,
        "text": text,
        "language": "en",
        "published_at": NOW,
        "fetched_at": NOW,
        "source": Source(id="feed1", title="River News", feed_url="https://news.example.org/feed"),
    }
    return Report.model_validate(values | more)


def make_tag(topic: str, report: Report, *words: str) -> Tag:
    """A tag whose evidence is where the words first stand, in the title or else in the text."""
    return Tag(
        topic=topic,
        score=1.0,
        rule=RuleReference(id=f"{topic}.v", version=2),
        evidence=tuple(_evidence(report, word) for word in words),
    )


def make_tagged(report: Report | None = None, **topics: tuple[str, ...]) -> TaggedReport:
    """A tagged report: make_tagged(report, displacement=("fled",))."""
    report = report or make_report()
    return TaggedReport(
        report=report,
        tags=tuple(make_tag(topic, report, *words) for topic, words in topics.items()),
        story=Story(id=report.id, position=1, sources=1),
        rulebook="rb1",
    )


def make_topics(*ids: str) -> tuple[TopicSummary, ...]:
    """Topics as classify announces them."""
    return tuple(
        TopicSummary(
            id=topic,
            title=topic.capitalize(),
            description=f"What is told of {topic}.",
            languages=("en",),
            rules=(RuleSummary(id=f"{topic}.v", version=2, title=f"Words of {topic}"),),
        )
        for topic in ids
    )


async def store_topics(bus: Bus, *ids: str) -> None:
    """Announce topics as classify does."""
    await write_catalogue(bus.redis, bus.names, make_topics(*ids))


async def store_reports(
    bus: Bus, reports: list[TaggedReport], *, moment: datetime = NOW, apart: float = 1
) -> None:
    """Write reports as classify does, each `apart` seconds after the one before."""
    pipe = bus.redis.pipeline(transaction=False)
    for number, report in enumerate(reports):
        event = tagged(report, moment + timedelta(seconds=apart * number))
        for command in forwarded(bus.names, event, DAY).commands:
            pipe.execute_command(*command)
    await pipe.execute()


def _evidence(report: Report, word: str) -> Evidence:
    if word in report.title:
        start = report.title.index(word)
        return Evidence(field="title", start=start, end=start + len(word), text=word)
    start = report.text.index(word)
    return Evidence(field="text", start=start, end=start + len(word), text=word)
