"""What a wish would have brought in the last days: the decisions that notify makes, on reports that came already."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, Field

from shared.decision import SENT, Earlier, Memory, News, Terms, asked_of, decide
from shared.endpoints import Strict
from shared.events import Evidence, Moment
from shared.schedule import Schedule, hour_of, zone_of
from shared.subscriptions import CompiledFilter, Filter

MANY_A_DAY = 20


class PreviewWish(Strict):
    """What is to be tried: a filter, and how matches would be sent."""

    filter: Filter
    schedule: Schedule = Schedule()
    one_per_story: bool = True


class PreviewDay(BaseModel):
    """How many reports matched on a day, and how many of them would have been told."""

    day: date
    matched: int
    told: int


class PreviewReport(BaseModel):
    """One report that would have been told, and why."""

    id: str
    title: str
    source: str
    published_at: Moment
    clauses: tuple[str, ...]
    evidence: tuple[Evidence, ...]


class Preview(BaseModel):
    """What a wish would have brought."""

    days: int = Field(description="How many days were looked at.")
    reports: int = Field(description="How many reports came in them.")
    matched: int = Field(description="For how many the filter holds.")
    told: int = Field(description="How many of those would have been told: a story once, unless it has news.")
    messages: int = Field(description="How many messages that would have been: a digest is one.")
    a_day: float = Field(description="How many would have been told a day.")
    per_day: tuple[PreviewDay, ...]
    newest: tuple[PreviewReport, ...] = ()
    since: Moment | None = Field(
        default=None,
        description="Only what came since then was looked at: there is no more, or it is enough to say how many come.",
    )
    warning: str | None = None


def terms_of_wish(wish: PreviewWish, compiled: CompiledFilter) -> Terms:
    """Return the terms of somebody who has wished this for ever."""
    schedule = wish.schedule.model_copy(update={"snooze_until": None, "expires_at": None})
    beginning = datetime.min.replace(tzinfo=UTC)
    asked = asked_of(compiled)
    return Terms("", "active", beginning, schedule, schedule.is_plain, wish.one_per_story, True, asked)


@dataclass(slots=True)
class _Imagined:
    """What a subscriber would remember by now."""

    told: dict[str, str] = field(default_factory=dict)
    earlier: dict[str, Earlier] = field(default_factory=dict)
    sent: Counter[datetime] = field(default_factory=Counter)

    def of(self, news: News) -> Memory:
        sent = self.sent[hour_of(news.seen)]
        return Memory(self.told.get(news.story, ""), self.earlier.get(news.report), sent)


@dataclass(frozen=True, slots=True)
class Imagined:
    """What would have been told, the oldest first, and in how many messages."""

    told: tuple[News, ...]
    messages: int


def imagine(terms: Terms, matches: Sequence[News]) -> Imagined:
    """Return what a subscriber would have been told of reports that match, in the order in which they were seen."""
    memory = _Imagined()
    told: list[News] = []
    digests: set[datetime] = set()
    for news in matches:
        decision = decide(terms, news, memory.of(news), news.seen, matched=True)
        if decision.verdict not in SENT:
            continue
        told.append(news)
        memory.told[news.story] = decision.told
        memory.earlier[news.report] = Earlier(news.revision, news.mark, was_told=True, due=decision.due)
        if decision.due:
            digests.add(decision.due)
        else:
            memory.sent[hour_of(news.seen)] += 1
    return Imagined(tuple(told), sum(memory.sent.values()) + len(digests))


def summed_up(
    matches: Sequence[News],
    imagined: Imagined,
    *,
    reports: int,
    days: int,
    since: datetime,
    now: datetime,
    zone: str,
) -> Preview:
    """Return the figures. `since` is when the oldest came that was looked at: it may be fewer days than asked for."""
    told, is_less = imagined.told, since > now - timedelta(days=days)
    covered = max(1.0, (now - since) / timedelta(days=1))
    a_day = round(len(told) / covered, 1)
    return Preview(
        days=days,
        reports=reports,
        matched=len(matches),
        told=len(told),
        messages=imagined.messages,
        a_day=a_day,
        per_day=_per_day(matches, told, since, now, zone),
        warning=_warning(a_day),
        since=since if is_less else None,
    )


def _per_day(
    matches: Sequence[News], told: Sequence[News], since: datetime, now: datetime, zone: str
) -> tuple[PreviewDay, ...]:
    def day_of(moment: datetime) -> date:
        return moment.astimezone(zone_of(zone)).date()

    matched, sent = (
        Counter(day_of(news.seen) for news in matches),
        Counter(day_of(news.seen) for news in told),
    )
    first, last = day_of(since), day_of(now)
    each = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return tuple(PreviewDay(day=day, matched=matched[day], told=sent[day]) for day in each)


def _warning(a_day: float) -> str | None:
    if a_day <= MANY_A_DAY:
        return None
    return f"about {a_day:.0f} reports a day: name a country, add words that must be there, or take a daily digest"
