"""Messages to chat services: within their limits, and no word of a feed is markup or a call."""

import json
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from services.notify.core.channel import ChatMessage
from services.notify.core.chat import (
    LATE,
    LIMITS,
    chat_request,
    is_gone,
    report_message,
    seconds_asked_for,
)
from shared.endpoints import ChatEndpoint, ChatService
from shared.subscriptions import public_view
from tests.message_builders import LINKS, make_matched, make_subscription, make_tagged

URLS = {
    "slack": "https://hooks.slack.com/services/T/B/x",
    "msteams": "https://prod-1.westeurope.logic.azure.com/workflows/x",
    "discord": "https://discord.com/api/webhooks/1/x",
    "telegram": "https://api.telegram.org",
    "matrix": "https://matrix.example.org",
    "ntfy": "https://ntfy.example.org/duty-desk",
    "mattermost": "https://chat.example.org/hooks/x",
    "rocketchat": "https://rocket.example.org/hooks/x/y",
}
SERVICES = get_args(ChatService)


def endpoint(service: str, **more: str) -> ChatEndpoint:
    room = {"token": "1:t", "room": "!r:x"} if service in ("telegram", "matrix") else {}
    return ChatEndpoint.model_validate(
        {"type": "chat", "service": service, "url": URLS[service], **room, **more}
    )


def body(service: str, message: ChatMessage) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(chat_request(endpoint(service), message).body)
    return read


def strings(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(map(strings, value.values()))
    return "\n".join(map(strings, value)) if isinstance(value, list) else str(value)


def report(**changes: Any) -> ChatMessage:
    tagged = make_tagged(**changes)
    return report_message("dlv_1", make_subscription(), tagged, make_matched(tagged), LINKS)


@pytest.mark.parametrize("service", SERVICES)
def test_a_message_says_headline_topic_source_and_link(service: str) -> None:
    told = strings(body(service, report()))
    for words in (
        "Buses leave Berezivka",
        "displacement",
        "Valley Courier",
        "https://alerts.example.org/reports/r1",
    ):
        assert words in told


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("letter", ["a", "&", "🚨"])
def test_however_long_a_report_is_its_message_is_short_and_has_its_link(service: str, letter: str) -> None:
    long = ChatMessage("dlv_1", letter * 200, (letter * 50_000,), "https://alerts.example.org/reports/r1")
    request = chat_request(endpoint(service), long)
    told = body(service, long)
    limited = told.get("content") or told.get("message") or told.get("text") or told.get("body")
    if isinstance(limited, str):
        # As Telegram and Discord count.
        assert len(limited.encode("utf-16-le")) // 2 <= LIMITS[service]  # type: ignore[index]
        assert limited.endswith(long.link)
    assert len(request.body) < 28_000


def test_slack_shows_a_feeds_words_as_they_are() -> None:
    told = body("slack", report(title="<!channel> & <https://evil.example|click>"))["text"]
    assert "<" not in told
    assert "&lt;!channel&gt; &amp;" in told


def test_nobody_is_called_by_a_feed() -> None:
    assert body("discord", report(title="@everyone"))["allowed_mentions"] == {"parse": []}
    for service in ("mattermost", "rocketchat", "telegram"):
        told = body(service, report(title="@all <!channel> <5fb5f7iw8tfrfcwssd1xmx3j7y>"))["text"]
        assert not any(call in told for call in ("@all", "<!channel>", "<5f"))
    assert body("matrix", report())["m.mentions"] == {}
    assert "parse_mode" not in body("telegram", report())


@pytest.mark.parametrize("service", ["discord", "mattermost", "rocketchat"])
def test_a_feeds_words_are_no_link_and_hide_nothing_where_markdown_is_read(service: str) -> None:
    title = (
        "[Sign in](https://evil.example) ![x](https://evil.example/i.png) <https://evil.example|in> ||a|| ```"
    )
    told = strings(body(service, report(title=title)))
    assert not any(mark in told for mark in ("](", "<https", "||", "```"))
    assert told.replace("\u2060", "").startswith(title)


def test_a_card_of_teams_reads_no_markdown() -> None:
    [attachment] = body("msteams", report(title="[Sign in](https://evil.example)"))["attachments"]
    card = attachment["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert card["actions"][0]["url"] == "https://alerts.example.org/reports/r1"


@pytest.mark.parametrize("service", SERVICES)
def test_what_comes_late_says_so(service: str) -> None:
    tagged = make_tagged()
    late = report_message("dlv_1", make_subscription(), tagged, make_matched(tagged), LINKS, late=True)
    assert LATE in strings(body(service, late))
    assert LATE not in strings(body(service, report()))


def test_a_retry_to_matrix_is_the_same_transaction() -> None:
    first, second = (chat_request(endpoint("matrix"), report()) for _ in range(2))
    assert (first.method, first.url) == ("PUT", second.url)
    assert first.url.endswith("/rooms/%21r%3Ax/send/m.room.message/dlv_1")


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ('{"ok": false, "error_code": 429, "parameters": {"retry_after": 35}}', 35),
        ('{"message": "You are being rate limited.", "retry_after": 0.65, "global": false}', 0.65),
        ('{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2000}', 2),
        ('{"retry_after": ' + "9" * 400 + "}", 1e9),
        ('{"retry_after": "soon", "parameters": []}', None),
        ('{"retry_after": NaN}', None),
        ('{"retry_after": -1}', None),
        ("[]", None),
        ("[" * 16_000, None),
        ("too many", None),
    ],
)
def test_how_long_an_answer_asks_to_wait(answer: str, seconds: float | None) -> None:
    assert seconds_asked_for(answer.encode()) == seconds


