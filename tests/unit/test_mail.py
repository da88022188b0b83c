"""Mails: what they say, and headers that nobody can add to."""

from email.message import EmailMessage

import pytest

from services.notify.core.mail import MailError, write_mail
from services.notify.core.mail_words import MailKind, header_text, write_letter
from shared.endpoints import EmailEndpoint
from shared.events import Country
from shared.subscriptions import Filter, Move
from tests.message_builders import (
    LINKS,
    NOW,
    SENDER,
    TEMPLATES,
    TEXT,
    evidence_of,
    mail_bytes,
    mail_of,
    make_matched,
    make_subscription,
    make_tagged,
    received,
)

HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "List-Id"),
    *("List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted", "Precedence"),
}
THREAD = {"References", "In-Reply-To"}
EVIL = [
    "News\r\nBcc: everybody@example.com",
    "News\nBcc: everybody@example.com",
    "News\rBcc: everybody@example.com",
    "News\u2028Bcc: everybody@example.com",
    "News\x0b\x0cBcc: everybody@example.com\x85X: y",
    "=?utf-8?q?News=0D=0ABcc:_everybody=40example.com?=",
    "=\u200b?utf-8?q?News=0D=0ABcc:_everybody=40example.com?=",
    "=\r\n?utf-8?b?TmV3cw0KQmNjOiBhQGI=?=",
    "\r\n\r\n<script>alert(1)</script>",
    "Переговори " * 60,
]


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def test_a_mail_has_text_and_html() -> None:
    mail = mail_of(make_tagged())
    assert mail.get_content_type() == "multipart/alternative"
    assert [each.get_content_type() for each in mail.iter_parts()] == ["text/plain", "text/html"]


def test_the_headers_tell_a_list_from_a_person() -> None:
    mail = mail_of(make_tagged())
    assert mail["List-Id"] == "<sub_1.example.net>"
    assert mail["List-Unsubscribe"].startswith("<https://alerts.example.org/unsubscribe/sub_1?key=")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (mail["Auto-Submitted"], mail["Precedence"]) == ("auto-generated", "bulk")


def test_the_address_to_unsubscribe_is_on_one_line() -> None:
    line = next(
        row for row in mail_bytes(make_tagged()).split(b"\r\n") if row.startswith(b"List-Unsubscribe:")
    )
    assert line.endswith(b">")


def test_the_mail_is_the_same_at_every_try() -> None:
    assert mail_bytes(make_tagged()) == mail_bytes(make_tagged())


def test_the_message_id_is_the_deliverys() -> None:
    assert mail_of(make_tagged())["Message-ID"] == "<dlv_1@example.net>"


def test_the_mail_goes_to_the_subscriber_only() -> None:
    mail = mail_of(make_tagged())
    assert (mail["To"], mail["From"]) == ("duty@example.org", "Tocsin <tocsin@example.net>")
    assert mail["Cc"] is mail["Bcc"] is None


def test_the_subject_is_the_topic_and_the_headline() -> None:
    assert mail_of(make_tagged())["Subject"] == "[displacement] Buses leave Berezivka"


def test_the_subject_names_the_topic_that_was_asked_for() -> None:
    asked = make_subscription(filter=Filter(topics=("aid",)))
    aid = make_tagged().tags[0].model_copy(update={"topic": "aid"})
    tagged = make_tagged()
    both = tagged.model_copy(update={"tags": (*tagged.tags, aid)})
    assert mail_of(both, subscription=asked)["Subject"].startswith("[aid]")


def test_a_subject_in_several_scripts_arrives_as_it_was() -> None:
    title = "Переговоры in Geneva о перемирии — إجلاء families, l’aide «мир» (UN) a@b [x] еще"
    assert mail_of(make_tagged((), title=title))["Subject"] == f"[displacement] {title}"


def test_a_long_subject_is_cut() -> None:
    assert len(mail_of(make_tagged((), title="word " * 900))["Subject"]) <= 200


