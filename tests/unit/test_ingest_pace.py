"""When to poll next."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.core.entry import Hints
from services.ingest.core.pace import (
    Limits,
    Wishes,
    freshness,
    host_pause,
    next_poll,
    pace,
    retry_after,
    retry_wait,
)

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)  # a Tuesday
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
LIMITS = Limits(900)


def wait(wishes: Wishes = Wishes(), *, trouble: float = 0, jitter: float = 0) -> float:
    return (next_poll(NOW, LIMITS, wishes, trouble=trouble, jitter=jitter) - NOW).total_seconds()


PACES = {
    "every hour while its rhythm is not known": (Wishes(), HOUR),
    "four times for each entry that is expected": (Wishes(gap=2 * HOUR), 30 * MINUTE),
    "no more often than the minimum": (Wishes(gap=MINUTE), 15 * MINUTE),
    "at the slowest pace if it is quiet": (Wishes(gap=30 * DAY), HOUR),
    "half as often without validators": (Wishes(gap=2 * HOUR, conditional=False), HOUR),
    "half as often, also if it is busy": (Wishes(gap=MINUTE, conditional=False), 30 * MINUTE),
    "half as often, also if it is quiet": (Wishes(gap=30 * DAY, conditional=False), 2 * HOUR),
    "as the feed list says": (Wishes(interval=1000, gap=MINUTE), 1000),
    "as the feed list says, but for the minimum": (Wishes(interval=10), 900),
    "slowly while it is pushed": (Wishes(gap=MINUTE, pushed=6 * HOUR), 6 * HOUR),
    "not in hours that it does not want": (Wishes(hints=Hints(skip_hours=frozenset((13, 14)))), 3 * HOUR),
    "not on days that it does not want": (Wishes(hints=Hints(skip_days=frozenset((1, 2)))), 36 * HOUR),
    "all the same if it wants no hour": (Wishes(hints=Hints(skip_hours=frozenset(range(24)))), HOUR),
    "once a day when it is gone": (Wishes(gone=True), DAY),
    "not before its host allows it": (Wishes(not_before=NOW + timedelta(days=5)), 5 * DAY),
    "as usual when its host allows it before": (Wishes(not_before=NOW + timedelta(seconds=1)), HOUR),
}


@pytest.mark.parametrize(("wishes", "seconds"), PACES.values(), ids=PACES)
def test_a_feed_is_polled(wishes: Wishes, seconds: float) -> None:
    assert wait(wishes) == seconds


def test_how_slowly_a_quiet_feed_is_polled_is_a_setting() -> None:
    assert pace(Limits(900, slowest=4 * HOUR), Wishes(gap=30 * DAY)) == 4 * HOUR


@pytest.mark.parametrize(
    "wish",
    [
        lambda seconds: Wishes(interval=1000, max_age=seconds),
        lambda seconds: Wishes(interval=1000, hints=Hints(ttl=seconds)),
        lambda seconds: Wishes(interval=1000, hints=Hints(period=seconds)),
    ],
)
def test_a_feed_is_never_polled_before_it_wants_it_for_a_day_at_most(wish: Callable[[float], Wishes]) -> None:
    def asked(seconds: float) -> float:
        return wait(wish(seconds))

    assert (asked(10), asked(2 * HOUR), asked(30 * DAY)) == (1000, 2 * HOUR, DAY)


def test_trouble_doubles_the_wait_up_to_a_day() -> None:
    waits = [wait(trouble=trouble) for trouble in (0.25, 1, 2, 8, 10_000)]
    assert waits == [pytest.approx(HOUR * 2**0.25), 2 * HOUR, 4 * HOUR, DAY, DAY]


def test_a_server_that_is_not_reached_is_tried_after_a_minute_then_twice_as_long_up_to_the_pace() -> None:
    def due(failures: int) -> float:
        retry = retry_wait(LIMITS, failures, reached=False, new=False)
        return (next_poll(NOW, LIMITS, Wishes(), trouble=0.25, retry=retry) - NOW).total_seconds()

    assert [due(failures) for failures in (1, 2, 3, 20)] == [60, 120, 240, pytest.approx(HOUR * 2**0.25)]


def test_a_feed_that_was_never_read_begins_at_the_minimum() -> None:
    waits = [retry_wait(LIMITS, failures, reached=True, new=True) for failures in (1, 2, 3)]
    assert waits == [900, 1800, 3600]
    assert retry_wait(LIMITS, 1, reached=True, new=False) is None
    assert retry_wait(Limits(5), 1, reached=False, new=True) == 5


def test_what_is_gone_or_shut_by_its_host_is_not_tried_soon() -> None:
    assert next_poll(NOW, LIMITS, Wishes(gone=True), retry=60) == NOW + timedelta(days=1)
    later = NOW + timedelta(hours=5)
    assert next_poll(NOW, LIMITS, Wishes(not_before=later), retry=60) == later


def test_an_interval_above_a_day_is_kept_also_in_trouble() -> None:
    assert wait(Wishes(interval=3 * DAY), trouble=5) == 3 * DAY


def test_trouble_is_no_reason_to_come_before_the_host_allows_it() -> None:
    assert wait(Wishes(not_before=NOW + timedelta(days=5)), trouble=1) == 5 * DAY


def test_jitter_only_makes_it_later() -> None:
    assert wait(jitter=1) == 66 * MINUTE


def test_a_host_is_left_alone_for_as_long_as_it_says_for_a_week_at_most() -> None:
    assert (host_pause(120, 1), host_pause(5000 * DAY, 1)) == (120, 7 * DAY)


def test_a_host_that_does_not_say_is_left_alone_twice_as_long_each_time() -> None:
    pauses = [host_pause(None, strikes) for strikes in (1, 2, 3, 1000)]
    assert pauses == [15 * MINUTE, 30 * MINUTE, HOUR, DAY]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("max-age=300", 300),
        ("public, Max-Age = 60", 60),
        ("no-cache, max-age=300", None),
        ("no-store", None),
        ("s-maxage=300", None),
        ("max-age=soon", None),
        ("", None),
    ],
)
def test_cache_control_is_read(header: str, seconds: float | None) -> None:
    assert freshness({"Cache-Control": header}) == seconds


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [
        ("Tue, 04 Aug 2026 12:05:00 GMT", 300),
        ("Tue, 04 Aug 2026 11:00:00 GMT", None),
        ("0", None),
        ("soon", None),
    ],
)
def test_expires_counts_from_the_date_of_the_answer(expires: str, seconds: float | None) -> None:
    assert freshness({"Expires": expires, "Date": "Tue, 04 Aug 2026 12:00:00 GMT"}) == seconds


def test_cache_control_goes_before_expires() -> None:
    dates = {"Expires": "Tue, 04 Aug 2026 12:05:00 GMT", "Date": "Tue, 04 Aug 2026 12:00:00 GMT"}
    assert freshness({"Cache-Control": "max-age=60", **dates}) == 60
    assert freshness({"Cache-Control": "no-cache", **dates}) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Tue, 04 Aug 2026 12:01:00 GMT", 60),
        ("Tue, 04 Aug 2026 12:01:00 -0000", 60),
        ("Tue, 04 Aug 2020 12:01:00 GMT", 0),
        ("later", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_read(header: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": header}, NOW) == seconds


@pytest.mark.parametrize("part", ["2026 00:00:00 +{}", "{} 00:00:00 GMT", "2026 {}:00:00 GMT"])
def test_a_moment_that_no_calendar_has_is_none(part: str) -> None:
    absurd = "Mon, 01 Jan " + part.format("9" * 30)
    assert freshness({"Expires": absurd, "Date": "Mon, 01 Jan 2026 00:00:00 GMT"}) is None
    assert retry_after({"Retry-After": absurd}, NOW) is None
