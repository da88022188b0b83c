"""Find reports, newest first, page by page. Each page looks at a bounded number of reports."""

from typing import NamedTuple

from services.api.core.cursor import read_cursor, write_cursor
from services.api.core.search import Hit, Search, find_hit
from shared.report_store import Place, ReportStore

MOST_LOOKED_AT = 2000
CHUNK = 100


class Page(NamedTuple):
    """Reports that were found, and the cursor that continues; None at the end.

    A page may hold fewer than were asked for, even none, and still have a next one.
    """

    hits: list[Hit]
    next: str | None


async def search_reports(store: ReportStore, search: Search, after: str | None, limit: int) -> Page:
    """Return the page after a cursor; raise CursorError if it is none."""
    place = read_cursor(after) if after else None
    hits: list[Hit] = []
    looked_at = 0
    while len(hits) < limit and looked_at < MOST_LOOKED_AT:
        chunk = await store.page(search.topic, place, limit=CHUNK)
        if not chunk:
            return Page(hits, None)
        for stored in chunk:
            place, looked_at = stored.place, looked_at + 1
            hit = find_hit(search, stored.tagged, place.moment) if stored.tagged else None
            if hit:
                hits.append(hit)
            if len(hits) == limit:
                break
    return Page(hits, await _cursor_if_more(store, search, place))


async def _cursor_if_more(store: ReportStore, search: Search, place: Place | None) -> str | None:
    more = await store.page(search.topic, place, limit=1)
    return write_cursor(place) if more and place else None
