"""Builds a digest of what was held, and writes it as the body of a webhook. Knows no clock and no store."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from shared.delivery import Delivery
from shared.digest import (
    Digest,
    DigestData,
    DigestLinks,
    DigestReady,
    DigestReport,
    DigestStory,
    DigestSubscription,
    DigestTopic,
)
from shared.events import TaggedReport
from shared.excerpts import excerpt
from shared.links import Links
from shared.subscriptions import Filter, Matched, Subscription

MOST_SHOWN = 30
EXCERPT_WIDTH = 280
TITLE_LIMIT = 200
SOURCE_LIMIT = 80
WORDS_SHOWN = 6
CLAUSES_SHOWN = 6
BODY_LIMIT = 20_000


class Held(NamedTuple):
    """A match that waited, its report as it is now, and why it matches."""

    delivery: Delivery
    tagged: TaggedReport
    matched: Matched


def build_digest(due: datetime, held: Sequence[Held], wanted: Filter, sources: Mapping[str, int]) -> Digest:
    """Return what a digest says, without its id: the newest 30 reports, each once, by topic and story.

    `sources` says how many sources have reported a story so far; a topic with more reports comes first.
    """
    each = list({item.tagged.report.id: item for item in held}.values())
    # The same whatever order they were held in: thousands are told the same.
    newest = sorted(
        each, key=lambda item: (item.tagged.report.published_at, item.tagged.report.id), reverse=True
    )
    shown = newest[:MOST_SHOWN]
    topics = _grouped((topic_of(wanted, item.tagged), item) for item in shown)
    return Digest(
        id="",
        due=due,
        count=len(newest),
        shown=len(shown),
        topics=tuple(
            DigestTopic(topic=topic, stories=_stories(items, sources))
            for topic, items in sorted(topics.items(), key=lambda topic: -len(topic[1]))
        ),
    )


def topic_of(wanted: Filter, tagged: TaggedReport) -> str:
    """Return the topic that a reader would look for; "" if there is none."""
    return next((topic for topic in tagged.topics if topic in wanted.topics), next(iter(tagged.topics), ""))


def digest_body(
    subscription: Subscription, digest: Digest, links: Links, now: datetime, *, late: bool = False
) -> bytes:
    """Return the JSON of `DigestReady`, UTF-8, under 20 KB: of a big one fewer reports are shown, and less of each."""
    bodies = (
        _body(subscription, cut_to(digest, shown, width), links, now, late)
        for shown, width in ((MOST_SHOWN, EXCERPT_WIDTH), (MOST_SHOWN, 120), (15, 120), (6, 60), (1, 0))
    )
    return next(body for body in bodies if len(body) < BODY_LIMIT)


def cut_to(digest: Digest, shown: int, width: int) -> Digest:
    """Return the digest with at most so many reports, and so many characters of each one's text."""
    left = shown
    topics = []
    for topic in digest.topics:
        stories = []
        for story in topic.stories:
            reports = [
                report.model_copy(update={"excerpt": report.excerpt[:width]})
                for report in story.reports[:left]
            ]
            left -= len(reports)
            stories += [story.model_copy(update={"reports": tuple(reports)})] if reports else []
        topics += [topic.model_copy(update={"stories": tuple(stories)})] if stories else []
    return digest.model_copy(update={"topics": tuple(topics), "shown": min(shown, digest.shown)})


def _body(subscription: Subscription, digest: Digest, links: Links, now: datetime, late: bool) -> bytes:
    ready = DigestReady(
        timestamp=now,
        data=DigestData(
            subscription=DigestSubscription(id=subscription.id, name=subscription.name),
            digest=digest,
            late=late,
            links=DigestLinks(reports=links.report(""), manage=links.manage_with_token(subscription.id)),
        ),
    )
    return ready.model_dump_json().encode()


def _grouped(items: Iterable[tuple[str, Held]]) -> dict[str, list[Held]]:
    groups: dict[str, list[Held]] = {}
    for name, item in items:
        groups.setdefault(name, []).append(item)
    return groups


def _stories(items: Sequence[Held], sources: Mapping[str, int]) -> tuple[DigestStory, ...]:
    stories = _grouped((item.tagged.story.id, item) for item in items)
    return tuple(
        DigestStory(
            id=story,
            sources=max(sources.get(story, 1), *(item.tagged.story.sources for item in group)),
            reports=tuple(map(_report, group)),
        )
        for story, group in stories.items()
    )


def _report(held: Held) -> DigestReport:
    report, matched = held.tagged.report, held.matched
    words = dict.fromkeys(" ".join(piece.text.split())[:60] for piece in matched.evidence)
    web = (report.url or "").startswith(("http://", "https://")) and len(report.url or "") <= 500
    return DigestReport(
        id=report.id,
        title=_cut(" ".join(report.title.split()), TITLE_LIMIT) or "untitled report",
        url=report.url if web else None,
        source=_cut(report.source.title, SOURCE_LIMIT),
        language=report.language,
        published_at=report.published_at,
        excerpt=excerpt(report.text or report.summary, matched.evidence, EXCERPT_WIDTH),
        clauses=tuple(_cut(clause, TITLE_LIMIT) for clause in matched.clauses[:CLAUSES_SHOWN]),
        words=tuple(words)[:WORDS_SHOWN],
        update_of=held.delivery.refers_to,
    )


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
