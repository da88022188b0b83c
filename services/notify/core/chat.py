"""A message to a chat service: what is posted where, within the service's limits. Knows no clock and no store.

Words of a feed never call people together, hide, or become a link that says something else: they are escaped, broken
up, or sent as plain text.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from services.notify.core.channel import ChatMessage, one_line
from services.notify.core.mail_words import main_countries, main_topic, wish_in_words
from shared.endpoints import CHAT_HOSTS, ChatEndpoint, ChatService
from shared.events import TaggedReport
from shared.excerpts import excerpt
from shared.links import Links
from shared.subscriptions import Matched, Subscription

EXCERPT_WIDTH = 600
LONGEST_ASKED = 1e9
# A bot that was thrown out or blocked, a token that is none any more.
GONE_THERE: Mapping[ChatService, tuple[int, ...]] = {"telegram": (401, 403), "discord": (401,)}
LATE = "Late: it could not be delivered in time."
# Units of UTF-16 of the whole text; the services count in several ways, and this is safely below each.
LIMITS: dict[ChatService, int] = {
    "slack": 2_900,
    "msteams": 6_000,
    "discord": 1_900,
    "telegram": 4_000,
    "matrix": 6_000,
    "ntfy": 1_000,
    "mattermost": 4_000,
    "rocketchat": 4_000,
}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One HTTP request."""

    url: str
    body: bytes
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def report_message(
    delivery_id: str,
    subscription: Subscription,
    tagged: TaggedReport,
    matched: Matched,
    links: Links,
    *,
    late: bool = False,
) -> ChatMessage:
    """Return what tells of a match; one that is `late` says so."""
    report = tagged.report
    about = " · ".join(
        [main_topic(subscription.filter, tagged), *main_countries(subscription.filter, tagged)]
    )
    text = excerpt(report.text or report.summary, matched.evidence, EXCERPT_WIDTH)
    why = f"Why: {one_line('; '.join(matched.clauses), 300)}" if matched.clauses else ""
    lines = (LATE if late else "", f"{about} | {report.source.title}", text, why)
    title = one_line(report.title or "untitled report", 250)
    return ChatMessage(delivery_id, title, tuple(filter(None, lines)), links.report(report.id))


def plain_message(
    delivery_id: str, title: str, subscription: Subscription, links: Links, text: str, *, late: bool = False
) -> ChatMessage:
    """Return a message about the subscription itself, or a digest for it."""
    about = f"Your alert: {subscription.name or wish_in_words(subscription.filter)}"
    lines = (LATE, about, text) if late else (about, text)
    return ChatMessage(delivery_id, title, lines, links.manage_with_token(subscription.id))


def chat_request(endpoint: ChatEndpoint, message: ChatMessage) -> ChatRequest:
    """Return the request that carries a message, its text cut to what the service takes."""
    return _WRITERS[endpoint.service](endpoint, message)


def is_gone(service: ChatService, status: int) -> bool:
    """Whether an answer means that there is no such hook, bot or room any more: asking again changes nothing.

    On a host of somebody's own a 404 may come from a proxy whose chat service is being started anew.
    """
    return status == 410 or (status == 404 and service in CHAT_HOSTS) or status in GONE_THERE.get(service, ())


