"""What a digest says: by topic and story, the newest first, never more than a receiver takes."""

import json
from datetime import timedelta

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notify.core.digest import BODY_LIMIT, MOST_SHOWN, Held, build_digest, digest_body
from shared.delivery import owed_report
from shared.digest import Digest
from shared.events import Story, TaggedReport
from shared.schemas import schema_of
from shared.subscriptions import Filter, Matched
from tests.message_builders import (
    LINKS,
    NOW,
    mail_bytes,
    make_matched,
    make_subscription,
    make_tagged,
    received,
)

WANTED = Filter(topics=("displacement",))


def held(number: int, story: str = "", **changes: object) -> Held:
    tagged = make_tagged(id=f"r{number}", published_at=NOW + timedelta(minutes=number), **changes)
    tagged = tagged.model_copy(update={"story": Story(id=story or f"s{number}", position=1, sources=1)})
    return Held(owed_report("sub_1", f"r{number}", NOW), tagged, make_matched(tagged))


def digest_of(*items: Held, sources: dict[str, int] | None = None) -> Digest:
    return build_digest(NOW, items, WANTED, sources or {}).model_copy(update={"id": "dlv_1"})


def without_topic(item: Held) -> Held:
    tagged: TaggedReport = item.tagged.model_copy(update={"tags": ()})
    return item._replace(tagged=tagged, matched=Matched((), ()))


def test_reports_stand_by_topic_and_story_the_newest_first():
    digest = digest_of(held(1, "a"), held(2), held(3, "a"), without_topic(held(4)), sources={"a": 5})
    assert [topic.topic for topic in digest.topics] == ["displacement", ""]
    stories = digest.topics[0].stories
    assert [[report.id for report in story.reports] for story in stories] == [["r3", "r1"], ["r2"]]
    assert [story.sources for story in stories] == [5, 1]
    assert (digest.count, digest.shown) == (4, 4)


def test_a_report_that_came_twice_stands_once():
    assert digest_of(held(1), held(1)).count == 1


def test_of_many_only_the_newest_are_shown_and_all_are_counted():
    digest = digest_of(*(held(number) for number in range(MOST_SHOWN + 5)))
    assert (digest.count, digest.shown) == (MOST_SHOWN + 5, MOST_SHOWN)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.text(min_size=1, max_size=400), st.integers(1, 50))
def test_the_body_is_what_its_schema_says_and_under_its_limit(count: int, words: str, times: int):
    reports = [
        held(number, title=words * times, text=words * 50, url=f"https://x.example/{words}"[:500])
        for number in range(count)
    ]
    digest = digest_of(*map(without_topic, reports))
    body = digest_body(make_subscription(name="n" * 120), digest, LINKS, NOW)
    assert len(body) < BODY_LIMIT
    parsed = json.loads(body)
    jsonschema.validate(parsed, json.loads(schema_of("digest.ready")))
    shown = [
        report
        for topic in parsed["data"]["digest"]["topics"]
        for story in topic["stories"]
        for report in story["reports"]
    ]
    assert len(shown) == min(parsed["data"]["digest"]["shown"], count)
    assert parsed["data"]["digest"]["count"] == count


@pytest.mark.parametrize("part", ["plain", "html"])
def test_the_mail_names_each_report_with_the_reason_and_the_page(part: str):
    digest = digest_of(held(1, "a", title="Crossing <b>opened</b>"), held(2), sources={"a": 3})
    subscription = make_subscription(schedule={"mode": "daily", "timezone": "Asia/Kathmandu"})
    mail = received(mail_bytes(None, "digest", subscription, digest=digest))
    assert mail["Subject"] == "Valley watch: 2 reports"
    body = mail.get_body((part,))
    assert body is not None
    text = body.get_content()
    for said in (
        "https://alerts.example.org/reports/r1",
        "Families left",
        "topic: displacement",
        "Reported by 3 sources",
    ):
        assert said in text
    assert ("<b>opened" in text) == (part == "plain")
    assert "unsubscribe" in text
    assert "01 March, 15:16 (Asia/Kathmandu)" in text
