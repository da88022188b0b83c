"""The topics that the running rulebook knows: classify writes them, api checks and shows them."""

from collections.abc import Iterable
from datetime import date

from pydantic import TypeAdapter

from shared.events import Frozen, Moment
from shared.names import Names
from shared.redis_client import RedisClient


class RuleSummary(Frozen):
    """A rule as subscribers see it."""

    id: str
    version: int
    title: str
    status: str = "stable"
    """Or "experimental": it is being tried."""
    false_positives: tuple[str, ...] = ()
    """What it is known to take for the topic."""


class SubtopicSummary(Frozen):
    """A part of a topic; its id is "topic/subtopic"."""

    id: str
    title: str


class Quality(Frozen):
    """How a topic's rules did on reports that people had read and labelled."""

    precision: float
    """The share of tags that were right."""
    recall: float
    """The share of reports on the topic that were found."""
    reports: int
    on_topic: int
    measured: date | None = None


class TopicSummary(Frozen):
    """A topic as subscribers see it."""

    id: str
    title: str
    description: str
    languages: tuple[str, ...]
    rules: tuple[RuleSummary, ...]
    subtopics: tuple[SubtopicSummary, ...] = ()
    quality: Quality | None = None


class EditedReport(Frozen):
    """A stored report that the edit tags, or does not tag any more; `words` are those that the tag is for."""

    id: str
    title: str
    words: str


class TopicEdit(Frozen):
    """What an edit changed for a topic: how many reports in all, and the newest of them."""

    topic: str
    gained: int
    lost: int
    newest_gained: tuple[EditedReport, ...] = ()
    newest_lost: tuple[EditedReport, ...] = ()


class RulebookEdit(Frozen):
    """What the last edit that was taken over changes on the newest reports, which keep the tags that they have."""

    before: str
    after: str
    at: Moment
    reports: int
    topics: tuple[TopicEdit, ...]


def followable(topics: Iterable[TopicSummary]) -> dict[str, str]:
    """Titles by id of everything that a filter may name: each topic, and its subtopics after it."""
    titles: dict[str, str] = {}
    for topic in topics:
        titles[topic.id] = topic.title
        titles |= {part.id: f"{topic.title}: {part.title.lower()}" for part in topic.subtopics}
    return titles


_TOPICS = TypeAdapter(tuple[TopicSummary, ...])


async def write_catalogue(redis: RedisClient, names: Names, topics: tuple[TopicSummary, ...]) -> None:
    """Replace the catalogue."""
    await redis.set(names.catalogue, _TOPICS.dump_json(topics))


async def read_catalogue(redis: RedisClient, names: Names) -> tuple[TopicSummary, ...]:
    """Return the topics; none if classify has never run on this Redis."""
    raw = await redis.get(names.catalogue)
    return _TOPICS.validate_json(raw) if raw else ()


async def write_edit(redis: RedisClient, names: Names, edit: RulebookEdit) -> None:
    """Say what the last edit changed."""
    await redis.set(names.rulebook_edit, edit.model_dump_json())


async def read_edit(redis: RedisClient, names: Names) -> RulebookEdit | None:
    """Return what the last edit changed; None if there was none."""
    raw = await redis.get(names.rulebook_edit)
    return RulebookEdit.model_validate_json(raw) if raw else None


async def write_problem(redis: RedisClient, names: Names, problem: str | None) -> None:
    """Say why an edited rulebook was not taken over; None once the one on the disk is in use."""
    if problem is None:
        await redis.delete(names.rulebook_problem)
    else:
        await redis.set(names.rulebook_problem, problem)


async def read_problem(redis: RedisClient, names: Names) -> str | None:
    """Return why the rulebook on the disk is not the one in use; None if it is."""
    raw = await redis.get(names.rulebook_problem)
    return raw.decode() if raw else None
