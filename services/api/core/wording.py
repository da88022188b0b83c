"""Filters, states and moments in plain English; and text without what cannot be seen."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from shared.countries import country_names
from shared.delivery import Delivery, Kind
from shared.endpoints import ChatEndpoint, ChatService, Endpoint, address_of
from shared.schedule import Schedule
from shared.subscriptions import Filter, Subscription

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))

LANGUAGES = {
    "ar": "Arabic",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "ru": "Russian",
    "uk": "Ukrainian",
}
"""Those that topics have words in."""
STATES = {
    "pending": "waiting for your answer",
    "active": "active",
    "paused": "paused",
    "disabled": "switched off",
}
KINDS: dict[Kind, str] = {
    "report": "report",
    "digest": "digest",
    "confirm": "confirmation",
    "test": "test",
    "notice": "notice",
    "move_from": "question to the old address",
    "move_to": "question to the new address",
}
DELIVERY_STATES = {
    "pending": "on its way",
    "held": "waiting for its digest",
    "not_sent": "not sent",
    "delivered": "delivered",
    "given_up": "given up",
    "cancelled": "cancelled",
}
NOT_SENT = {
    "same_story": "the same story was told before",
    "snoozed": "it came while the alert was snoozed",
    "older": "it is older than the alert",
}


def listed(words: Sequence[str], joint: str = "or") -> str:
    """Return "a", "a or b", "a, b or c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"


def gist(text: str) -> str:
    """Return what a description says first: up to a colon, a semicolon, or the end of a sentence."""
    return re.split(r"[:;]|\.(?:\s|$)", text, maxsplit=1)[0]


def filter_in_words(wanted: Filter, topics: Mapping[str, str], sources: Mapping[str, str]) -> str:
    """Return what a filter asks for, e.g. "reports on Displacement or Aid, with the words “Kharkiv”".

    `topics` and `sources` give titles by id; an id without one stands for itself.
    """
    parts = ["reports"]
    if wanted.topics:
        parts[0] += f" on {listed([topics.get(topic, topic) for topic in wanted.topics])}"
    if wanted.countries:
        parts[0] += f" in {listed([country_names().get(code, code) for code in wanted.countries])}"
    if wanted.query:
        parts.append(f"with the words “{wanted.query}”")
    if wanted.languages:
        parts.append(f"in the language {listed(wanted.languages)}")
    if wanted.sources:
        parts.append(f"from {listed([sources.get(source, source) for source in wanted.sources])}")
    return ", ".join(parts)


def schedule_in_words(schedule: Schedule) -> str:
    """Return when matches are sent, e.g. "at once; quiet from 22:00 to 07:00 (Europe/Kyiv)"."""
    if schedule.mode == "instant":
        parts = ["at once"]
        if schedule.at_most_per_hour:
            parts.append(f"at most {schedule.at_most_per_hour} an hour")
    else:
        at = f" at {schedule.at}" if schedule.mode == "daily" else ""
        parts = [f"{'an' if schedule.mode == 'hourly' else 'a'} {schedule.mode} digest{at}"]
    if quiet := schedule.quiet_hours:
        parts.append(f"quiet from {quiet.start} to {quiet.end}")
    words = "; ".join(parts)
    if schedule.mode == "daily" or quiet:
        words += f" ({schedule.timezone})"
    if schedule.snooze_until:
        words += f"; snoozed until {moment_in_words(schedule.snooze_until)}"
    if schedule.expires_at:
        words += f"; ends {moment_in_words(schedule.expires_at)}"
    return words


CHAT_SERVICES: Mapping[ChatService, str] = {
    "slack": "Slack",
    "msteams": "Microsoft Teams",
    "discord": "Discord",
    "telegram": "Telegram",
    "matrix": "Matrix",
    "ntfy": "ntfy",
    "mattermost": "Mattermost",
    "rocketchat": "Rocket.Chat",
}


def endpoint_in_words(endpoint: Endpoint) -> str:
    """Return where messages go: the address itself."""
    if isinstance(endpoint, ChatEndpoint):
        # The rest of its address is what lets one write there.
        return f"{CHAT_SERVICES[endpoint.service]} at {urlsplit(endpoint.url).hostname}"
    return address_of(endpoint)


def state_in_words(subscription: Subscription) -> str:
    """Return the state and, if there is one, the reason."""
    words = STATES[subscription.state]
    return f"{words} ({subscription.reason})" if subscription.reason else words


def delivery_in_words(delivery: Delivery) -> str:
    """Return what became of a delivery, with what the last attempt came to."""
    words = DELIVERY_STATES[delivery.state]
    if delivery.state == "not_sent":
        return f"{words}: {NOT_SENT[delivery.decision]}"
    if delivery.state == "held" and delivery.next_attempt_at:
        return f"{words}, due {moment_in_words(delivery.next_attempt_at)}"
    if delivery.state == "pending" and delivery.next_attempt_at:
        words = f"next try {moment_in_words(delivery.next_attempt_at)}"
    last = delivery.log[0].detail if delivery.log else ""
    return f"{words}: {last}" if last else words


STEPS = (("within a second", 1), ("1 to 10 seconds", 10), ("10 to 60 seconds", 60), ("longer", None))


def in_steps(counted: Sequence[tuple[str, int]]) -> list[tuple[str, int, float]]:
    """Return a histogram in a few steps, words, count and share of all; nothing if there is nothing in it."""
    total = sum(count for _, count in counted)
    steps, below = [], 0
    for words, bound in STEPS if total else ():
        upto = sum(count for upper, count in counted if bound is None or float(upper) <= bound)
        steps.append((words, upto - below, (upto - below) / total))
        below = upto
    return steps


def moment_in_words(moment: datetime) -> str:
    """Return e.g. "14 Dec 2025, 10:32 UTC"."""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M} UTC"


def ago(moment: datetime, now: datetime) -> str:
    """Return e.g. "5 minutes ago", "in 2 hours", "just now"."""
    seconds = (now - moment).total_seconds()
    for size, unit in _UNITS:
        count = int(abs(seconds) // size)
        if count:
            amount = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{amount} ago" if seconds > 0 else f"in {amount}"
    return "just now" if seconds >= 0 else "in a moment"


_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    "\u202a-\u202e\u2066-\u2069\u00ad\u200b\u2060\ufeff]|[\U000e0000-\U000e007f]"
)


def visible(value: Any) -> Any:
    """Return text fit to be shown, as it is in all else; what is no text, or marked as safe, is returned as it is."""
    return _UNSEEN.sub("", value) if type(value) is str else value
