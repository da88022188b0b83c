"""A tagged report as a page shows it: pieces with the evidence marked, topics, and why, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.catalogue import TopicSummary, followable
from shared.countries import country_names
from shared.events import Evidence, Tag, TaggedReport
from shared.excerpts import Segment, marked_excerpt, segments

EXCERPT_WIDTH = 420
WORDS_SHOWN = 12
COUNTRIES_SHOWN = 4
ACCENTS = 8


@dataclass(frozen=True, slots=True)
class TopicTitle:
    """A topic's title and the number of its colour."""

    title: str
    accent: int


@dataclass(frozen=True, slots=True)
class Why:
    """One rule that held: the topic, the rule and the words it found, each once."""

    topic: str
    title: str
    accent: int
    rule: str
    version: int
    words: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Chip:
    """A topic, and which of its parts."""

    topic: str
    title: str
    accent: int
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportView:
    """What a template needs of a report. Nothing in it is HTML."""

    id: str
    title: list[Segment]
    plain_title: str
    excerpt: list[Segment]
    text: list[Segment]
    language: str | None
    url: str | None
    source: str
    source_url: str | None
    authors: tuple[str, ...]
    published_at: datetime
    revision: int
    whys: tuple[Why, ...]
    chips: tuple[Chip, ...]
    countries: tuple[tuple[str, str], ...]
    story: str
    sources: int
    notes: tuple[str, ...]
    rulebook: str
    found: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of all its topics."""
        return tuple(part for chip in self.chips for part in chip.parts)


def numbered(topics: Sequence[TopicSummary]) -> dict[str, TopicTitle]:
    """Return titles and colours by topic; there are eight colours. A subtopic has its topic's."""
    accents = {topic.id: number % ACCENTS for number, topic in enumerate(topics)}
    return {id: TopicTitle(title, accents[id.partition("/")[0]]) for id, title in followable(topics).items()}


def view_of(
    tagged: TaggedReport, topics: Mapping[str, TopicTitle], found: Sequence[Evidence] = ()
) -> ReportView:
    """Return the view. `found` is further evidence: the words that somebody searched for."""
    report = tagged.report
    evidence = [piece for tag in tagged.tags for piece in tag.evidence] + list(found)
    text = report.text or report.summary
    in_text = evidence if report.text else []
    whys = tuple(_why(tag, topics) for tag in tagged.tags)
    return ReportView(
        id=report.id,
        title=segments(report.title, evidence, "title") or [("(no title)", False)],
        plain_title=report.title or "(no title)",
        excerpt=marked_excerpt(text, in_text, EXCERPT_WIDTH),
        text=segments(text, in_text),
        language=report.language,
        url=web_link(report.url),
        source=report.source.title or report.source.feed_url,
        source_url=web_link(report.source.home_url),
        authors=report.authors,
        published_at=report.published_at,
        revision=report.revision,
        whys=whys,
        chips=_chips(tagged.topics, topics),
        countries=tuple(
            (country.code, country_names().get(country.code, country.code))
            for country in tagged.countries[:COUNTRIES_SHOWN]
        ),
        story=tagged.story.id,
        sources=tagged.story.sources,
        notes=report.notes,
        rulebook=tagged.rulebook,
        found=_distinct([piece.text for piece in found]),
    )


def by_story(views: Sequence[ReportView]) -> list[tuple[ReportView, list[ReportView]]]:
    """Return each story's newest report, in the order of `views`, with the others of it that are there."""
    stories: dict[str, list[ReportView]] = {}
    for view in views:
        stories.setdefault(view.story, []).append(view)
    return [(first, others) for first, *others in stories.values()]


def web_link(url: str | None) -> str | None:
    """Return the URL if a browser may follow it: http or https, nothing else."""
    return url if url and url.lower().startswith(("http://", "https://")) else None


def _chips(tagged: Sequence[str], topics: Mapping[str, TopicTitle]) -> tuple[Chip, ...]:
    """One for each topic; "topic/part" is a part of its topic's."""
    parts: dict[str, list[str]] = {topic.partition("/")[0]: [] for topic in tagged}
    for each in tagged:
        topic, is_part, name = each.partition("/")
        if is_part:
            title = topics[each].title if each in topics else name
            parts[topic].append(title.removeprefix(f"{topics[topic].title}: " if topic in topics else ""))
    known = {topic: topics.get(topic, TopicTitle(topic, 0)) for topic in parts}
    return tuple(Chip(topic, known[topic].title, known[topic].accent, tuple(parts[topic])) for topic in parts)


def _why(tag: Tag, topics: Mapping[str, TopicTitle]) -> Why:
    known = topics.get(tag.topic, TopicTitle(tag.topic, 0))
    words = _distinct([piece.text for piece in tag.evidence])
    return Why(
        topic=tag.topic,
        title=known.title,
        accent=known.accent,
        rule=tag.rule.id,
        version=tag.rule.version,
        words=words[:WORDS_SHOWN],
        more=max(0, len(words) - WORDS_SHOWN),
    )


def _distinct(words: Sequence[str]) -> tuple[str, ...]:
    """Each once whatever its case, as first seen, on one line."""
    return tuple({word.casefold(): " ".join(word.split()) for word in reversed(words)}.values())[::-1]
