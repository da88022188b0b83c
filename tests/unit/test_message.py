"""The body of a webhook: its shape, and its size whatever the report."""

import json

from services.notify.core.message import BODY_LIMIT, webhook_test_body
from shared.events import Evidence
from tests.message_builders import (
    LINKS,
    NOW,
    body_of,
    evidence_of,
    make_matched,
    make_subscription,
    make_tagged,
)


def test_the_body_says_what_matched_and_why() -> None:
    body = json.loads(body_of(make_tagged()))
    assert (body["type"], body["timestamp"]) == ("report.matched", "2026-03-01T09:30:00Z")
    assert list(body["data"]) == ["subscription", "report", "tags", "countries", "story", "matched", "links"]
    assert body["data"]["subscription"] == {"id": "sub_1", "name": "Valley watch"}
    assert body["data"]["matched"]["clauses"] == ["topic: displacement"]
    assert body["data"]["links"]["report"] == "https://alerts.example.org/reports/r1"


def test_the_body_holds_no_key_that_opens_the_subscription() -> None:
    assert b"key=" not in body_of(make_tagged())


def test_a_short_text_comes_whole() -> None:
    report = json.loads(body_of(make_tagged()))["data"]["report"]
    assert report["text"] == make_tagged().report.text
    assert report["text_is_excerpt"] is False


def test_a_long_text_is_cut_to_excerpts_around_the_evidence() -> None:
    text = "Ранок минув тихо. " * 5_000 + "Families left the town. " + "День минув тихо. " * 5_000
    tagged = make_tagged((evidence_of("Families left", text),), text=text)
    body = body_of(tagged)
    report = json.loads(body)["data"]["report"]
    assert len(body) < BODY_LIMIT
    assert "Families left the town." in report["text"]
    assert report["text_is_excerpt"] is True


def test_offsets_stay_those_of_the_original() -> None:
    text = "x " * 50_000 + "Families left"
    tagged = make_tagged((evidence_of("Families left", text),), text=text)
    assert json.loads(body_of(tagged))["data"]["matched"]["evidence"][0]["start"] == 100_000


def test_even_a_monstrous_report_stays_under_the_limit() -> None:
    text = "\u0001" * 200_000
    evidence = tuple(
        Evidence(field="text", start=at, end=at + 90, text=text[at : at + 90]) for at in range(500)
    )
    tagged = make_tagged(
        evidence,
        text=text,
        title="т" * 5_000,
        summary="\u0001" * 9_000,
        authors=["автор " * 90] * 900,
        notes=["n" * 900] * 900,
        url="https://courier.example/" + "я" * 9_000,
    )
    body = body_of(tagged.model_copy(update={"tags": tagged.tags * 100}))
    assert len(body) < BODY_LIMIT
    assert json.loads(body)["data"]["report"]["url"] is None


def test_a_test_event_is_marked_as_an_example() -> None:
    tagged = make_tagged()
    body = json.loads(webhook_test_body(make_subscription(), tagged, make_matched(tagged), LINKS, NOW))
    assert (body["type"], body["data"]["example"]) == ("subscription.test", True)
    assert body["data"]["report"]["id"] == "r1"


def test_a_test_event_without_a_report_keeps_its_shape() -> None:
    body = json.loads(webhook_test_body(make_subscription(), None, None, LINKS, NOW))
    assert body["data"]["report"] is None
    assert body["data"]["matched"] == {"clauses": [], "evidence": []}
