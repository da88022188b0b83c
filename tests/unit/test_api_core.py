"""What api decides, by plain calls."""

import dataclasses
import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.api.adapters.limits import source_of
from services.api.core import checks, feed_health, life, wording
from services.api.core.form import change_fields, errors_by_field, form_of
from services.api.core.life import Change
from services.api.core.problem import Conflict, FieldError, Invalid, as_json, field_errors
from services.api.core.report_view import TopicTitle, by_story, view_of, web_link
from services.api.core.search import CursorError, Search, find_hit, read_cursor, write_cursor
from shared.countries import country_names, find_country
from shared.delivery import Attempt, owed_report
from shared.endpoints import EmailEndpoint, WebhookEndpoint
from shared.report_store import Place
from shared.subscriptions import Filter, Subscription, Wish, public_view, signing_secrets
from tests.builders import NOW, make_report, make_tagged

ROOT = Path(__file__).parent.parent.parent
TITLES = {"displacement": TopicTitle("Displacement", 0), "aid": TopicTitle("Aid", 1)}


def make_subscription(state="active", channel=None, **more) -> Subscription:
    channel = channel or {"type": "email", "address": "duty@example.org"}
    wish = Wish.model_validate({"filter": {"topics": ["aid"]}, "channel": channel, **more})
    made = life.new_subscription(wish, life.make_keys(bytes(range(68))), NOW)
    return made.model_copy(update={"state": state})


WEBHOOK = {"type": "webhook", "url": "https://example.org/hook"}


# Reports ----------------------------------------------------------------------------------------


def marked(pieces):
    return [text for text, is_evidence in pieces if is_evidence]


def test_adjacent_evidence_becomes_one_mark():
    tagged = make_tagged(make_report(text="airdrop"), aid=("air", "drop"))
    assert marked(view_of(tagged, TITLES).text) == ["airdrop"]


def test_offsets_are_code_points_also_beyond_the_basic_plane():
    report = make_report(text="🚒🚒 𝔸id came, then food.")
    assert marked(view_of(make_tagged(report, aid=("𝔸id", "food")), TITLES).text) == ["𝔸id", "food"]


def test_why_names_the_rule_and_each_word_once():
    report = make_report(title="Fled", text="They fled.")
    [why] = view_of(make_tagged(report, displacement=("Fled", "fled")), TITLES).whys
    assert (why.title, why.rule, why.version, why.words) == ("Displacement", "displacement.v", 2, ("Fled",))


def test_a_topic_that_the_rulebook_has_lost_is_shown_by_its_id():
    [chip] = view_of(make_tagged(floods=("fled",)), TITLES).chips
    assert chip.title == "floods"


def test_the_parts_of_a_topic_stand_on_its_chip():
    titles = TITLES | {"aid/military": TopicTitle("Aid: military", 1)}
    tagged = make_tagged(displacement=("fled",), **{"aid": ("families",), "aid/military": ("families",)})
    chips = {chip.topic: (chip.title, chip.parts) for chip in view_of(tagged, titles).chips}
    assert chips == {"displacement": ("Displacement", ()), "aid": ("Aid", ("military",))}


def test_a_histogram_is_said_in_a_few_steps():
    counted = [("0.5", 6), ("1", 2), ("5", 1), ("30", 0), ("300", 0), ("+Inf", 1)]
    assert [(words, count) for words, count, _ in wording.in_steps(counted)] == [
        ("within a second", 8),
        ("1 to 10 seconds", 1),
        ("10 to 60 seconds", 0),
        ("longer", 1),
    ]
    assert wording.in_steps([("1", 0), ("+Inf", 0)]) == []


def test_reports_of_one_story_stand_together_under_the_newest():
    first, second, third = (view_of(make_tagged(), TITLES) for _ in range(3))
    later = dataclasses.replace(second, story=first.story)
    assert by_story([later, third, first]) == [(later, [first]), (third, [])]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "ftp://example.org", "", None])
def test_only_web_links_are_followed(url):
    assert web_link(url) is None


@pytest.mark.parametrize(
    "search",
    [
        Search.of(Filter(topics=("aid",))),
        Search.of(Filter(countries=("SD",))),
        Search.of(Filter(query="helicopter")),
        Search.of(Filter(topics=("displacement",), query="helicopter")),
    ],
)
def test_everything_that_is_searched_must_hold(search):
    assert find_hit(search, make_tagged(displacement=("fled",))) is None


def test_a_cursor_reads_back():
    place = Place(1773480600000000, "00ff")
    assert read_cursor(write_cursor(place)) == place


