"""notify: reports.tagged.v1 -> deliveries.v1 -> webhook, email

tagged report -> find subscriptions -> decide -> owe deliveries, now or in a digest
delivery -> attempt -> delivered, or later, or given up
"""

import asyncio
import gc
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version

import structlog
from redis.exceptions import RedisError

from services.notify.adapters.active import ActiveSubscriptions
from services.notify.adapters.cases import Cases
from services.notify.adapters.courier import Courier
from services.notify.adapters.deliverer import Deliverer
from services.notify.adapters.digests import Digests
from services.notify.adapters.endpoints import Endpoints
from services.notify.adapters.fan_out import FanOut
from services.notify.adapters.ledger import Ledger
from services.notify.adapters.mail_budget import MailBudget
from services.notify.adapters.renderer import Renderer
from services.notify.adapters.standing import Standing
from services.notify.channels.chat import ChatChannel
from services.notify.channels.email import OutboxChannel, SmtpChannel
from services.notify.channels.mail_templates import load_templates
from services.notify.channels.webhook import WebhookChannel
from services.notify.core.channel import MailSender
from services.notify.core.lanes import Lanes
from services.notify.settings import NotifySettings
from shared import tracing
from shared.address_guard import AddressGuard
from shared.consumer import Consumer, side_by_side
from shared.decision import news_of
from shared.deliveries import DeliveryLog
from shared.entries import Entry, Outcome
from shared.events import ReportTagged
from shared.links import Links
from shared.report_store import ReportStore
from shared.server_key import server_key
from shared.service import App
from shared.subscription_store import SubscriptionStore
from shared.subscriptions import document_of

log = structlog.get_logger()

DIGEST_LOOK_SECONDS = 0.5
# Hundreds of attempts may end at once: each would open a connection to Redis of its own.
ASKING_AT_ONCE = 20
OTHER_FILES = 200
SIDE_BY_SIDE = 16
GARBAGE_LOOK = 100_000


def make_app(settings: NotifySettings) -> App:
    """Return the service."""
    app = App("notify", settings)
    bus, names = app.bus, settings.names
    store, deliveries = SubscriptionStore(bus), DeliveryLog(bus)
    cases, fan_out = Cases(bus), FanOut(bus)
    active = ActiveSubscriptions(bus, store, lambda subscription_id: deliverer.changed(subscription_id))
    webhooks = WebhookChannel(
        AddressGuard(settings.allow_hosts),
        lambda: datetime.now(UTC),
        deadline=settings.attempt_timeout,
        connections=_connections(settings.deliver_concurrency),
        user_agent=f"Tocsin/{version('tocsin')} (+{settings.public_url})",
    )
    chats = ChatChannel(
        AddressGuard(settings.allow_hosts),
        lambda: datetime.now(UTC),
        deadline=settings.attempt_timeout,
        connections=_connections(settings.deliver_concurrency),
        user_agent=f"Tocsin/{version('tocsin')} (+{settings.public_url})",
    )
    mails = _mail_channel(settings)
    deliverer: Deliverer

    async def on_tagged_report(entry: Entry) -> Outcome:
        tagged = entry.event(ReportTagged).data
        tracing.note(report=tagged.report.id, revision=tagged.report.revision)
        document = document_of(tagged)
        wanting = active.wanted.find(document)
        if wanting:
            cases.remember(tagged, document)
            await fan_out.tell(news_of(tagged, document), wanting)
        return Outcome()

    async def on_deliveries(consumer: Consumer, entries: list[Entry]) -> None:
        await deliverer.on_deliveries(consumer, entries)

    async def hold_what_cannot_go() -> None:
        await deliverer.hold_what_cannot_go()

    async def look_after_those_who_wait() -> None:
        await deliverer.look_after_those_who_wait()

    @asynccontextmanager
    async def ready() -> AsyncIterator[None]:
        nonlocal deliverer
        # Thousands of conditions that live for ever: the collector need not look at them again and again. Nor is what
        # a delivery makes its business: hardly any of it is in a ring.
        gc.disable()
        await active.load()
        gc.enable()
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_LOOK)
        links = Links(settings.public_url, await server_key(bus.redis, names))
        renderer = Renderer(
            ReportStore(bus.redis, names), links, settings.mail_from, load_templates(), Digests(bus)
        )
        async with webhooks, chats:
            asking = asyncio.Semaphore(ASKING_AT_ONCE)
            endpoints = Endpoints(
                bus,
                at_once=settings.endpoint_concurrency,
                rate=settings.endpoint_rate,
                mails_at_once=settings.mail_concurrency,
                mail_rate=settings.mail_rate,
            )
            budget = MailBudget(bus, settings.mails_per_hour)
            standing = Standing(store, deliveries, asking)
            deliverer = Deliverer(
                cases=cases,
                deliveries=deliveries,
                endpoints=endpoints,
                lanes=Lanes(settings.deliver_concurrency),
                courier=Courier(cases, renderer, budget, webhooks=webhooks, mails=mails, chats=chats),
                ledger=Ledger(bus, endpoints, standing, settings.retry_schedule, settings.disable_after_days),
                asking=asking,
            )
            yield
        if isinstance(mails, SmtpChannel):
            await mails.close()

    async def queue_digests() -> None:
        while True:
            moved = 0
            try:
                moved = await fan_out.queue_digests(datetime.now(UTC))
            except RedisError as e:
                log.warning("no digests queued for now", error=str(e))
            await asyncio.sleep(0 if moved else DIGEST_LOOK_SECONDS)

    # Side by side, so that a burst does not wait for one round trip after the other.
    app.consume(names.tagged, side_by_side(on_tagged_report, SIDE_BY_SIDE))
    app.consume(names.deliveries, on_deliveries, batch=200)
    app.resource(ready)
    app.trim(names.subscription_changes)
    app.background(active.follow)
    app.background(queue_digests)
    app.background(hold_what_cannot_go)
    app.background(look_after_those_who_wait)
    return app


def _connections(at_once: int) -> int:
    """Return how many connections may be open: twice the attempts at once, if the system allows for so many files.

    Were it no more than those, each attempt at one host would close what is kept for another while many hang.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(at_once, min(2 * at_once, files - OTHER_FILES))


def _mail_channel(settings: NotifySettings) -> MailSender:
    if settings.smtp_url is not None:
        return SmtpChannel(
            settings.smtp_url.get_secret_value(), password_in_clear=settings.smtp_password_in_clear
        )
    outbox = (settings.data_dir / "outbox").absolute()
    log.warning("TOCSIN_SMTP_URL is not set: mails are written to files instead of sent", folder=str(outbox))
    return OutboxChannel(outbox)
