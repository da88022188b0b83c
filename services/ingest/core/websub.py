"""WebSub: when to ask a hub, and whether what it pushes can be relied on. Knows no clock."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from shared.push import Push, PushState

LEASE = timedelta(days=10)
RENEW_BEFORE = timedelta(days=3)
GRACE = timedelta(minutes=5)
PUSHED_INTERVAL = 6 * 3600.0
# How long to wait before a hub is asked again that did not answer, failed, refused us, or left out an entry.
AGAIN_AFTER: Final[dict[PushState, timedelta]] = {
    "asked": timedelta(days=1),
    "failed": timedelta(days=1),
    "refused": timedelta(days=7),
    "dropped": timedelta(days=30),
}


def pick_hub(hubs: Iterable[str]) -> str | None:
    """Return the hub to subscribe at: the first by https, else the first by http."""
    web = [hub for hub in hubs if _is_web_address(hub)]
    return min(web, key=lambda hub: not hub.startswith("https"), default=None)


def _is_web_address(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False


def should_ask(push: Push | None, hub: str, topic: str, now: datetime) -> bool:
    """Return whether to subscribe at the hub now, for the first time or again."""
    if push is None or (push.hub, push.topic) != (hub, topic):
        return True
    if push.state == "active":
        return push.until is None or push.until - now < min(RENEW_BEFORE, _lease(push) / 2)
    return now - push.asked >= AGAIN_AFTER[push.state]


def pushed_pace(push: Push | None, proved: bool, now: datetime) -> float | None:
    """Return how slowly to poll, in seconds, while push works; None if it does not, or is not `proved` to."""
    if push is None or not proved or not push.is_active(now):
        return None
    # The subscription is renewed when the feed is polled.
    return min(PUSHED_INTERVAL, _lease(push).total_seconds() / 3)


def was_missed(push: Push, published: Iterable[datetime], now: datetime) -> bool:
    """Return whether a poll has found an entry that the hub should have pushed.

    Only entries published while the subscription stood count, and only after the hub had some minutes.
    """
    since = push.since
    if not push.is_active(now) or since is None:
        return False
    return any(since < moment < now - GRACE for moment in published)


def _lease(push: Push) -> timedelta:
    return push.until - push.asked if push.until else LEASE
