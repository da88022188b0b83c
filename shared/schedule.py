"""When a subscription's matches are sent: at once or in digests, not in quiet hours, not while snoozed. Pure.

A local time that a daylight-saving change leaves out is taken as if the clock had not been changed yet; one that
comes twice is taken the first time, and the end of quiet hours the last time: nobody is woken early.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.events import Moment

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)


def _zone_name(name: str) -> str:
    try:
        zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as e:
        raise ValueError(f"{name!r:.60} is no time zone; write one as Europe/Kyiv or UTC") from e
    return name


def _time_of_day(value: str) -> str:
    try:
        time.fromisoformat(value)
    except ValueError as e:
        raise ValueError(f"{value!r:.20} is no time of day; write 00:00 to 23:59") from e
    return value


def _within_reach(moment: datetime) -> datetime:
    if not 2000 <= moment.year <= 2200:
        raise ValueError("write a moment of this century or the next, as in 2026-12-24T18:00:00Z")
    return moment


FutureMoment = Annotated[Moment, AfterValidator(_within_reach)]

TimeOfDay = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{2}:[0-9]{2}$", max_length=5),
    AfterValidator(_time_of_day),
]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class QuietHours(_Strict):
    """From when to when nothing is sent, local times; over midnight too."""

    start: TimeOfDay = Field(alias="from", examples=["22:00"])
    end: TimeOfDay = Field(alias="to", examples=["07:00"])

    @model_validator(mode="after")
    def _ends(self) -> "QuietHours":
        if self.start == self.end:
            raise ValueError("quiet hours that end when they begin would be no hours, or all: name two times")
        return self


class Schedule(_Strict):
    """When matches are sent."""

    mode: Literal["instant", "hourly", "daily"] = "instant"
    at: TimeOfDay = Field(default="08:00", description="The local time of a daily digest.")
    timezone: Annotated[str, StringConstraints(max_length=60), AfterValidator(_zone_name)] = Field(
        default="UTC", examples=["Europe/Kyiv"], description="IANA name."
    )
    quiet_hours: QuietHours | None = Field(
        default=None, description="What comes meanwhile is sent afterwards, as one digest."
    )
    at_most_per_hour: int | None = Field(
        default=None, ge=1, le=1000, description="What is over it in an hour comes as a digest at its end."
    )
    snooze_until: FutureMoment | None = Field(
        default=None, description="Until then nothing is sent; what comes meanwhile is not told later."
    )
    expires_at: FutureMoment | None = Field(default=None, description="What comes from then on is not told.")

    @property
    def is_plain(self) -> bool:
        """Whether everything goes out at once, whatever the time."""
        return self == PLAIN


PLAIN = Schedule()


def next_digest(schedule: Schedule, now: datetime) -> datetime:
    """Return when the next digest is due, UTC: the first local hour or daily time after `now`, past quiet hours."""
    find = _next_time if schedule.mode == "daily" else _next_hour
    return past_quiet_hours(schedule, find(schedule, now))


def end_of_hour(schedule: Schedule, now: datetime) -> datetime:
    """Return when the clock hour ends for which `at_most_per_hour` counts, past quiet hours."""
    return past_quiet_hours(schedule, hour_of(now) + HOUR)


def hour_of(now: datetime) -> datetime:
    """Return when the clock hour (UTC) of a moment began."""
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def past_quiet_hours(schedule: Schedule, moment: datetime) -> datetime:
    """Return the moment itself, or when the quiet hours end that it falls into."""
    return quiet_until(schedule, moment) or moment


def quiet_until(schedule: Schedule, now: datetime) -> datetime | None:
    """Return when the quiet hours end that `now` falls into, UTC; None outside of them."""
    if schedule.quiet_hours is None:
        return None
    for start, end in _quiet_times(schedule.quiet_hours, zone_of(schedule.timezone), now):
        if start <= now < end:
            # A changed clock may make the quiet of two days touch.
            return quiet_until(schedule, end) or end
    return None


def _quiet_times(quiet: QuietHours, zone: ZoneInfo, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    over_midnight = quiet.end < quiet.start
    for day in _days_around(now, zone):
        last_day = day + DAY if over_midnight else day
        yield min(_readings(day, quiet.start, zone)), max(_readings(last_day, quiet.end, zone))


def _next_time(schedule: Schedule, now: datetime) -> datetime:
    zone = zone_of(schedule.timezone)
    times = (_reading(day, schedule.at, zone) for day in _days_around(now, zone))
    return min(each for each in times if each > now)


def _next_hour(schedule: Schedule, now: datetime) -> datetime:
    # Offsets are whole quarters of an hour wherever people live today.
    zone = zone_of(schedule.timezone)
    moment = now.astimezone(UTC).replace(minute=now.minute // 15 * 15, second=0, microsecond=0) + QUARTER
    while moment.astimezone(zone).minute >= 15:
        moment += QUARTER
    return moment


def _days_around(now: datetime, zone: ZoneInfo) -> list[date]:
    today = now.astimezone(zone).date()
    return [today + number * DAY for number in (-2, -1, 0, 1, 2)]


def _reading(day: date, at: str, zone: ZoneInfo, fold: int = 0) -> datetime:
    """The moment at which clocks read this, UTC (PEP 495)."""
    hour, minute = int(at[:2]), int(at[3:])
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold).astimezone(UTC)


def _readings(day: date, at: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return _reading(day, at, zone), _reading(day, at, zone, fold=1)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """Return the time zone; raise ZoneInfoNotFoundError, ValueError or OSError if there is none of that name."""
    return ZoneInfo(name)
