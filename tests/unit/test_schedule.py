"""When the next attempt is due."""

from datetime import UTC, datetime, timedelta

import pytest

from services.notify.core.schedule import (
    DEFAULT_SCHEDULE,
    ScheduleError,
    next_attempt,
    parse_retry_after,
    parse_schedule,
)

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
MIDDLE = 0.5


def wait(attempt: int, jitter: float = MIDDLE, retry_after: float | None = None) -> float:
    due = next_attempt(attempt, DEFAULT_SCHEDULE, NOW, jitter, retry_after)
    assert due is not None
    return (due - NOW).total_seconds()


def test_next_attempt_follows_the_schedule() -> None:
    assert [wait(attempt) for attempt in range(1, 10)] == list(DEFAULT_SCHEDULE)


def test_the_default_schedule_lasts_three_days() -> None:
    assert timedelta(hours=75) < timedelta(seconds=sum(DEFAULT_SCHEDULE)) < timedelta(hours=76)


def test_next_attempt_gives_up_when_the_schedule_runs_out() -> None:
    assert next_attempt(10, DEFAULT_SCHEDULE, NOW, MIDDLE) is None


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 240), (0.5, 300), (0.999_999, 360)])
def test_jitter_spreads_the_wait_by_a_fifth(jitter: float, seconds: float) -> None:
    assert wait(2, jitter) == pytest.approx(seconds, abs=0.01)


def test_retry_after_makes_the_wait_longer() -> None:
    assert wait(1, retry_after=600) == 600


def test_retry_after_never_makes_the_wait_shorter() -> None:
    assert wait(2, jitter=0.0, retry_after=1) >= 300


def test_retry_after_is_bounded_to_a_day() -> None:
    assert wait(1, retry_after=10**9) == 86400


def test_retry_after_does_not_prolong_the_schedule() -> None:
    assert next_attempt(10, DEFAULT_SCHEDULE, NOW, MIDDLE, 60) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sun, 01 Mar 2026 09:32:00 GMT", 120),
        ("Sun, 01 Mar 2026 09:32:00 -0000", 120),
        ("Sun, 01 Mar 2020 09:32:00 GMT", 0),
        ("9" * 400, 999_999_999),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Sun, 99 Mar 2026 99:32:00 GMT", None),
        ("Sun, 01 Mar 99999999999 09:32:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


def test_a_schedule_is_read() -> None:
    assert parse_schedule("5, 300,0.5") == (5, 300, 0.5)


@pytest.mark.parametrize("text", ["", "5,,6", "5;6", "0", "-1", "nan", "inf", "1e99", ",".join(["1"] * 51)])
def test_a_schedule_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError):
        parse_schedule(text)