def test_the_text_marks_the_evidence_and_says_why() -> None:
    text = part(mail_of(make_tagged()), "plain")
    assert "*Families left* Berezivka" in text
    assert "topic: displacement, by rule displacement-flight (version 3), which found “Families left”" in text


def test_the_html_marks_the_evidence_and_says_why() -> None:
    html = part(mail_of(make_tagged()), "html")
    assert ">Families left</mark> Berezivka" in html
    assert "by rule displacement-flight" in html


def test_the_html_loads_nothing() -> None:
    html = part(mail_of(make_tagged()), "html").lower()
    assert all(word not in html for word in ("<img", "<script", "<link", "src=", "url(", "@import"))


def test_what_feeds_say_is_escaped_in_html() -> None:
    text = "<script>alert(1)</script> <img src=x>"
    html = part(mail_of(make_tagged((), title=text, text=text)), "html")
    assert "<script" not in html
    assert "<img" not in html


def test_a_link_that_is_not_a_web_address_is_left_out() -> None:
    assert "javascript:" not in part(mail_of(make_tagged(url="javascript:alert(1)")), "html")


def test_a_long_text_comes_as_an_excerpt() -> None:
    text = "Quiet. " * 9_000 + TEXT
    mail = mail_of(make_tagged((evidence_of("Families left", text),), text=text))
    assert len(mail.as_bytes()) < 20_000
    assert "*Families left*" in part(mail, "plain")


def test_a_confirmation_leads_to_the_page_and_shows_an_example() -> None:
    text = part(mail_of(make_tagged(), "confirm"), "plain")
    assert "https://alerts.example.org/confirm/sub_1?key=" in text
    assert "EXAMPLE" in text
    assert "*Families left*" in text


def test_a_confirmation_without_an_example_is_a_mail_too() -> None:
    assert "Example" not in part(mail_of(None, "confirm"), "html")


def test_a_confirmation_does_not_carry_words_of_a_stranger() -> None:
    mail = mail_of(None, "confirm", make_subscription(name="Win a prize at spam.example"))
    assert b"prize" not in mail.as_bytes()


def test_a_test_mail_shows_an_example() -> None:
    mail = mail_of(make_tagged(), "test")
    assert mail["Subject"] == "[test: displacement] Buses leave Berezivka"
    assert "Example" in part(mail, "html")


def test_a_test_mail_without_a_report_says_so() -> None:
    mail = mail_of(None, "test")
    assert mail["Subject"] == "[test] Valley watch"
    assert "No report" in part(mail, "plain")


@pytest.mark.parametrize("text", EVIL)
def test_no_feed_can_add_a_header(text: str) -> None:
    tagged = make_tagged((), title=text)
    source = tagged.report.source.model_copy(update={"title": text})
    report = tagged.report.model_copy(update={"source": source})
    mail = mail_of(tagged.model_copy(update={"report": report}))
    assert set(mail.keys()) == HEADERS | THREAD
    assert len(mail.keys()) == len(HEADERS | THREAD)


@pytest.mark.parametrize("text", EVIL)
def test_no_name_can_add_a_header(text: str) -> None:
    named = make_subscription().model_copy(update={"name": text})
    assert set(mail_of(None, "test", named).keys()) == HEADERS


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example, c@d.example",
        "a@b.example;c@d.example",
        "A <a@b.example>",
        "a b@c.example",
        "a@пошта.example",
        "a@b\u0085.example",
        "nobody",
        "@b.example",
        "a@",
        "",
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(MailError):
        mail_of(None, "test", make_subscription(address))


@pytest.mark.parametrize("sender", ["", "Tocsin", "Tocsin <nobody>", "a@b\r\nBcc: c@d.example"])
def test_a_sender_that_is_none_is_refused(sender: str) -> None:
    with pytest.raises(MailError, match="TOCSIN_MAIL_FROM"):
        mail_of(None, "test", mail_from=sender)


def test_a_sender_of_any_letters_goes_out_as_ascii() -> None:
    sender = "Тривога Ä <alerts@example.net>"
    content = mail_bytes(None, "test", mail_from=sender)
    assert content.isascii()
    assert received(content)["From"] == sender