@pytest.mark.parametrize("cursor", ["", "x", "12", "12-", "-a", "1-a b", "9" * 17 + "-a", "１-a"])
def test_a_cursor_that_is_not_ours_is_refused(cursor):
    with pytest.raises(CursorError, match="no cursor of ours"):
        read_cursor(cursor)


# Sign-ups ---------------------------------------------------------------------------------------


def test_a_rotated_secret_is_of_the_same_kind_and_the_old_one_signs_for_a_day():
    private = make_subscription(channel={**WEBHOOK, "signature": "v1a"})
    turned = life.rotated(private, bytes(32), NOW)
    assert turned.secret.startswith("whsk_")
    assert signing_secrets(turned, NOW + timedelta(hours=23)) == (turned.secret, private.secret)
    assert signing_secrets(turned, NOW + timedelta(hours=25)) == (turned.secret,)
    assert public_view(turned)["public_key"].startswith("whpk_")
    assert private.secret not in str(public_view(turned))


def test_who_rotates_twice_does_not_lose_the_secret_that_the_receiver_has():
    first = make_subscription(channel=WEBHOOK)
    second = life.rotated(first, b"2" * 32, NOW)
    third = life.rotated(second, b"3" * 32, NOW + timedelta(minutes=1))
    assert signing_secrets(third, NOW + timedelta(hours=1)) == (third.secret, second.secret, first.secret)
    later = life.rotated(second, b"4" * 32, NOW + timedelta(hours=25))
    assert signing_secrets(later, NOW + timedelta(hours=26)) == (later.secret, second.secret)
    for number in range(30):
        third = life.rotated(third, bytes([number]) * 32, NOW)
    assert len(signing_secrets(third, NOW)) == 10


def test_headers_of_an_endpoint_are_shown_to_nobody():
    hook = WebhookEndpoint(type="webhook", url="https://a.example/", headers={"Authorization": "Bearer t"})
    assert public_view(make_subscription(channel=hook))["channel"]["headers"] == {"Authorization": "…"}


@pytest.mark.parametrize(
    "name", ["Host", "webhook-id", "Content-Length", "Transfer-Encoding", "a b", "x:y", "TE"]
)
def test_a_header_that_is_ours_or_the_connections_is_refused(name):
    with pytest.raises(ValidationError, match="no header that may be added"):
        WebhookEndpoint(type="webhook", url="https://a.example/", headers={name: "1"})


def test_a_header_with_a_line_break_is_refused():
    with pytest.raises(ValidationError, match="line break"):
        WebhookEndpoint(type="webhook", url="https://a.example/", headers={"X-A": "1\r\nHost: b"})


def test_keys_differ_in_every_part():
    keys = life.make_keys(bytes(range(68)))
    assert (keys.id[:4], keys.manage_token[:4]) == ("sub_", "tok_")
    assert keys.secret_bytes == bytes(range(36, 68))


def test_a_topic_and_a_country_of_a_query_that_would_never_match_are_refused_with_what_is_right():
    topics = ["aid", "aid/military"]
    found = checks.check_query("(topic:aids OR topic:aid/military) AND (country:UK OR country:UA)", topics)
    assert found == [
        FieldError("filter.query", "unknown topic 'aids' at character 2; known are aid and aid/military"),
        FieldError("filter.query", "'UK' is no country: write GB, at character 41"),
    ]
    assert checks.check_query("topic:AID country:ua drone*", topics) == []
    assert checks.check_query(None, topics) == []


def test_every_country_that_a_report_may_be_about_can_be_followed():
    names = json.loads((ROOT / "services/classify/countries/gazetteer.json").read_text())["names"]
    assert checks.check_countries(list(names)) == []
    assert checks.check_countries(["ZZ"])[0].field == "filter.countries"


@pytest.mark.parametrize("code", ["english", "e", "en_GB", "en\n", "😀", "xx", "xx-GB"])
def test_what_is_no_language_is_refused(code):
    assert "as en, uk or ar are" in checks.check_languages([code])[0].detail


def test_a_language_may_be_of_a_country():
    assert checks.check_languages(["en", "UK", "es-MX", "de", "ckb"]) == []


def test_a_header_that_is_not_ascii_is_refused():
    assert checks.check_headers({"X-Desk": "Büro"})
    assert checks.check_headers({"Authorization": "…"})
    assert checks.check_headers({"X-Desk": "office"}) == []


@pytest.mark.parametrize(
    "address",
    [
        "duty@example.org\nBcc: other@example.org",
        "duty@example.org\r\n",
        "Duty <duty@example.org>",
        "duty@example.org, other@example.org",
        "duty",
        "@example.org",
        "jörg@",
        "",
    ],
)
def test_an_address_that_is_not_one_plain_address_is_refused(address):
    with pytest.raises(ValueError, match=r".+"):
        checks.mail_address(address)