def seconds_asked_for(body: bytes) -> float | None:
    """Return how long an answer's JSON asks to wait, None if it does not: Telegram, Discord, older homeservers."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    within = told.get("parameters")
    asked = [(told.get("retry_after"), 1), (told.get("retry_after_ms"), 1000)]
    if isinstance(within, dict):
        asked.append((within.get("retry_after"), 1))
    for value, a_second in asked:
        if isinstance(value, int | float) and value > 0:
            return min(value, LONGEST_ASKED) / a_second
    return None


def _text(
    message: ChatMessage, service: ChatService, escape: Callable[[str], str] = str, title: bool = True
) -> str:
    """The whole text, the link last and never cut."""
    room = LIMITS[service] - _length(message.link) - 1
    words = "\n".join([message.title, *message.lines] if title else message.lines)
    escaped = escape(words)
    if _length(escaped) > room:
        kept = bisect_right(range(len(words)), room, key=lambda end: _length(escape(words[:end])) + 1) - 1
        escaped = escape(words[: max(0, kept)]) + "…"
    return f"{escaped}\n{message.link}"


def _length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _unmarked(text: str) -> str:
    """The text with a word joiner after each sign that could begin a call, or end the words of a link: "@all",
    "<!channel>" (which Mattermost takes from Slack), "[words](address)", "```", "||hidden||". It is read the same."""
    return text.translate(_JOINED)


_JOINED = str.maketrans({sign: f"{sign}\u2060" for sign in "@<]`|~"})


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slack(endpoint: ChatEndpoint, message: ChatMessage) -> ChatRequest:
    text = _text(message, "slack", _for_slack)
    return _posted(endpoint.url, {"text": text, "unfurl_links": False, "unfurl_media": False})


def _msteams(endpoint: ChatEndpoint, message: ChatMessage) -> ChatRequest:
    *lines, link = _text(message, "msteams", title=False).split("\n")
    head = {"text": message.title, "weight": "bolder", "size": "medium"}
    card = {
        "type": "AdaptiveCard",
        "version": "1.4",
        # A TextBlock would read Markdown in a feed's words.
        "body": [_plain_block(run) for run in (head, *({"text": line} for line in lines if line))],
        "actions": [{"type": "Action.OpenUrl", "title": "Read on", "url": link}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return _posted(endpoint.url, {"type": "message", "attachments": [attachment]})


def _plain_block(run: dict[str, str]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", **run}]}


def _discord(endpoint: ChatEndpoint, message: ChatMessage) -> ChatRequest:
    body = {"content": _text(message, "discord", _unmarked), "allowed_mentions": {"parse": []}, "flags": 4}
    return _posted(endpoint.url, body)


def _telegram(endpoint: ChatEndpoint, message: ChatMessage) -> ChatRequest:
    url = f"https://api.telegram.org/bot{quote(endpoint.token, safe=':')}/sendMessage"
    text = _text(message, "telegram", _unmarked)
    body = {"chat_id": endpoint.room, "text": text, "disable_web_page_preview": True}
    return _posted(url, body)


def _matrix(endpoint: ChatEndpoint, message: ChatMessage) -> ChatRequest:
    # The transaction's id is the delivery's: a retry is the same message.
    path = f"/_matrix/client/v3/rooms/{quote(endpoint.room, safe='')}/send/m.room.message/{message.id}"
    body = {"msgtype": "m.text", "body": _text(message, "matrix"), "m.mentions": {}}
    headers = {"Authorization": f"Bearer {endpoint.token}"}
    return ChatRequest(endpoint.url.rstrip("/") + path, _json(body), "PUT", headers)


def _ntfy(endpoint: ChatEndpoint, message: ChatMessage) -> ChatRequest:
    parts = urlsplit(endpoint.url)
    topic = parts.path.strip("/").rpartition("/")[2]
    body = {
        "topic": topic,
        "title": message.title,
        "message": _text(message, "ntfy", title=False),
        "click": message.link,
    }
    headers = {"Authorization": f"Bearer {endpoint.token}"} if endpoint.token else {}
    return ChatRequest(f"{parts.scheme}://{parts.netloc}/", _json(body), headers=headers)


def _mattermost(endpoint: ChatEndpoint, message: ChatMessage) -> ChatRequest:
    return _posted(endpoint.url, {"text": _text(message, "mattermost", _unmarked)})


def _rocketchat(endpoint: ChatEndpoint, message: ChatMessage) -> ChatRequest:
    return _posted(endpoint.url, {"text": _text(message, "rocketchat", _unmarked), "parseUrls": False})


_WRITERS: dict[ChatService, Callable[[ChatEndpoint, ChatMessage], ChatRequest]] = {
    "slack": _slack,
    "msteams": _msteams,
    "discord": _discord,
    "telegram": _telegram,
    "matrix": _matrix,
    "ntfy": _ntfy,
    "mattermost": _mattermost,
    "rocketchat": _rocketchat,
}


def _posted(url: str, body: Any) -> ChatRequest:
    return ChatRequest(url, _json(body))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
