"""Turns a delivery into the message that its channel carries."""

from dataclasses import dataclass
from datetime import UTC, datetime

from jinja2 import Environment

from services.notify.adapters.cases import Case, Wanting
from services.notify.adapters.digests import Digests
from services.notify.core.channel import MailMessage, WebhookMessage
from services.notify.core.digest import digest_body
from services.notify.core.mail import MOVE_KINDS, MailError, build_mail
from services.notify.core.message import Reference, webhook_body, webhook_test_body
from shared.delivery import Delivery, delivery_id
from shared.digest import Digest
from shared.events import TaggedReport
from shared.report_store import ReportStore
from shared.subscriptions import Links, Matched, find_match, text_of

EXAMPLES_LOOKED_AT = 1000


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

    async def webhook(self, case: Case, wanting: Wanting) -> WebhookMessage:
        """Return the body to post; raise Unsendable."""
        subscription, now = wanting.subscription, datetime.now(UTC)
        if subscription.secret is None:
            raise Unsendable("the subscription has no secret to sign with")
        if case.delivery.kind == "digest":
            body = digest_body(subscription, await self._digest(case, wanting), self.links, now)
        elif case.delivery.kind == "report":
            body = webhook_body(
                subscription, *_told(case, wanting), self.links, now, reference=_reference(case.delivery)
            )
        else:
            body = webhook_test_body(subscription, *await self._example(wanting), self.links, now)
        return WebhookMessage(case.delivery.id, body, (subscription.secret,))

    async def mail(self, case: Case, wanting: Wanting) -> MailMessage:
        """Return the mail; the same at every attempt. Raise Unsendable."""
        delivery = case.delivery
        digest = await self._digest(case, wanting) if delivery.kind == "digest" else None
        if delivery.kind in MOVE_KINDS and wanting.subscription.move is None:
            raise Unsendable("the change of address was called off, or is done")
        shown: tuple[TaggedReport | None, Matched | None] = (None, None)
        if delivery.kind == "report":
            shown = _told(case, wanting)
        elif delivery.kind in ("confirm", "test"):
            shown = await self._example(wanting)
        try:
            mail = build_mail(
                delivery.kind,
                wanting.subscription,
                *shown,
                digest=digest,
                reference=_reference(delivery),
                links=self.links,
                mail_from=self.mail_from,
                message_id=delivery.id,
                date=delivery.created_at,
                templates=self.templates,
            )
        except MailError as e:
            raise Unsendable(str(e)) from e
        return MailMessage(delivery.id, mail)

    async def _digest(self, case: Case, wanting: Wanting) -> Digest:
        digest = await self.digests.find(case.delivery, wanting)
        if digest is None:
            raise Unsendable("the reports of this digest are older than the retention")
        return digest

    async def _example(self, wanting: Wanting) -> tuple[TaggedReport | None, Matched | None]:
        """The newest report that the filter would have matched: what the alert will look like."""
        topics = wanting.subscription.filter.topics
        topic = topics[0] if len(topics) == 1 else None
        async for tagged in self.reports.scan(topic, EXAMPLES_LOOKED_AT):
            matched = find_match(wanting.compiled, tagged, text_of(tagged))
            if matched is not None:
                return tagged, matched
        return None, None


def _reference(delivery: Delivery) -> Reference | None:
    """What was told before, if this is not the first that is told of it."""
    if delivery.refers_to is None:
        return None
    first = delivery_id(delivery.subscription, delivery.refers_to)
    return Reference(first, delivery.refers_to, delivery.is_update)


def _told(case: Case, wanting: Wanting) -> tuple[TaggedReport, Matched]:
    if case.telling is None:
        raise Unsendable("the report is older than the retention")
    return case.telling.tagged, case.telling.match(wanting)