def test_a_404_ends_an_alert_only_where_no_proxy_stands_before_the_service() -> None:
    assert is_gone("slack", 404)
    assert is_gone("matrix", 410)
    assert not is_gone("matrix", 404)


def test_a_bot_that_was_blocked_and_a_token_that_is_none_are_gone() -> None:
    assert [is_gone("telegram", status) for status in (400, 401, 403, 429)] == [False, True, True, False]
    assert [is_gone("discord", status) for status in (401, 403)] == [True, False]


def test_ntfy_is_told_its_topic() -> None:
    request = chat_request(endpoint("ntfy", token="tk"), report())
    assert (request.url, json.loads(request.body)["topic"]) == ("https://ntfy.example.org/", "duty-desk")
    assert request.headers == {"Authorization": "Bearer tk"}


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("slack", "https://hooks.slack.com.evil.example/services/x"),
        ("slack", "http://hooks.slack.com/services/x"),
        ("slack", "https://evil.example/hooks.slack.com"),
        ("discord", "https://notdiscord.com/api/webhooks/1/x"),
        ("msteams", "https://logic.azure.com.evil.example/"),
        ("msteams", "https://evil-logic.azure.com.example/"),
        ("telegram", "https://api.telegram.org@evil.example/"),
    ],
)
def test_a_hosted_service_is_at_its_own_hosts_only(service: str, url: str) -> None:
    with pytest.raises(ValidationError, match="begins with https"):
        endpoint(service, url=url)


@pytest.mark.parametrize("service", ["json", "xml", "form", "mailto", "syslog", "gotify"])
def test_no_other_service_is_known(service: str) -> None:
    with pytest.raises(ValidationError):
        ChatEndpoint.model_validate({"type": "chat", "service": service, "url": "https://a.example/"})


def test_a_room_needs_its_token_which_is_shown_to_nobody() -> None:
    with pytest.raises(ValidationError, match="needs a token and a room"):
        endpoint("telegram", token="")
    view: Any = public_view(make_subscription(channel=endpoint("telegram")))
    assert view["channel"]["token"] == "…"


@pytest.mark.parametrize("service", ["slack", "msteams", "discord", "mattermost", "rocketchat"])
def test_the_address_of_a_hook_is_shown_to_nobody(service: str) -> None:
    hook = endpoint(service)
    view: Any = public_view(make_subscription(channel=hook, fallback=hook))
    for part in ("channel", "fallback"):
        assert view[part]["url"] == f"https://{urlsplit(hook.url).hostname}/…"
