"""What becomes of a report for a subscription: told now, later, or not at all. The one place that decides it. Pure.

notify acts on the decision and writes it down; the preview and the explanation of api ask the same function.

    not active -> snoozed, expired -> older -> not matched -> told before -> quiet hours, digest, limit -> now
"""

import hashlib
import re
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from shared.events import TaggedReport
from shared.matching.document import Document
from shared.matching.expression import facts_of
from shared.schedule import Schedule, end_of_hour, next_digest, quiet_until
from shared.subscriptions import CompiledFilter, State, Subscription

Verdict = Literal[
    "now", "digest", "quiet", "over_limit",
    "same_story", "same_news", "no_updates", "waiting",
    "not_active", "snoozed", "expired", "older", "not_matched",
]  # fmt: skip

SENT: frozenset[Verdict] = frozenset({"now", "digest", "quiet", "over_limit"})
"""The verdicts by which a report reaches its subscriber, now or in a digest."""

# A clock time or a date is in many texts, and changes with every revision of some.
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_MOMENT = re.compile(
    r"\d{1,2}:\d{2}(?::\d{2})?|\d{1,2}(?:\.\d{2})?\s*(?:[ap]\.?m\b|GMT|UTC)"
    r"|\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{4}"
    rf"|\d{{1,2}} {_MONTH}(?: \d{{4}})?|{_MONTH} \d{{1,2}}\b(?:,? \d{{4}})?",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"\d+(?:[., \u00a0\u202f]\d{3})*(?:[.,]\d+)?")


class Terms(NamedTuple):
    """What of a subscription bears on decisions beside its filter. Small: notify holds those of all."""

    id: str
    state: State
    since: datetime
    """What was seen before is not told."""
    schedule: Schedule
    is_plain: bool
    one_per_story: bool
    updates: bool
    asked: frozenset[str]
    """The topics and countries that its filter names, as facts."""


def terms_of(subscription: Subscription, compiled: CompiledFilter | None = None) -> Terms:
    """Return the terms of a subscription. What many share is kept once."""
    compiled = compiled or CompiledFilter.of(subscription.filter)
    schedule = _kept_once(subscription.schedule)
    return Terms(
        subscription.id,
        subscription.state,
        subscription.since or subscription.created_at,
        schedule,
        schedule.is_plain,
        subscription.one_per_story,
        subscription.updates,
        asked_of(compiled),
    )


@lru_cache(maxsize=10_000)
def _kept_once(schedule: Schedule) -> Schedule:
    return schedule


@lru_cache(maxsize=10_000)
def _one_of(asked: frozenset[str]) -> frozenset[str]:
    return asked


def asked_of(compiled: CompiledFilter) -> frozenset[str]:
    """Return the topics and countries that a filter names, as facts."""
    keys = (fact.key for fact in facts_of(compiled.expression))
    return _one_of(frozenset(key for key in keys if key.startswith(("topic:", "country:"))))


class News(NamedTuple):
    """What of a report bears on decisions, whoever's they are."""

    report: str
    revision: int
    seen: datetime
    story: str
    mark: str
    """Two revisions with one mark have the same headline and the same figures."""
    facts: Set[str]


def news_of(tagged: TaggedReport, document: Document) -> News:
    """Return what a report tells."""
    report = tagged.report
    mark = _mark(report.title, report.text or report.summary)
    return News(report.id, report.revision, report.fetched_at, tagged.story.id, mark, document.facts.keys())


def _mark(title: str, text: str) -> str:
    """sha256(words of the title, figures of the text), 12 hex digits."""
    headline = " ".join(re.findall(r"\w+", title.casefold()))
    figures = sorted({re.sub(r"\D", "", figure) for figure in _FIGURE.findall(_MOMENT.sub(" ", text))})
    return hashlib.sha256(f"{headline}\n{' '.join(figures)}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Told:
    """What a subscriber was told of a story: by which report first, and which topics and countries."""

    report: str
    facts: frozenset[str] = frozenset()

    @classmethod
    def read(cls, written: str) -> "Told | None":
        """Return what `written` made."""
        if not written:
            return None
        report, *facts = written.split(" ")
        return cls(report, frozenset(facts))

    def written(self) -> str:
        return " ".join((self.report, *sorted(self.facts)))


class Earlier(NamedTuple):
    """What became of an earlier revision of the same report."""

    revision: int
    mark: str
    was_told: bool
    """False if it was held back, as another telling of its story."""
    due: datetime | None = None
    """When the digest is sent that it was put into."""


class Memory(NamedTuple):
    """What is remembered of a subscriber that bears on one report."""

    told: str = ""
    """`Told.written`, or nothing."""
    earlier: Earlier | None = None
    sent_this_hour: int = 0


NOTHING = Memory()


class Decision(NamedTuple):
    """What becomes of a report for one subscription, and what is remembered of it from now on."""

    verdict: Verdict
    due: datetime | None = None
    """When it is sent, if not now; when the snoozing ends."""
    told: str = ""
    """What has been told of the story from now on (`Told.written`)."""
    refers_to: str | None = None
    """The report that was told before: of the same story, or this one in an earlier revision."""
    is_update: bool = False
    """Whether it is a new revision of a report that was told."""


def decide(terms: Terms, news: News, memory: Memory, now: datetime, *, matched: bool) -> Decision:
    """Return what becomes of a report; `matched` is whether the filter holds for it."""
    schedule = terms.schedule
    if terms.state != "active":
        return Decision("not_active")
    if schedule.expires_at and schedule.expires_at <= now:
        return Decision("expired", schedule.expires_at)
    if schedule.snooze_until and now < schedule.snooze_until:
        return Decision("snoozed", schedule.snooze_until)
    if news.seen < terms.since:
        return Decision("older", terms.since)
    if not matched:
        return Decision("not_matched")
    facts = terms.asked & news.facts
    told = Told.read(memory.told)
    new_facts = told is not None and not facts <= told.facts
    earlier = memory.earlier
    is_update = earlier is not None and earlier.was_told
    if earlier is not None and is_update:
        if earlier.due and now < earlier.due:
            return Decision("waiting", earlier.due)
        if earlier.mark == news.mark and not new_facts:
            return Decision("same_news", refers_to=news.report)
        if not terms.updates:
            return Decision("no_updates", refers_to=news.report)
    elif told and terms.one_per_story and not new_facts:
        return Decision("same_story", refers_to=told.report)
    after = Told(told.report, told.facts | facts) if told else Told(news.report, facts)
    refers_to = news.report if is_update else told.report if told and terms.one_per_story else None
    verdict, due = _route(terms, memory, now)
    return Decision(verdict, due, after.written(), refers_to, is_update)


def _route(terms: Terms, memory: Memory, now: datetime) -> tuple[Verdict, datetime | None]:
    schedule = terms.schedule
    if terms.is_plain:
        return "now", None
    if schedule.mode != "instant":
        return "digest", next_digest(schedule, now)
    if until := quiet_until(schedule, now):
        return "quiet", until
    if schedule.at_most_per_hour and memory.sent_this_hour >= schedule.at_most_per_hour:
        return "over_limit", end_of_hour(schedule, now)
    return "now", None


def silent_until(schedule: Schedule, now: datetime) -> datetime | None:
    """Return until when nothing may be sent, also nothing that was owed before; None if it may be sent now."""
    if schedule.quiet_hours is None and schedule.snooze_until is None:
        return None
    quiet, snooze = quiet_until(schedule, now), schedule.snooze_until
    times = [each for each in (quiet, snooze) if each and each > now]
    return max(times) if times else None
