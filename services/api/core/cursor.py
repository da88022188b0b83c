"""A cursor: where a page of reports ended, as a word that goes into a URL."""

import re

from shared.report_store import Place

_CURSOR = re.compile(r"([0-9]{1,16})-([0-9a-zA-Z_.-]{1,64})")


class CursorError(ValueError):
    """A cursor that we did not make."""


def write_cursor(place: Place) -> str:
    """Return the cursor that continues after this place."""
    return f"{place.moment}-{place.report_id}"


def read_cursor(cursor: str) -> Place:
    """Return the place in a cursor; raise CursorError."""
    found = _CURSOR.fullmatch(cursor)
    if not found:
        raise CursorError("this is no cursor of ours; take `next` of the page before as it is")
    return Place(int(found[1]), found[2])
