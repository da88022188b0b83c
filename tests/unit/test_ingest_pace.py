"""When to poll next."""

from datetime import UTC, datetime

import pytest

from services.ingest.core.health import FeedState, after_failure, after_success
from services.ingest.core.pace import Wishes, max_age, next_poll, retry_after

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
DAY = 86_400


def wait(wishes: Wishes = Wishes(), *, minimum: float = 900, failures: int = 0, jitter: float = 0) -> float:
    return (next_poll(NOW, minimum, wishes, failures=failures, jitter=jitter) - NOW).total_seconds()


def test_a_feed_is_polled_every_half_hour_unless_told_otherwise() -> None:
    assert wait() == 1800
    assert wait(Wishes(interval=1000)) == 1000


def test_the_minimum_is_never_undercut() -> None:
    assert wait(Wishes(interval=10)) == 900
    assert wait(Wishes(interval=10), minimum=5) == 10


def test_what_stays_fresh_is_left_alone_for_a_day_at_most() -> None:
    assert wait(Wishes(max_age=7200)) == 7200
    assert wait(Wishes(max_age=10)) == 1800
    assert wait(Wishes(max_age=10 * DAY)) == DAY


def test_failures_double_the_wait_up_to_a_day() -> None:
    waits = [wait(failures=failures) for failures in (1, 2, 3, 8, 10_000)]
    assert waits == [1800, 3600, 7200, DAY, DAY]


def test_an_interval_above_a_day_is_kept_also_on_failures() -> None:
    assert wait(Wishes(interval=3 * DAY), failures=5) == 3 * DAY


def test_retry_after_is_obeyed_for_a_week_at_most() -> None:
    assert wait(Wishes(retry_after=5 * DAY), failures=1) == 5 * DAY
    assert wait(Wishes(retry_after=5000 * DAY), failures=1) == 7 * DAY
    assert wait(Wishes(retry_after=1), failures=1) == 1800


def test_jitter_only_makes_it_later() -> None:
    assert wait(jitter=1) == 1980


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("max-age=300", 300),
        ("public, Max-Age = 60", 60),
        ("no-cache, max-age=300", None),
        ("s-maxage=300", None),
        ("max-age=soon", None),
        ("", None),
    ],
)
def test_cache_control_is_read(header: str, seconds: float | None) -> None:
    assert max_age({"Cache-Control": header}) == seconds


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


def test_a_failure_keeps_what_was_known_and_a_success_heals() -> None:
    bad = after_failure(FeedState(etag='"1"', failures=2), NOW, reason="no", status=500)
    assert (bad.etag, bad.failures, bad.last_error, bad.is_well) == ('"1"', 3, "no", False)
    good = after_success(bad, NOW, status=200, published=0)
    assert (good.failures, good.is_well, good.last_success, good.last_new) == (0, True, NOW, None)
