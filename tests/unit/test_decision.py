"""What becomes of a report for a subscription, by plain calls."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.decision import NOTHING, Decision, Earlier, Memory, News, decide, news_of, silent_until, terms_of
from shared.schedule import Schedule
from shared.subscriptions import Filter, Subscription, document_of
from tests.message_builders import make_subscription, make_tagged

NOW = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
MORNING = datetime(2026, 3, 3, 6, tzinfo=UTC)
NIGHT = {"quiet_hours": {"from": "22:00", "to": "06:00"}}
NEWS = News("r1", 1, NOW, "s", "mark", {"topic:aid", "country:SD"})


def subscription(**changes: Any) -> Subscription:
    values = {
        "state": "active",
        "created_at": BEFORE,
        "filter": Filter(topics=("aid",), countries=("SD", "TD")),
    }
    return make_subscription(**values | changes)


def decided(
    memory: Memory = NOTHING, news: News = NEWS, *, matched: bool = True, now: datetime = NOW, **changes: Any
) -> Decision:
    return decide(terms_of(subscription(**changes)), news, memory, now, matched=matched)


@pytest.mark.parametrize(
    ("changes", "verdict", "due"),
    [
        ({}, "now", None),
        ({"state": "paused"}, "not_active", None),
        ({"state": "pending"}, "not_active", None),
        ({"schedule": {"expires_at": NOW}}, "expired", NOW),
        ({"schedule": {"snooze_until": MORNING}}, "snoozed", MORNING),
        ({"schedule": {"snooze_until": NOW}}, "now", None),
        ({"since": NOW + timedelta(seconds=1)}, "older", NOW + timedelta(seconds=1)),
        ({"created_at": NOW + timedelta(seconds=1)}, "older", NOW + timedelta(seconds=1)),
        ({"schedule": NIGHT}, "quiet", MORNING),
        ({"schedule": {"mode": "hourly"}}, "digest", NOW + timedelta(minutes=30)),
        ({"schedule": {"mode": "hourly", **NIGHT}}, "digest", MORNING),
        ({"schedule": {"mode": "daily", "at": "05:00", **NIGHT}}, "digest", MORNING),
    ],
)
def test_state_and_schedule_decide(changes: dict[str, Any], verdict: str, due: datetime | None):
    decision = decided(**changes)
    assert (decision.verdict, decision.due) == (verdict, due)


def test_what_does_not_match_is_not_told():
    assert decided(matched=False).verdict == "not_matched"


def test_a_story_is_told_again_only_for_what_was_asked_for():
    told = Memory("r0 country:SD topic:aid")
    assert decided(told) == Decision("same_story", refers_to="r0")
    assert decided(told, NEWS._replace(facts={"topic:aid", "country:UA"})).verdict == "same_story"
    again = decided(told, NEWS._replace(facts={"topic:aid", "country:TD"}))
    assert (again.verdict, again.refers_to, again.told) == ("now", "r0", "r0 country:SD country:TD topic:aid")
    assert decided(told, one_per_story=False).verdict == "now"


@pytest.mark.parametrize(
    ("earlier", "changes", "verdict"),
    [
        (Earlier(1, "mark", True), {}, "same_news"),
        (Earlier(1, "other", True), {}, "now"),
        (Earlier(1, "other", True), {"updates": False}, "no_updates"),
        (Earlier(1, "other", True, NOW + timedelta(hours=1)), {}, "waiting"),
        (Earlier(1, "other", True, NOW - timedelta(hours=1)), {}, "now"),
        (Earlier(1, "other", False), {}, "same_story"),
    ],
)
def test_a_revision_is_an_update_of_what_was_told(earlier: Earlier, changes: dict[str, Any], verdict: str):
    decision = decided(Memory("r1 country:SD topic:aid", earlier), NEWS._replace(revision=2), **changes)
    assert decision.verdict == verdict
    if verdict == "now":
        assert (decision.is_update, decision.refers_to) == (True, "r1")


def test_what_is_over_the_limit_waits_for_the_end_of_the_hour_and_of_the_quiet():
    few = {"schedule": {"at_most_per_hour": 2}}
    assert decided(Memory(sent_this_hour=1), **few).verdict == "now"
    over = decided(Memory(sent_this_hour=2), **few)
    assert (over.verdict, over.due) == ("over_limit", NOW + timedelta(minutes=30))
    nearly = {"schedule": {"at_most_per_hour": 2, "quiet_hours": {"from": "23:45", "to": "06:00"}}}
    assert decided(Memory(sent_this_hour=2), **nearly).due == MORNING


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Some 300 fled.", "About 300 fled!", True),
        ("Some 300 fled.", "Some 450 fled.", False),
        ("It rose to 3.25 million.", "It rose to 3.50 million.", False),
        ("1,200 fled", "1200 fled", True),
        ("300 fled, updated 14:05", "300 fled, updated 15:10", True),
        ("300 fled by 9pm on 3 March 2026", "300 fled by 10pm on 4 March 2026", True),
        ("300 fled (2026-03-03)", "300 fled (2026-03-04)", True),
        ("They fled.", "They fled. 12 died.", False),
    ],
)
def test_two_texts_have_the_same_figures(one: str, other: str, same: bool):
    first, second = (make_tagged((), text=text) for text in (one, other))
    marks = {news_of(each, document_of(each)).mark for each in (first, second)}
    assert (len(marks) == 1) == same


def test_a_headline_is_its_words():
    titles = ("Aid arrives in Doha", "AID arrives — in Doha!", "Aid arrives in Kabul")
    first, second, third = (
        news_of(each, document_of(each)).mark for each in (make_tagged((), title=t, text="") for t in titles)
    )
    assert first == second != third


def test_nothing_is_sent_before_quiet_and_snooze_are_both_over():
    later = MORNING + timedelta(hours=1)
    assert silent_until(Schedule(snooze_until=later, **NIGHT), NOW) == later
    assert silent_until(Schedule(snooze_until=NOW, **NIGHT), NOW) == MORNING
    assert silent_until(Schedule(), NOW) is None