def test_a_mail_address_is_normalised():
    assert checks.mail_address("Duty@EXAMPLE.org") == "Duty@example.org"


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002"),
        ("unknown", "unknown"),
    ],
)
def test_a_source_of_requests_is_an_address_or_an_ipv6_network(host, source):
    assert source_of(host) == source


def test_a_disabled_subscription_is_resumed_by_a_test():
    with pytest.raises(Conflict, match="ask for a test"):
        life.resumed(make_subscription("disabled"), NOW)


def test_pausing_twice_is_the_same_as_once():
    paused = life.paused(make_subscription(), NOW)
    assert life.paused(paused, NOW + timedelta(hours=1)) == paused


@pytest.mark.parametrize("state", ["paused", "disabled"])
def test_a_confirmation_does_not_undo_a_pause(state):
    assert life.confirmed(make_subscription(state), NOW).state == state


NEW = EmailEndpoint(type="email", address="new@example.org")


@pytest.mark.parametrize("order", [("from", "to"), ("to", "from")])
def test_a_mail_address_changes_when_both_have_agreed(order):
    asked = life.asked_to_move(make_subscription(), NEW, NOW)
    halfway = life.agreed_to_move(asked, NOW, side=order[0])
    assert halfway.channel.address == "duty@example.org"
    again = life.agreed_to_move(halfway, NOW, side=order[0])
    assert again.channel.address == "duty@example.org"
    done = life.agreed_to_move(again, NOW, side=order[1])
    assert (done.channel, done.move, done.state) == (NEW, None, "active")


def test_from_a_webhook_only_the_new_address_has_to_agree():
    asked = life.asked_to_move(make_subscription("disabled", WEBHOOK), NEW, NOW)
    done = life.agreed_to_move(asked, NOW, side="to")
    assert (done.channel, done.state, done.since, done.secret) == (NEW, "active", NOW, None)


def test_a_second_channel_that_is_a_webhook_keeps_its_secret_when_the_first_moves():
    second = WebhookEndpoint(**WEBHOOK)
    hook = make_subscription(channel=WEBHOOK).model_copy(update={"fallback": second})
    done = life.agreed_to_move(life.asked_to_move(hook, NEW, NOW), NOW, side="to")
    assert done.secret == hook.secret


# Problems and forms -----------------------------------------------------------------------------


def test_a_problem_is_an_object_of_rfc_9457():
    assert as_json(Invalid([FieldError("name", "too long")])) == {
        "type": "/problems#invalid-fields",
        "title": "Invalid fields",
        "code": "invalid-fields",
        "status": 422,
        "detail": "name: too long",
        "errors": [{"field": "name", "detail": "too long"}],
    }


def test_field_errors_are_named_as_in_the_body():
    with pytest.raises(ValidationError) as caught:
        Wish.model_validate({"filter": {"query": "("}, "channel": {"type": "email"}})
    assert {error.field for error in field_errors(caught.value.errors())} == {
        "filter.query",
        "channel.address",
    }


HOOK = {**WEBHOOK, "headers": {"Authorization": "Bearer t", "X-Desk": "1"}}
CHAT = {"type": "chat", "service": "telegram", "token": "t", "room": "1"}
MATRIX = {**CHAT, "service": "matrix", "url": "https://chat.example"}


@pytest.mark.parametrize(
    ("channel", "typed", "becomes"),
    [
        (HOOK, {}, None),
        (HOOK, {"headers": "Authorization: …"}, {"headers": {"Authorization": "Bearer t"}}),
        (HOOK, {"headers": "X-Desk: 2"}, {"headers": {"X-Desk": "2"}}),
        (HOOK, {"channel": "email", "address": "duty@example.org"}, {"type": "email"}),
        (CHAT, {"room": "2"}, {"room": "2", "token": "t", "url": "https://api.telegram.org"}),
        (CHAT, {"token": "u"}, {"room": "1", "token": "u"}),
        (HOOK, {"url": WEBHOOK["url"] + "/other"}, {"headers": HOOK["headers"]}),
        (HOOK, {"url": "https://evil.example/"}, {"headers": dict.fromkeys(HOOK["headers"], "…")}),
        (MATRIX, {"url": "https://chat.example:443/"}, {"token": "t"}),
        (MATRIX, {"url": "https://chat.example:8443/", "token": "u"}, {"token": "u"}),
    ],
)
def test_a_form_that_comes_back_changes_what_was_typed_and_keeps_what_is_not_shown(channel, typed, becomes):
    subscription = make_subscription(channel=channel)
    form = form_of(subscription)
    assert "Bearer" not in str(form)
    assert form.token == ""
    fields = change_fields(form.model_copy(update=typed), subscription)
    assert fields.get("channel", {}).items() >= (becomes or {}).items()
    assert ("channel" in fields) == (becomes is not None)
    Change.model_validate(fields)


