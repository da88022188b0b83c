"""notify's delivering half on a real Redis, with any channel at its end."""

import asyncio
from typing import Any

from services.notify.adapters.cases import Cases
from services.notify.adapters.courier import Courier
from services.notify.adapters.deliverer import Deliverer
from services.notify.adapters.digests import Digests
from services.notify.adapters.endpoints import Endpoints
from services.notify.adapters.ledger import Ledger
from services.notify.adapters.mail_budget import MailBudget
from services.notify.adapters.renderer import Renderer
from services.notify.adapters.standing import Standing
from services.notify.channels.mail_templates import load_templates
from services.notify.core.lanes import Lanes
from shared.bus import Bus
from shared.deliveries import DeliveryLog
from shared.links import Links
from shared.report_store import ReportStore
from shared.subscription_store import SubscriptionStore


def make_deliverer(bus: Bus, cases: Cases, channel: Any, schedule: tuple[float, ...]) -> Deliverer:
    """A deliverer that sends webhooks and mails by the channel, two at once to an endpoint."""
    reports, links = ReportStore(bus.redis, bus.names), Links("http://x", b"k")
    renderer = Renderer(reports, links, "a@b.example", load_templates(), Digests(bus))
    asking, log = asyncio.Semaphore(20), DeliveryLog(bus)
    endpoints = Endpoints(bus, at_once=2, rate=1000, mails_at_once=2, mail_rate=1000)
    standing = Standing(SubscriptionStore(bus), log, asking)
    return Deliverer(
        cases=cases,
        deliveries=log,
        endpoints=endpoints,
        lanes=Lanes(10),
        courier=Courier(cases, renderer, MailBudget(bus, 2), webhooks=channel, mails=channel, chats=channel),
        ledger=Ledger(bus, endpoints, standing, schedule, disable_after_days=5),
        asking=asking,
    )
