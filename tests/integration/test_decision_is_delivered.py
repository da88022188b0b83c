"""What is decided is what is explained is what is delivered: random filters, schedules, clocks and reports, on Redis.

The model beside it knows no Redis: it remembers in plain dicts, asks `decide`, and looks at the clock on the wall by
itself to see that nothing comes in quiet hours.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.api.adapters.explanations import explain_report
from services.api.core.preview import PreviewWish, imagine, terms_of_wish
from services.notify.adapters.digests import Digests
from services.notify.adapters.fan_out import FanOut
from services.notify.core.case import Wanting
from services.notify.core.wanted import Wanted
from shared.bus import Bus
from shared.decision import SENT, Decision, Earlier, Memory, News, decide, news_of, terms_of
from shared.deliveries import DeliveryLog
from shared.delivery import Delivery
from shared.endpoints import WebhookEndpoint
from shared.events import Country, Evidence, Report, RuleReference, Source, Story, Tag, TaggedReport
from shared.names import Names
from shared.schedule import hour_of, zone_of
from shared.subscriptions import CompiledFilter, Filter, Subscription, document_of, find_match
from tests.builders import store_reports

# The days of both changes of the clock in Berlin, and of one in Lord Howe.
STARTS = tuple(
    datetime(2026, month, day, hour, tzinfo=UTC)
    for month, day, hour in ((3, 28, 20), (10, 24, 20), (4, 4, 10), (6, 1, 3))
)
TITLES = ("Aid arrives", "Aid convoy attacked", "Talks resume")
TEXTS = ("Some 300 fled.", "Some 450 fled.", "They fled over the border.")

times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 30]))
schedules = st.fixed_dictionaries(
    {"mode": st.sampled_from(["instant", "instant", "hourly", "daily"]), "at": times},
    optional={
        "timezone": st.sampled_from(
            ["Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"]
        ),
        "quiet_hours": st.tuples(times, times)
        .filter(lambda each: each[0] != each[1])
        .map(lambda each: {"from": each[0], "to": each[1]}),
        "at_most_per_hour": st.integers(1, 2),
        "snooze_until": st.sampled_from(STARTS).map(lambda start: start + timedelta(hours=2)),
        "expires_at": st.sampled_from(STARTS).map(lambda start: start + timedelta(hours=30)),
    },
)
filters = st.sampled_from(
    [
        {"topics": ["aid"]},
        {"topics": ["aid", "displacement"], "countries": ["SD", "TD"]},
        {"query": "fled"},
        {"query": "convoy OR topic:aid"},
        {"query": "fled NOT title:talks"},
    ]
)
wishes = st.fixed_dictionaries(
    {"filter": filters, "schedule": schedules, "one_per_story": st.booleans(), "updates": st.booleans()}
)


class Happening(NamedTuple):
    """A report that comes some minutes after the one before."""

    minutes: int
    report: int
    story: int
    topics: tuple[str, ...]
    countries: tuple[str, ...]
    title: str
    text: str


happenings = st.builds(
    Happening,
    st.sampled_from([0, 0, 7, 45, 61, 300]),
    st.integers(0, 4),
    st.integers(0, 1),
    st.lists(st.sampled_from(["aid", "displacement"]), unique=True, max_size=2).map(tuple),
    st.lists(st.sampled_from(["SD", "TD"]), unique=True, max_size=2).map(tuple),
    st.sampled_from(TITLES),
    st.sampled_from(TEXTS),
)


def make_subscription(number: int, wish: dict[str, Any], start: datetime) -> Subscription:
    return Subscription(
        **{**wish, "filter": Filter(**wish["filter"])},
        id=f"sub_{number}",
        channel=WebhookEndpoint(type="webhook", url="https://ok.example/"),
        state="active",
        token_hash="",
        created_at=start,
        changed_at=start,
    )


def make_tagged(happening: Happening, revision: int, story: str, now: datetime) -> TaggedReport:
    rule = RuleReference(id="rule", version=1)
    evidence = (Evidence(field="title", start=0, end=3, text=happening.title[:3]),)
    return TaggedReport(
        report=Report(
            id=f"r{happening.report}", revision=revision, url=None, title=happening.title, text=happening.text,
            published_at=now, fetched_at=now, source=Source(id="feed", title="Feed", feed_url="https://f.example"),
        ),
        tags=tuple(Tag(topic=topic, score=1, rule=rule, evidence=evidence) for topic in happening.topics),
        countries=tuple(Country(code=code) for code in happening.countries),
        story=Story(id=story, position=1, sources=1),
        rulebook="1",
    )  # fmt: skip


@dataclass
class Model:
    """What one subscriber remembers, and was decided for him."""

    subscription: Subscription
    told: dict[str, str] = field(default_factory=dict)
    earlier: dict[str, Earlier] = field(default_factory=dict)
    sent: dict[datetime, int] = field(default_factory=dict)
    decided: list[tuple[datetime, News, Decision]] = field(default_factory=list)

    def take(self, tagged: TaggedReport, now: datetime) -> None:
        compiled = CompiledFilter.of(self.subscription.filter)
        if find_match(compiled, tagged, document_of(tagged)) is None:
            return
        news, hour = news_of(tagged, document_of(tagged)), hour_of(now)
        earlier = self.earlier.get(news.report)
        memory = Memory(self.told.get(news.story, ""), earlier, self.sent.get(hour, 0))
        decision = decide(terms_of(self.subscription), news, memory, now, matched=True)
        self.decided.append((now, news, decision))
        if decision.verdict in SENT:
            self.told[news.story] = decision.told
            if decision.verdict == "now":
                self.sent[hour] = self.sent.get(hour, 0) + 1
        self.remember(news, decision, earlier)

    def remember(self, news: News, decision: Decision, earlier: Earlier | None) -> None:
        sends = decision.verdict in SENT
        due = (
            earlier.due if earlier and (decision.is_update or not sends) else decision.due if sends else None
        )
        mark = news.mark if sends or decision.verdict == "waiting" or not earlier else earlier.mark
        was_told = sends or bool(earlier and earlier.was_told)
        self.earlier[news.report] = Earlier(news.revision, mark, was_told, due)

    def expected(self) -> tuple[list[tuple[str, str]], set[tuple[str, str]]]:
        """(report, whether an update) of what is sent at once; (report, due) of what comes in digests."""
        now = [(news.report, str(d.is_update)) for _, news, d in self.decided if d.verdict == "now"]
        digests = {(news.report, str(d.due)) for _, news, d in self.decided if d.verdict in SENT and d.due}
        return sorted(now), digests


class Told:
    """notify's half that decides, with a clock of the test's."""

    def __init__(self, bus: Bus, subscriptions: Sequence[Subscription], start: datetime) -> None:
        self.bus, self.now, self.log = bus, start, DeliveryLog(bus)
        self.fan_out, self.wanted = FanOut(bus, lambda: self.now), Wanted()
        self.sent: dict[str, list[tuple[datetime, Delivery]]] = {each.id: [] for each in subscriptions}
        self.last = "-"
        for subscription in subscriptions:
            self.wanted.put(subscription)

    async def tell(self, tagged: TaggedReport) -> None:
        await store_reports(self.bus, [tagged], moment=self.now)
        document = document_of(tagged)
        news, wanting = news_of(tagged, document), self.wanted.find(document)
        await self.fan_out.tell(news, wanting)
        # Whoever crashes in between tells it again.
        await self.fan_out.tell(news, wanting)
        await self.collect()

    async def until(self, moment: datetime) -> None:
        """Let the clock go on from one digest that is due to the next."""
        due_key = self.bus.names.digests_due
        while (due := await self.bus.redis.zrange(due_key, 0, 0, withscores=True)) and due[0][
            1
        ] <= moment.timestamp():
            self.now = max(self.now, datetime.fromtimestamp(due[0][1], UTC))
            await self.fan_out.queue_digests(self.now)
            assert not await self.bus.redis.zcount(due_key, "-inf", self.now.timestamp())
            await self.collect()
        self.now = moment

    async def collect(self) -> None:
        for entry, fields in await self.bus.redis.xrange(self.bus.names.deliveries, min=self.last):
            self.last = f"({entry.decode()}"
            delivery = await self.log.get(fields[b"id"].decode())
            assert delivery is not None
            self.sent[delivery.subscription].append((self.now, delivery))


def is_quiet(subscription: Subscription, now: datetime) -> bool:
    """Whether the clock on the wall says so."""
    quiet = subscription.schedule.quiet_hours
    if quiet is None:
        return False
    wall = f"{now.astimezone(zone_of(subscription.schedule.timezone)):%H:%M}"
    if quiet.start < quiet.end:
        return quiet.start <= wall < quiet.end
    return wall >= quiet.start or wall < quiet.end


async def check(bus: Bus, start: datetime, wished: list[dict[str, Any]], listed: list[Happening]) -> None:
    bus.names = Names(f"test-{secrets.token_hex(6)}:")
    models = [Model(make_subscription(number, wish, start)) for number, wish in enumerate(wished)]
    told = Told(bus, [model.subscription for model in models], start)
    reports: dict[str, TaggedReport] = {}
    for happening in listed:
        await told.until(told.now + timedelta(minutes=happening.minutes))
        before = reports.get(f"r{happening.report}")
        revision = before.report.revision + 1 if before else 1
        # A report keeps its story.
        story = before.story.id if before else f"s{happening.story}"
        tagged = make_tagged(happening, revision, story, told.now)
        reports[tagged.report.id] = tagged
        for model in models:
            model.take(tagged, told.now)
        await told.tell(tagged)
    for model in models:
        await explains(bus, model, reports, told.now)
    await told.until(told.now + timedelta(days=3))
    for model in models:
        await delivers(bus, model, told)


async def explains(bus: Bus, model: Model, reports: dict[str, TaggedReport], now: datetime) -> None:
    """The explanation of each report is what was decided, or that the filter does not hold."""
    first: dict[str, Decision] = {}
    for _, news, decision in model.decided:
        if news.report not in first or first[news.report].verdict not in SENT:
            first[news.report] = decision
    for report, tagged in reports.items():
        explained = await explain_report(bus, model.subscription, tagged, now)
        matches = (
            find_match(CompiledFilter.of(model.subscription.filter), tagged, document_of(tagged)) is not None
        )
        assert explained.filter.held == matches
        outcomes = {
            "now": {"on_its_way"},
            "digest": {"in_digest", "on_its_way"},
            "quiet": {"held_by_quiet_hours", "on_its_way"},
            "over_limit": {"over_the_limit", "on_its_way"},
            "same_story": {"same_story"},
            "snoozed": {"snoozed"},
            "expired": {"expired"},
        }
        verdict = first[report].verdict if report in first else None
        assert explained.outcome in (outcomes[verdict] if verdict else {"not_matched", "snoozed", "expired"})


async def delivers(bus: Bus, model: Model, told: Told) -> None:
    """What was queued is what was decided: at once, and in digests at their time, never in quiet hours."""
    sent = told.sent[model.subscription.id]
    at_once = [(now, each) for now, each in sent if each.kind == "report"]
    now, digests = model.expected()
    assert sorted((str(each.report), str(each.is_update)) for _, each in at_once) == now
    assert len({each.id for _, each in sent}) == len(sent)
    assert not [moment for moment, _ in at_once if is_quiet(model.subscription, moment)]
    found: set[tuple[str, str]] = set()
    wanting = Wanting(model.subscription, CompiledFilter.of(model.subscription.filter), "")
    for moment, digest in sent:
        if digest.kind == "digest":
            kept = await Digests(bus).find(digest, wanting)
            assert kept is not None
            _, content = kept
            assert content.due == moment
            assert not is_quiet(model.subscription, content.due)
            shown = [
                report for topic in content.topics for story in topic.stories for report in story.reports
            ]
            assert len(shown) == content.count
            found |= {(report.id, str(content.due)) for report in shown}
    assert found == digests


EXAMPLES = {
    "start": st.sampled_from(STARTS),
    "wished": st.lists(wishes, min_size=1, max_size=3),
    "listed": st.lists(happenings, min_size=1, max_size=12),
}
QUIETLY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@given(**EXAMPLES)
@settings(max_examples=50, deadline=None, suppress_health_check=QUIETLY)
async def test_what_is_decided_is_what_is_explained_and_delivered(
    bus: Bus, start: datetime, wished: list[dict[str, Any]], listed: list[Happening]
) -> None:
    await check(bus, start, wished, listed)


@pytest.mark.soak
@given(**EXAMPLES)
@settings(max_examples=1000, deadline=None, suppress_health_check=QUIETLY)
async def test_the_same_for_long(
    bus: Bus, start: datetime, wished: list[dict[str, Any]], listed: list[Happening]
) -> None:
    await check(bus, start, wished, listed)


@given(wish=wishes, listed=st.lists(happenings, min_size=1, max_size=12), start=st.sampled_from(STARTS))
@settings(max_examples=100, deadline=None)
def test_a_preview_is_what_is_then_told(
    wish: dict[str, Any], listed: list[Happening], start: datetime
) -> None:
    """Of reports that come once each: a preview has only the newest revision of a report."""
    wish["schedule"] = {
        key: value for key, value in wish["schedule"].items() if key not in ("snooze_until", "expires_at")
    }
    model, now, matches = Model(make_subscription(0, wish, start)), start, []
    compiled = CompiledFilter.of(model.subscription.filter)
    for number, happening in enumerate(listed):
        now += timedelta(minutes=happening.minutes)
        tagged = make_tagged(happening._replace(report=number), 1, f"s{happening.story}", now)
        model.take(tagged, now)
        if find_match(compiled, tagged, document_of(tagged)):
            matches.append(news_of(tagged, document_of(tagged)))
    preview = PreviewWish.model_validate({key: value for key, value in wish.items() if key != "updates"})
    imagined = imagine(terms_of_wish(preview, compiled), matches)
    at_once, digests = model.expected()
    assert [news.report for news in imagined.told] == [
        n.report for _, n, d in model.decided if d.verdict in SENT
    ]
    assert imagined.messages == len(at_once) + len({due for _, due in digests})
