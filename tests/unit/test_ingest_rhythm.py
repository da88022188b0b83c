"""How often a feed has something new."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.core.rhythm import Rhythm, gap_now, is_silent, learned, rhythm_of

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
HOUR, DAY = 3600.0, 86_400.0


def every(hours: float, count: int, until: datetime = NOW) -> list[datetime]:
    return [until - timedelta(hours=hours * number) for number in range(count)]


def test_the_gap_is_the_time_per_entry_up_to_now() -> None:
    assert rhythm_of(every(2, 10), NOW).gap == pytest.approx(1.8 * HOUR)
    assert rhythm_of(every(2, 10), NOW + timedelta(hours=20)).gap == pytest.approx(3.8 * HOUR)


def test_only_the_newest_entries_count() -> None:
    dates = every(1, 20) + every(1000, 500)
    assert rhythm_of(dates, NOW).gap == pytest.approx(0.95 * HOUR)


def test_two_dates_are_no_rhythm_and_none_are_nothing() -> None:
    assert rhythm_of(every(2, 2), NOW) == Rhythm(last_entry=NOW)
    assert rhythm_of([], NOW) == Rhythm()


def test_dates_in_the_future_do_not_count() -> None:
    assert rhythm_of([NOW + timedelta(days=1)], NOW) == Rhythm()


def test_a_feed_is_silent_after_three_times_its_longest_pause() -> None:
    rhythm = rhythm_of(every(48, 10), NOW)
    assert rhythm.silent_after == 6 * DAY
    assert not is_silent(rhythm, NOW + timedelta(days=6))
    assert is_silent(rhythm, NOW + timedelta(days=6, seconds=1))


def test_a_busy_feed_is_silent_after_a_day_and_a_slower_one_may_have_a_weekend() -> None:
    assert rhythm_of(every(0.2, 20), NOW).silent_after == DAY
    assert rhythm_of(every(4, 20), NOW).silent_after == 3 * DAY


def test_a_feed_without_dates_is_never_called_silent() -> None:
    assert not is_silent(Rhythm(gap=60), NOW)


def test_a_pause_that_ended_well_makes_the_next_alarm_later() -> None:
    before = rhythm_of(every(1, 20, NOW - timedelta(days=10)), NOW)
    after = learned(before, rhythm_of(every(0.1, 20), NOW), NOW, last_new=None, new=20)
    assert after.silent_after == pytest.approx(15 * DAY)


def test_what_was_learned_of_pauses_fades() -> None:
    before, fresh = Rhythm(silent_after=10 * DAY, last_entry=NOW), rhythm_of(every(0.1, 20), NOW)
    assert learned(before, fresh, NOW, last_new=None, new=0).silent_after == pytest.approx(9.95 * DAY)


def test_a_feed_without_dates_is_known_by_what_polls_found() -> None:
    first = learned(Rhythm(), Rhythm(), NOW, last_new=NOW - timedelta(hours=10), new=5)
    assert first.gap == 2 * HOUR
    second = learned(first, Rhythm(), NOW, last_new=NOW - timedelta(hours=12), new=1)
    assert second.gap == pytest.approx(5 * HOUR)


def test_a_feed_that_went_quiet_is_expected_to_stay_so() -> None:
    rhythm = Rhythm(gap=HOUR, last_entry=NOW)
    assert gap_now(rhythm, NOW) == HOUR
    assert gap_now(rhythm, NOW + timedelta(days=3)) == DAY