def test_a_token_that_is_not_shown_does_not_go_to_another_host():
    subscription = make_subscription(channel=MATRIX)
    moved = form_of(subscription).model_copy(update={"url": "https://evil.example/"})
    assert change_fields(moved, subscription)["channel"]["token"] == ""


def test_errors_stand_beside_their_fields_and_the_rest_on_top():
    errors = [FieldError("filter.topics.1", "a"), FieldError("filter", "b"), FieldError("schedule.mode", "c")]
    assert errors_by_field(errors) == {"topics": "a", "filter": "b", "form": "c"}


# Words ------------------------------------------------------------------------------------------


def test_a_filter_reads_as_a_sentence():
    wanted = Filter(
        topics=("displacement", "aid"), query="evacuat*", languages=("en", "uk"), sources=("f1", "f2")
    )
    assert wording.filter_in_words(wanted, {"aid": "Aid"}, {"f1": "River News"}) == (
        "reports on displacement or Aid, with the words “evacuat*”, in the language en or uk, from River News or f2"
    )


def test_a_state_comes_with_its_reason():
    subscription = make_subscription("disabled").model_copy(update={"reason": "the endpoint is gone"})
    assert wording.state_in_words(subscription) == "switched off (the endpoint is gone)"


def test_a_delivery_that_waits_says_until_when_and_why():
    attempt = Attempt(at=NOW, outcome="failed", detail="answered 500")
    words = wording.delivery_in_words(owed_report("sub_1", "r1", NOW).after(attempt, "pending", NOW))
    assert words == "next try 14 Mar 2026, 09:30 UTC: answered 500"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (7300, "2 hours ago"),
        (200000, "2 days ago"),
        (-5, "in a moment"),
        (-120, "in 2 minutes"),
    ],
)
def test_moments_are_told_from_now(seconds, words):
    assert wording.ago(NOW - timedelta(seconds=seconds), NOW) == words


FEED = {"id": "f1", "url": "https://news.example.org/feed", "title": None, "enabled": True}


FAILED = {
    "failures": "3",
    "last_error": "it is a web page",
    "next_poll": (NOW + timedelta(hours=1)).isoformat(),
}


@pytest.mark.parametrize(
    ("listed", "state", "condition", "words"),
    [
        ({}, FAILED, "failing", "failed 3 times in a row: it is a web page; next try in 1 hour"),
        ({}, {"last_success": NOW.isoformat()}, "well", "read just now"),
        ({"enabled": False}, {"last_error": "x"}, "off", "switched off in the feed list"),
    ],
)
def test_a_feed_says_how_it_is(listed, state, condition, words):
    feed = feed_health.read_feed(FEED | listed, {**state, "title": "River News"})
    assert (feed.title, feed.condition) == ("River News", condition)
    assert feed_health.in_words(feed, NOW) == words


def test_a_bad_value_in_a_feeds_state_is_as_none():
    feed = feed_health.read_feed(
        FEED, {"last_success": "yesterday", "entries": "many", "next_poll": "2026-03-14"}
    )
    assert (feed.last_success, feed.entries, feed.next_poll) == (None, 0, None)


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([], "has not listed"),
        ([{}, {}], "first poll of 2 feeds"),
        ([{"last_error": "no"}, {}], "has failed"),
        ([{"last_error": "no"}, {"last_success": NOW.isoformat()}], "being tagged"),
    ],
)
def test_an_empty_page_says_what_is_happening(states, words):
    assert words in feed_health.why_empty([feed_health.read_feed(FEED, state) for state in states])


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("sd", "SD"),
        ("south korea", "KR"),
        ("Türkiye", "TR"),
        ("Turkey", "TR"),
        ("UK", "GB"),
        ("Burma", "MM"),
        ("Antarctica", "AQ"),
        ("Congo", None),
        ("South", None),
    ],
)
def test_a_country_is_found_by_its_code_and_by_any_name_that_is_its_alone(
    typed: str, code: str | None
) -> None:
    assert find_country(typed) == code


def test_every_country_is_found_by_the_name_that_is_shown() -> None:
    assert [code for code, name in country_names().items() if find_country(name) != code] == []
