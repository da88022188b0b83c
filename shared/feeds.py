"""What identifies feeds and their reports, and how moments are written: all that a parse worker needs of events."""

import hashlib
from datetime import UTC, datetime
from typing import Final

PUBLISHED: Final = "report.published.v1"


def feed_id(url: str) -> str:
    """sha256(url), 12 hex digits: a feed keeps its state when its title or place in the list changes."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def report_id(feed_id: str, entry_id: str) -> str:
    """sha256(feed, entry): the same entry is the same report however often it is fetched. 24 hex digits."""
    return hashlib.sha256(f"{feed_id}\n{entry_id}".encode()).hexdigest()[:24]


def rfc3339(moment: datetime) -> str:
    """Return a moment in UTC, to the second, with Z."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
