"""When to ask a hub, when to rely on it, and whether what comes is from it."""

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.core.websub import pick_hub, pushed_pace, should_ask, was_missed
from shared.push import Push, PushState

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
HUB, TOPIC = "https://hub.example/", "https://news.example/rss"
ACTIVE = Push(
    HUB, TOPIC, "secret", "key", "active", NOW, since=NOW - timedelta(days=1), until=NOW + timedelta(days=10)
)


def asks(push: Push | None, days: float = 0, topic: str = TOPIC) -> bool:
    return should_ask(push, HUB, topic, NOW + timedelta(days=days))


def test_a_secure_hub_is_preferred_and_others_than_http_are_left_alone() -> None:
    assert pick_hub(["ftp://a/", "http://b/", "https://c/"]) == "https://c/"
    assert pick_hub(["http://[", "http://b/"]) == "http://b/"
    assert pick_hub(["ftp://a/", "https://[/"]) is None


def test_a_hub_is_asked_once_and_before_the_lease_ends() -> None:
    assert asks(None)
    assert [asks(ACTIVE, days) for days in (0, 6.9, 7.1)] == [False, False, True]


def test_a_short_lease_is_not_renewed_at_every_poll() -> None:
    short = replace(ACTIVE, until=NOW + timedelta(hours=12))
    assert [asks(short, hours / 24) for hours in (1, 5, 7)] == [False, False, True]


def test_another_topic_is_another_subscription() -> None:
    assert asks(ACTIVE, topic="https://news.example/other")


@pytest.mark.parametrize(("state", "days"), [("asked", 1), ("failed", 1), ("refused", 7), ("dropped", 30)])
def test_a_hub_that_does_not_do_is_tried_again_later(state: PushState, days: float) -> None:
    push = replace(ACTIVE, state=state)
    assert [asks(push, days - 0.1), asks(push, days)] == [False, True]


def test_polling_is_slow_only_while_push_is_proved_and_stands() -> None:
    assert pushed_pace(ACTIVE, True, NOW) == 6 * 3600
    assert pushed_pace(ACTIVE, False, NOW) is None
    assert pushed_pace(ACTIVE, True, NOW + timedelta(days=11)) is None
    assert pushed_pace(replace(ACTIVE, until=NOW + timedelta(hours=3)), True, NOW) == 3600


def missed(minutes_ago: float, push: Push = ACTIVE) -> bool:
    return was_missed(push, [NOW - timedelta(minutes=minutes_ago)], NOW)


def test_an_entry_that_a_poll_finds_first_was_missed_unless_it_is_very_fresh() -> None:
    assert missed(6)
    assert not missed(4)


def test_what_is_older_than_the_subscription_was_not_missed() -> None:
    assert not missed(24 * 60 + 1)
    assert not missed(6, replace(ACTIVE, state="asked"))


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha512"])
def test_a_right_signature_is_taken(method: str) -> None:
    assert ACTIVE.is_signed(b"body", f"{method}={hmac.new(b'secret', b'body', method).hexdigest()}")


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        "sha256=" + hmac.new(b"wrong", b"body", hashlib.sha256).hexdigest(),
        "sha256=" + hmac.new(b"secret", b"other", hashlib.sha256).hexdigest(),
        "md5=" + hmac.new(b"secret", b"body", hashlib.md5).hexdigest(),
        "sha256=\u00e9",
    ],
)
def test_a_wrong_signature_is_refused(signature: str) -> None:
    assert not ACTIVE.is_signed(b"body", signature)
