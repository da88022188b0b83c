"""notify: reports.tagged.v1 -> deliveries.v1 -> webhook, email

tagged report -> find subscriptions -> owe deliveries -> attempt -> delivered, or later, or given up.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version

import structlog
from redis.exceptions import RedisError

from services.notify.adapters.active import ActiveSubscriptions
from services.notify.adapters.cases import Cases
from services.notify.adapters.deliverer import Deliverer
from services.notify.adapters.renderer import Renderer
from services.notify.channels.email import OutboxChannel, SmtpChannel
from services.notify.channels.mail_templates import load_templates
from services.notify.channels.webhook import WebhookChannel
from services.notify.core.channel import MailSender
from services.notify.settings import NotifySettings
from shared.address_guard import AddressGuard
from shared.bus import Entry, Outcome
from shared.deliveries import DeliveryLog
from shared.delivery import owed_report
from shared.events import ReportTagged
from shared.report_store import ReportStore
from shared.server_key import server_key
from shared.service import App
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import Links, text_of

log = structlog.get_logger()

QUEUE_SECONDS = 0.5


def make_app(settings: NotifySettings) -> App:
    """Return the service."""
    app = App("notify", settings)
    bus, names = app.bus, settings.names
    store, deliveries = SubscriptionStore(bus), DeliveryLog(bus)
    active, cases = ActiveSubscriptions(bus, store), Cases(bus)
    webhooks = WebhookChannel(
        AddressGuard(settings.allow_hosts),
        lambda: datetime.now(UTC),
        deadline=settings.attempt_timeout,
        user_agent=f"Tocsin/{version('tocsin')} (+{settings.public_url})",
    )
    mails = _mail_channel(settings)
    deliverer: Deliverer

    async def on_tagged_report(entry: Entry) -> Outcome:
        tagged = entry.event(ReportTagged).data
        text, now = text_of(tagged), datetime.now(UTC)
        wanting = [subscription for subscription, _ in active.wanted.find(tagged, text)]
        owed = [owed_report(subscription, tagged.report.id, now) for subscription in wanting]
        if owed:
            cases.remember(tagged, text)
            await deliveries.owe(owed)
        return Outcome()

    async def on_delivery(entry: Entry) -> Outcome:
        return await deliverer.on_delivery(entry)

    @asynccontextmanager
    async def ready() -> AsyncIterator[None]:
        nonlocal deliverer
        await active.load()
        # Thousands of conditions that live for ever: the collector need not look at them again and again.
        gc.collect()
        gc.freeze()
        links = Links(settings.public_url, await server_key(bus.redis, names))
        renderer = Renderer(ReportStore(bus.redis, names), links, settings.mail_from, load_templates())
        async with webhooks:
            deliverer = Deliverer(
                bus,
                store,
                cases,
                renderer,
                webhooks,
                mails,
                settings.retry_schedule,
                settings.endpoint_concurrency,
            )
            yield

    async def queue_due() -> None:
        while True:
            moved = 0
            try:
                moved = await deliveries.queue_due(datetime.now(UTC))
            except RedisError as e:
                log.warning("nothing queued for now", error=str(e))
            await asyncio.sleep(0 if moved else QUEUE_SECONDS)

    app.consume(names.tagged, on_tagged_report)
    app.consume(names.deliveries, on_delivery, batch=50, concurrency=settings.deliver_concurrency)
    app.resource(ready)
    app.trim(names.subscription_changes)
    app.background(active.follow)
    app.background(queue_due)
    return app


def _mail_channel(settings: NotifySettings) -> MailSender:
    if settings.smtp_url is not None:
        return SmtpChannel(settings.smtp_url.get_secret_value())
    outbox = (settings.data_dir / "outbox").absolute()
    log.warning("TOCSIN_SMTP_URL is not set: mails are written to files instead of sent", folder=str(outbox))
    return OutboxChannel(outbox)
