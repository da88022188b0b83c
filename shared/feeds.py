"""What ingest and api both know of feeds."""

import hashlib


def feed_id(url: str) -> str:
    """sha256(url), 12 hex digits: a feed keeps its state when its title or place in the list changes."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]