def test_the_senders_domain_may_have_any_letters() -> None:
    assert mail_of(None, "test", mail_from="alerts@пошта.example")["From"] == "alerts@xn--80a1acn3a.example"


def test_a_webhooks_subscription_gets_no_mail() -> None:
    with pytest.raises(MailError, match="does not ask for mail"):
        mail_of(None, "test", make_subscription(channel={"type": "webhook", "url": "https://example.org/"}))


def test_header_text_is_one_visible_line() -> None:
    assert header_text("a\u202e\tb\r\n c\x00") == "a b c"
    persian = "می\u200cخواهم"
    assert header_text(persian) == persian


@pytest.mark.parametrize("kind", ["report", "test"])
def test_a_letter_that_was_written_for_one_tells_another_nothing_of_them(kind: MailKind) -> None:
    tagged = make_tagged()
    one = make_subscription("one@example.org", id="sub_one", name="Alpha <desk>")
    other = make_subscription("other@example.org", id="sub_other", name="Beta & Söhne")
    letter = write_letter(kind, one, tagged, make_matched(tagged), links=LINKS, templates=TEMPLATES)
    content = write_mail(letter, kind, other, links=LINKS, mail_from=SENDER, message_id="dlv_2", date=NOW)
    text, html = (part(received(content), each) for each in ("plain", "html"))
    assert not any(word in content.decode() + text + html for word in ("Alpha", "sub_one", "one@example.org"))
    assert "Beta & Söhne" in text
    assert "Beta &amp; Söhne" in html
    assert LINKS.unsubscribe("sub_other") in text


def test_the_second_address_may_end_what_comes_there_and_not_the_alert() -> None:
    mail = EmailEndpoint(type="email", address="second@example.org")
    told = make_subscription(channel=mail, fallback=mail)
    assert mail_of(make_tagged(), "report", told)["List-Unsubscribe"].startswith(
        "<https://alerts.example.org/fallback/sub_1/end?key="
    )
    assert "/manage/sub_1?key=" not in part(mail_of(make_tagged(), "report", told), "plain")


def test_who_is_asked_to_agree_to_a_move_cannot_end_the_alert_by_a_click() -> None:
    there = EmailEndpoint(type="email", address="other@example.org")
    moving = make_subscription(move=Move(channel=there, asked_at=NOW))
    for kind, ends in (("move_to", False), ("move_from", True)):
        content = mail_bytes(None, kind, moving)
        assert (b"List-Unsubscribe" in content) is ends


def test_a_mail_that_comes_late_says_so() -> None:
    tagged, to = make_tagged(), make_subscription()
    for late in (False, True):
        letter = write_letter(
            "report", to, tagged, make_matched(tagged), late=late, links=LINKS, templates=TEMPLATES
        )
        for body in (letter.text, letter.html):
            assert (
                any(b"could not be delivered in time" in each for each in body if isinstance(each, bytes))
                is late
            )


def test_mails_of_one_story_are_a_thread() -> None:
    first, second = mail_of(make_tagged()), mail_of(make_tagged(id="r2", title="Another headline"))
    assert first["References"] == second["References"]
    assert first["References"] != first["Message-ID"]


@pytest.mark.parametrize("kind", ["test", "confirm"])
def test_a_mail_with_an_example_is_in_no_thread(kind: MailKind) -> None:
    assert THREAD.isdisjoint(mail_of(make_tagged(), kind).keys())


def test_the_subject_says_topic_country_and_headline() -> None:
    tagged = make_tagged().model_copy(
        update={"countries": (Country(code="SD", evidence=()), Country(code="TD", evidence=()))}
    )
    assert mail_of(tagged)["Subject"] == "[displacement · Sudan · Chad] Buses leave Berezivka"


def test_an_address_may_have_any_letters() -> None:
    mail = mail_bytes(None, "test", make_subscription("пошта@xn--e1afmkfd.example"))
    assert "To: пошта@xn--e1afmkfd.example" in mail.decode()
    assert received(mail)["To"] == "пошта@xn--e1afmkfd.example"
