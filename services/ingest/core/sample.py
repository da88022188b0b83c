"""Keep made-up reports recent: they would be old by the day on which somebody tries them."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.ingest.core.entry import Date, Entry, ParsedFeed


def as_of_today(parsed: ParsedFeed, now: datetime) -> ParsedFeed:
    """Return the sample with all dates moved so that the newest is `now`, and with today's identities.

    The distances between the entries stay. The day in the identity makes each day's set new reports;
    within a day they are the same ones, whatever their dates, because a date is no change.
    """
    moments = [
        entry.published.moment for entry in parsed.entries if entry.published and entry.published.moment
    ]
    shift = now - max(moments, default=now)
    return replace(parsed, entries=tuple(_moved(entry, shift, now) for entry in parsed.entries))


def _moved(entry: Entry, shift: timedelta, now: datetime) -> Entry:
    key = f"{entry.key} {now:%Y-%m-%d}"
    return entry._replace(
        key=key, published=_move(entry.published, shift), updated=_move(entry.updated, shift)
    )


def _move(date: Date | None, shift: timedelta) -> Date | None:
    if date is None or date.moment is None:
        return date
    return Date(date.written, date.moment + shift)
