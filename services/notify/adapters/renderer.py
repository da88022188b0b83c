"""Turns a delivery into the message that its channel carries."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jinja2 import Environment

from services.notify.core.channel import MailMessage, WebhookMessage
from services.notify.core.mail import MailError, build_mail
from services.notify.core.message import webhook_body, webhook_test_body
from shared.delivery import Delivery
from shared.events import TaggedReport
from shared.report_store import ReportStore
from shared.subscriptions import CompiledFilter, Links, Matched, Subscription, find_match, text_of

EXAMPLES_LOOKED_AT = 1000
REPORTS_KEPT = 256


class Unsendable(Exception):
    """There is nothing to send, and no retry will change that; the message says why."""


@dataclass
class Renderer:
    """Looks up the report and writes the message. A report that matches many subscriptions is read once."""

    reports: ReportStore
    links: Links
    mail_from: str
    templates: Environment
    _recent: "OrderedDict[str, TaggedReport]" = field(default_factory=OrderedDict)

    async def webhook(self, delivery: Delivery, subscription: Subscription) -> WebhookMessage:
        """Return the body to post; raise Unsendable."""
        if delivery.kind == "report":
            tagged, matched = await self._report(delivery, subscription)
            body = webhook_body(subscription, tagged, matched, self.links, datetime.now(UTC))
        else:
            example = await self._example(subscription)
            body = webhook_test_body(subscription, *example, self.links, datetime.now(UTC))
        if subscription.secret is None:
            raise Unsendable("the subscription has no secret to sign with")
        return WebhookMessage(delivery.id, body, (subscription.secret,))

    async def mail(self, delivery: Delivery, subscription: Subscription) -> MailMessage:
        """Return the mail; the same at every attempt. Raise Unsendable."""
        if delivery.kind == "report":
            tagged, matched = await self._report(delivery, subscription)
        else:
            tagged, matched = await self._example(subscription)  # type: ignore[assignment]
        try:
            mail = build_mail(
                delivery.kind,
                subscription,
                tagged,
                matched,
                links=self.links,
                mail_from=self.mail_from,
                message_id=delivery.id,
                date=delivery.created_at,
                templates=self.templates,
            )
        except MailError as e:
            raise Unsendable(str(e)) from e
        return MailMessage(delivery.id, mail)

    async def _report(self, delivery: Delivery, subscription: Subscription) -> tuple[TaggedReport, Matched]:
        tagged = await self._stored(delivery.report or "")
        if tagged is None:
            raise Unsendable("the report is older than the retention")
        # A revision since then may match by other words, or by none; it was owed all the same.
        matched = find_match(CompiledFilter.of(subscription.filter), tagged, text_of(tagged))
        return tagged, matched or Matched((), ())

    async def _stored(self, report_id: str) -> TaggedReport | None:
        if report_id in self._recent:
            self._recent.move_to_end(report_id)
            return self._recent[report_id]
        tagged = await self.reports.get(report_id)
        if tagged is not None:
            self._recent[report_id] = tagged
            if len(self._recent) > REPORTS_KEPT:
                self._recent.popitem(last=False)
        return tagged

    async def _example(self, subscription: Subscription) -> tuple[TaggedReport | None, Matched | None]:
        """The newest report that the filter would have matched: what the alert will look like."""
        compiled = CompiledFilter.of(subscription.filter)
        topics = subscription.filter.topics
        topic = topics[0] if len(topics) == 1 else None
        async for tagged in self.reports.scan(topic, EXAMPLES_LOOKED_AT):
            matched = find_match(compiled, tagged, text_of(tagged))
            if matched is not None:
                return tagged, matched
        return None, None
