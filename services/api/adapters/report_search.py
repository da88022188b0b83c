"""Find reports, newest first, page by page. Each page looks at a bounded number of reports."""

from typing import NamedTuple

from services.api.core.search import Hit, Search, find_hit, read_cursor, write_cursor
from shared.report_store import ReportStore

MOST_LOOKED_AT = 2000


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
    async for stored in store.newest(search.topic, place, MOST_LOOKED_AT):
        place = stored.place
        if stored.tagged and (hit := find_hit(search, stored.tagged, place.moment)):
            hits.append(hit)
        if len(hits) == limit:
            break
    more = await store.page(search.topic, place, limit=1)
    return Page(hits, write_cursor(place) if more and place else None)
