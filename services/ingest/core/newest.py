"""Of a document that is too long the entries that matter: the newest, in whatever order it lists them."""

from dataclasses import replace
from datetime import datetime

from services.ingest.core.dates import OLDEST
from services.ingest.core.entry import MAX_ENTRIES, Entry, ParsedFeed


def only_newest(parsed: ParsedFeed) -> ParsedFeed:
    """Return the document with at most MAX_ENTRIES entries, in its order; `left_out` says that some are not here.

    An entry without a date counts as old as the one before it. Without any dates the first ones are kept.
    """
    more = len(parsed.entries) - MAX_ENTRIES
    if more <= 0:
        return parsed
    moments = [_moment(entry) for entry in parsed.entries]
    known = [moment for moment in moments if moment]
    kept = sorted(_ranked(moments, known)[:MAX_ENTRIES])
    said = f"{more} entries left out: only the {'newest' if known else 'first'} {MAX_ENTRIES} are read"
    return replace(parsed, entries=tuple(parsed.entries[place] for place in kept), left_out=said)


def _ranked(moments: list[datetime | None], known: list[datetime]) -> list[int]:
    """The places of the entries, newest first."""
    later = 1 if known and known[0] < known[-1] else -1
    last, ages = known[0] if known else OLDEST, []
    for place, moment in enumerate(moments):
        last = moment or last
        ages.append((last, later * place, place))
    return [place for *_, place in sorted(ages, reverse=True)]


def _moment(entry: Entry) -> datetime | None:
    return next((date.moment for date in (entry.published, entry.updated) if date and date.moment), None)
