"""Reports, subscriptions and matches for the tests of what is sent."""

import email.policy
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage

from services.notify.channels.mail_templates import load_templates
from services.notify.core.mail import write_mail
from services.notify.core.mail_words import MailKind, write_letter
from services.notify.core.message import webhook_body
from shared.digest import Digest
from shared.endpoints import EmailEndpoint, WebhookEndpoint
from shared.events import Evidence, Report, RuleReference, Source, Story, Tag, TaggedReport
from shared.links import Links
from shared.subscriptions import Filter, Matched, Subscription

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LINKS = Links("https://alerts.example.org", b"k" * 32)
TEXT = "Families left Berezivka by bus on Sunday. Talks on a truce go on in Vellin."
TEMPLATES = load_templates()
SENDER = "Tocsin <tocsin@example.net>"


def evidence_of(words: str, text: str = TEXT, field: str = "text") -> Evidence:
    start = text.index(words)
    return Evidence.model_validate({"field": field, "start": start, "end": start + len(words), "text": words})


def make_report(**changes: object) -> Report:
    source = Source(id="feed1", title="Valley Courier", feed_url="https://courier.example/feed")
    fields: dict[str, object] = {
        "id": "r1",
        "url": "https://courier.example/1",
        "title": "Buses leave Berezivka",
        "text": TEXT,
        "published_at": NOW,
        "fetched_at": NOW,
        "source": source,
    }
    return Report.model_validate({**fields, **changes})


def make_tagged(evidence: tuple[Evidence, ...] | None = None, **changes: object) -> TaggedReport:
    report = make_report(**changes)
    found = (evidence_of("Families left"),) if evidence is None else evidence
    tag = Tag(
        topic="displacement", score=2, rule=RuleReference(id="displacement-flight", version=3), evidence=found
    )
    return TaggedReport(
        report=report, tags=(tag,), story=Story(id="s1", position=1, sources=1), rulebook="b1"
    )


def make_matched(tagged: TaggedReport) -> Matched:
    return Matched(("topic: displacement",), tagged.tags[0].evidence)


def make_subscription(address: str = "duty@example.org", **changes: object) -> Subscription:
    fields: dict[str, object] = {
        "id": "sub_1",
        "name": "Valley watch",
        "filter": Filter(topics=("displacement",)),
        "channel": EmailEndpoint(type="email", address=address),
        "token_hash": "0" * 64,
        "created_at": NOW,
        "changed_at": NOW,
    }
    return Subscription.model_validate({**fields, **changes})


def webhook_to(url: str) -> WebhookEndpoint:
    return WebhookEndpoint(type="webhook", url=url)


def body_of(tagged: TaggedReport) -> bytes:
    return webhook_body(make_subscription(), tagged, make_matched(tagged), LINKS, NOW)


def mail_of(
    tagged: TaggedReport | None,
    kind: MailKind = "report",
    subscription: Subscription | None = None,
    mail_from: str = SENDER,
) -> EmailMessage:
    """The mail, as it is received."""
    return received(mail_bytes(tagged, kind, subscription, mail_from))


def mail_bytes(
    tagged: TaggedReport | None,
    kind: MailKind = "report",
    subscription: Subscription | None = None,
    mail_from: str = SENDER,
    digest: Digest | None = None,
) -> bytes:
    to, matched = subscription or make_subscription(), make_matched(tagged) if tagged else None
    letter = write_letter(kind, to, tagged, matched, digest=digest, links=LINKS, templates=TEMPLATES)
    story = tagged.story.id if tagged and kind == "report" else None
    return write_mail(letter, kind, to, story, links=LINKS, mail_from=mail_from, message_id="dlv_1", date=NOW)


def received(content: bytes) -> EmailMessage:
    mail = message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail
