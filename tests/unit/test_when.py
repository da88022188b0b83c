"""When matches are sent: local times in zones with odd offsets, over both daylight-saving changes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.schedule import Schedule, next_digest, past_quiet_hours, quiet_until, zone_of

# Half an hour of summer time, quarters of an hour, the date line, changes at midnight, none.
ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns",
    "Pacific/Apia", "Africa/Cairo", "Asia/Beirut", "America/Santiago", "UTC",
)  # fmt: skip
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))
moments = st.one_of(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    # Around the changes of 2026 in Berlin, Lord Howe and New York.
    *(
        st.integers(-2000, 2000).map(lambda minutes, at=at: at + timedelta(minutes=minutes))
        for at in (
            datetime(2026, 3, 29, 1, tzinfo=UTC),
            datetime(2026, 10, 25, 1, tzinfo=UTC),
            datetime(2026, 4, 4, 15, tzinfo=UTC),
            datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
            datetime(2026, 11, 1, 6, tzinfo=UTC),
        )
    ),
)
zones = st.sampled_from(ZONES)


def local(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(zone_of(zone)):%H:%M}"


def exists(day: datetime, at: str, zone: str) -> bool:
    """Whether clocks there read this time at all on that day."""
    wall = datetime(day.year, day.month, day.day, int(at[:2]), int(at[3:]), tzinfo=zone_of(zone))
    return wall.astimezone(UTC).astimezone(zone_of(zone)).replace(fold=0) == wall


@given(moments, times, zones)
@example(datetime(2026, 3, 28, 22, tzinfo=UTC), "02:30", "Europe/Berlin")
@example(datetime(2026, 10, 24, 23, tzinfo=UTC), "02:30", "Europe/Berlin")
def test_a_daily_digest_comes_when_clocks_there_read_its_time(now: datetime, at: str, zone: str):
    schedule = Schedule(mode="daily", at=at, timezone=zone)
    due = next_digest(schedule, now)
    assert now < due <= now + DAY + HOUR
    if exists(due.astimezone(zone_of(zone)), at, zone):
        assert local(due, zone) == at
    between = now + (due - now) / 2
    assert next_digest(schedule, between) == due


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", ["00:00", "02:30", "23:59"])
def test_each_day_has_one_daily_digest(zone: str, at: str):
    schedule = Schedule(mode="daily", at=at, timezone=zone)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    days = []
    while now.year == 2026:
        now = next_digest(schedule, now)
        days.append(now.astimezone(zone_of(zone)).date())
    assert len(days) == len(set(days))
    assert days[-1] - days[0] == timedelta(days=len(days) - 1)


@given(moments, zones)
def test_an_hourly_digest_comes_at_the_full_hour_of_clocks_there(now: datetime, zone: str):
    due = next_digest(Schedule(mode="hourly", timezone=zone), now)
    assert now < due <= now + 1.5 * HOUR
    assert local(due, zone).endswith(":00")


@given(moments, times, times, zones)
@example(datetime(2026, 3, 28, 23, tzinfo=UTC), "22:00", "02:30", "Europe/Berlin")
@example(datetime(2026, 10, 25, 1, 10, tzinfo=UTC), "22:00", "02:30", "Europe/Berlin")
@example(datetime(2026, 10, 25, 0, 10, tzinfo=UTC), "02:05", "02:30", "Europe/Berlin")
@example(datetime(2026, 3, 29, 0, tzinfo=UTC), "03:05", "02:15", "Europe/Berlin")
def test_it_is_quiet_whenever_clocks_there_say_so_and_hardly_longer(
    now: datetime, start: str, end: str, zone: str
):
    if start == end:
        return
    schedule = Schedule(timezone=zone, quiet_hours={"from": start, "to": end})
    until, clock = quiet_until(schedule, now), local(now, zone)
    is_quiet = start <= clock < end if start < end else clock >= start or clock < end
    if is_quiet:
        assert until is not None
    if until is None:
        assert past_quiet_hours(schedule, now) == now
        return
    assert now < until <= now + 2 * DAY
    assert quiet_until(schedule, until) is None
    if exists(until.astimezone(zone_of(zone)), end, zone):
        assert local(until, zone) == end
    if not is_quiet:
        # Only within the hour or so of a change of the clock.
        near = now - 1.5 * HOUR, now + 1.5 * HOUR
        offsets = {moment.astimezone(zone_of(zone)).utcoffset() for moment in near}
        assert len(offsets) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"timezone": "Mars/Olympus"}, "no time zone"),
        ({"timezone": "../../etc/passwd"}, "no time zone"),
        ({"timezone": "Europe"}, "no time zone"),
        ({"timezone": "a\0b"}, "no time zone"),
        ({"at": "25:00"}, "no time of day"),
        ({"at": "12:60"}, "no time of day"),
        ({"at": "8"}, "pattern"),
        ({"at": "08:00\n"}, "at most 5"),
        ({"quiet_hours": {"from": "22:00", "to": "22:00"}}, "name two times"),
        ({"quiet_hours": {"from": "22:00"}}, "required"),
        ({"mode": "weekly"}, "instant"),
        ({"at_most_per_hour": 0}, "greater than or equal to 1"),
        ({"snooze_until": "9999-12-31T23:59:59-12:00"}, "this century"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "this century"),
        ({"expires_at": "2026-12-24T18:00:00"}, "timezone"),
    ],
)
def test_a_schedule_that_is_none_is_refused_with_what_would_be_right(wrong: dict[str, Any], said: str):
    with pytest.raises(ValidationError, match=said):
        Schedule.model_validate(wrong)


def test_a_schedule_is_read_as_it_is_written():
    schedule = Schedule(mode="daily", timezone="Asia/Kathmandu", quiet_hours={"from": "22:00", "to": "07:00"})
    assert Schedule.model_validate_json(schedule.model_dump_json()) == schedule
    assert '"from":"22:00"' in schedule.model_dump_json()
