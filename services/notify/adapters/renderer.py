"""Turns a delivery into the message that its channel carries."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from jinja2 import Environment

from services.notify.adapters.digests import Digests
from services.notify.core.case import LETTERS_KEPT, Case, Telling, Wanting
from services.notify.core.channel import ChatMessage, MailMessage, WebhookMessage
from services.notify.core.chat import plain_message, report_message
from services.notify.core.digest import digest_body
from services.notify.core.letter import Letter
from services.notify.core.mail import MailError, sender_of, write_mail
from services.notify.core.mail_words import write_letter
from services.notify.core.message import (
    Reference,
    common_part,
    subscriber_part,
    webhook_body,
    webhook_notice_body,
    webhook_test_body,
)
from services.notify.core.recent import Recent
from shared.decision import silent_until
from shared.delivery import TOLD_BY_FALLBACK, Delivery, delivery_id
from shared.digest import Digest
from shared.events import TaggedReport
from shared.links import Links
from shared.report_store import ReportStore
from shared.subscriptions import Matched, Subscription, document_of, find_match, signing_secrets

EXAMPLES_LOOKED_AT = 1000
LATE_AFTER = timedelta(minutes=10)


class Unsendable(Exception):
    """There is nothing to send, and no retry will change that; the message says why."""


@dataclass
class Renderer:
    """Writes messages. Those that ask for an answer carry the newest report that would have matched."""

    reports: ReportStore
    links: Links
    mail_from: str
    templates: Environment
    digests: Digests
    _digest_letters: Recent[tuple[object, ...], Letter] = field(default_factory=lambda: Recent(LETTERS_KEPT))

    async def webhook(self, case: Case, wanting: Wanting) -> WebhookMessage:
        """Return the body to post; raise Unsendable."""
        subscription, now = wanting.subscription, datetime.now(UTC)
        if subscription.secret is None:
            raise Unsendable("the subscription has no secret to sign with")
        if case.delivery.kind == "notice":
            body = webhook_notice_body(subscription, self.links, now)
        elif case.delivery.kind == "digest":
            _, digest = await self._digest(case, wanting)
            late = _is_late(case.delivery, subscription, now)
            body = digest_body(subscription, digest, self.links, now, late=late)
        elif case.delivery.kind == "report":
            telling = _told(case)
            matched, part = telling.match(wanting)
            if wanting.part is None:
                wanting.part = subscriber_part(subscription, self.links)
            if telling.part is None:
                telling.part = common_part(telling.tagged, self.links)
            reference = _reference(case.delivery)
            body = webhook_body(
                subscription,
                telling.tagged,
                matched,
                self.links,
                now,
                (wanting.part, telling.part, part),
                reference=reference,
                late=_is_late(case.delivery, subscription, now),
            )
        else:
            body = webhook_test_body(subscription, *await self._example(wanting), self.links, now)
        return WebhookMessage(case.delivery.id, body, signing_secrets(subscription, now))

    async def chat(self, case: Case, wanting: Wanting) -> ChatMessage:
        """Return the message to a chat; raise Unsendable."""
        delivery, subscription = case.delivery, wanting.subscription
        late = _is_late(delivery, subscription, datetime.now(UTC))
        if delivery.kind == "report":
            matched, _ = _told(case).match(wanting)
            return report_message(
                delivery.id, subscription, _told(case).tagged, matched, self.links, late=late
            )
        if delivery.kind == "digest":
            _, digest = await self._digest(case, wanting)
            titles = "\n".join(f"· {title}" for title in titles_of(digest))
            title = f"{digest.count} reports"
            return plain_message(delivery.id, title, subscription, self.links, titles, late=late)
        title, text = _PLAIN_WORDS[delivery.kind]
        return plain_message(delivery.id, title, subscription, self.links, text or subscription.reason)

    async def mail(self, case: Case, wanting: Wanting) -> MailMessage:
        """Return the mail; the same at every attempt. Raise Unsendable."""
        delivery, reference = case.delivery, _reference(case.delivery)
        try:
            content = write_mail(
                await self._letter(case, wanting, reference),
                delivery.kind,
                wanting.subscription,
                case.telling.tagged.story.id if case.telling else None,
                reference,
                links=self.links,
                mail_from=self.mail_from,
                message_id=delivery.id,
                date=delivery.created_at,
            )
            return MailMessage(delivery.id, content, sender_of(self.mail_from).addr_spec)
        except MailError as e:
            raise Unsendable(str(e)) from e

    async def _letter(self, case: Case, wanting: Wanting, reference: Reference | None) -> Letter:
        """What the mail says; written once for all who are told the same."""
        kind, subscription = case.delivery.kind, wanting.subscription
        # By the clock one attempt would say it and another not.
        late = case.delivery.note == TOLD_BY_FALLBACK
        write = partial(
            write_letter,
            kind,
            subscription,
            reference=reference,
            late=late,
            links=self.links,
            templates=self.templates,
        )
        if kind == "digest":
            content, digest = await self._digest(case, wanting)
            zone = subscription.schedule.timezone
            listed = (content, wanting.wish, bool(subscription.name), zone, late)
            known = self._digest_letters.get(listed)
            return known or self._digest_letters.put(listed, write(None, None, digest=digest))
        if kind in ("confirm", "test"):
            return write(*await self._example(wanting))
        if kind != "report":
            return write(None, None)
        telling = _told(case)
        named, refers = bool(subscription.name), reference and (reference.report, reference.is_update)
        told = (wanting.wish, named, refers, late)
        known = telling.letters.get(told)
        return known or telling.letters.put(told, write(telling.tagged, telling.match(wanting)[0]))

    async def _digest(self, case: Case, wanting: Wanting) -> tuple[str, Digest]:
        digest = await self.digests.find(case.delivery, wanting)
        if digest is None:
            arrived = "have arrived by the first channel, or " if case.delivery.to_fallback else ""
            raise Unsendable(f"the reports of this digest {arrived}are older than the retention")
        return digest

    async def _example(self, wanting: Wanting) -> tuple[TaggedReport | None, Matched | None]:
        """The newest report that the filter would have matched: what the alert will look like."""
        topics = wanting.subscription.filter.topics
        topic = topics[0] if len(topics) == 1 else None
        async for tagged in self.reports.scan(topic, EXAMPLES_LOOKED_AT):
            matched = find_match(wanting.compiled, tagged, document_of(tagged))
            if matched is not None:
                return tagged, matched
        return None, None


_PLAIN_WORDS = {
    "confirm": (
        "This alert is set",
        "Reports will come here. Whoever set it can change or remove it on its page.",
    ),
    "test": ("A test of your alert", "Everything works."),
    "notice": ("Your alert was switched off", ""),
}


def titles_of(digest: Digest) -> list[str]:
    """Return the headlines of a digest in its order."""
    return [report.title for topic in digest.topics for story in topic.stories for report in story.reports]


def _is_late(delivery: Delivery, subscription: Subscription, now: datetime) -> bool:
    # What came in quiet hours is for when they end.
    due = silent_until(subscription.schedule, delivery.created_at) or delivery.created_at
    return delivery.to_fallback or delivery.note == TOLD_BY_FALLBACK or now - due > LATE_AFTER


def _reference(delivery: Delivery) -> Reference | None:
    """What was told before, if this is not the first that is told of it."""
    if delivery.refers_to is None:
        return None
    first = delivery_id(delivery.subscription, delivery.refers_to)
    return Reference(first, delivery.refers_to, delivery.is_update)


def _told(case: Case) -> Telling:
    if case.telling is None:
        raise Unsendable("the report is older than the retention")
    return case.telling
