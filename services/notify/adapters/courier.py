"""Carries what is owed to its channel: is it wanted now? -> render -> send."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.notify.adapters.cases import Cases
from services.notify.adapters.mail_budget import MailBudget
from services.notify.adapters.renderer import Renderer, Unsendable
from services.notify.core.case import Case, Wanting, addressed, rests_until
from services.notify.core.channel import ChatSender, DeliveryError, MailSender, Sent, WebhookSender
from shared import tracing
from shared.endpoints import ChatEndpoint, WebhookEndpoint


class NotNow(Exception):
    """It waits until a moment, the argument, without that being an attempt."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


@dataclass
class Courier:
    """Makes attempts, each the whole way to the receiver's answer."""

    cases: Cases
    renderer: Renderer
    mail_budget: MailBudget
    webhooks: WebhookSender
    mails: MailSender
    chats: ChatSender

    async def current(self, case: Case, now: float) -> Wanting:
        """Return the subscription as it is now: it may have been removed, or paused, while the delivery waited.

        Raise Cancelled or NotNow.
        """
        wanting = addressed(case.delivery, await self.cases.wanting(case.delivery.subscription, now))
        if until := rests_until(case.delivery, wanting.subscription, datetime.now(UTC)):
            raise NotNow(until)
        return wanting

    def carry(self, case: Case, wanting: Wanting) -> Awaitable[Sent]:
        """Return what the receiver said; raise DeliveryError, Unsendable, NotNow."""
        if case.telling and case.telling.traceparent:
            return self._traced(case, wanting, case.telling.traceparent)
        return self._carry(case, wanting)

    async def _traced(self, case: Case, wanting: Wanting, parent: str) -> Sent:
        delivery, channel = case.delivery, wanting.subscription.channel
        with tracing.follow(
            "deliver", parent, delivery=delivery.id, channel=channel.type, attempt=delivery.attempts + 1
        ):
            return await self._carry(case, wanting)

    async def _carry(self, case: Case, wanting: Wanting) -> Sent:
        channel = wanting.subscription.channel
        if isinstance(channel, WebhookEndpoint):
            return await self.webhooks.send(await self.renderer.webhook(case, wanting), channel)
        if isinstance(channel, ChatEndpoint):
            return await self.chats.send(await self.renderer.chat(case, wanting), channel)
        if seconds := await self.mail_budget.take(channel.address):
            raise NotNow(datetime.now(UTC) + timedelta(seconds=seconds))
        try:
            return await self.mails.send(await self.renderer.mail(case, wanting), channel)
        except (DeliveryError, Unsendable):
            await self.mail_budget.give_back(channel.address)
            raise
