"""What every route works with, made once for an app."""

import time
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from services.api.adapters.subscription_desk import SubscriptionDesk
from services.api.core.problem import Forbidden
from services.api.settings import ApiSettings
from services.api.web.pages import Pages
from shared.bus import Bus
from shared.catalogue import TopicSummary, read_catalogue
from shared.report_store import ReportStore
from shared.server_key import server_key
from shared.subscriptions import Purpose, opens, sign_link


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts, and the few questions that many routes ask of them."""

    bus: Bus
    settings: ApiSettings
    desk: SubscriptionDesk
    reports: ReportStore
    pages: Pages
    started: float

    async def topics(self) -> tuple[TopicSummary, ...]:
        """Return the topics that the running rulebook knows."""
        return await read_catalogue(self.bus.redis, self.bus.names)

    async def check_key(self, purpose: Purpose, subscription_id: str, key: str) -> None:
        """Raise Forbidden unless the key of a link opens this."""
        # compare_digest takes no other characters.
        if not key.isascii() or not opens(await self.key(), purpose, subscription_id, key):
            raise Forbidden("this link does not open anything: it may have been cut short on its way to you")

    async def link_key(self, purpose: Purpose, subscription_id: str) -> str:
        """Return the key of a link, for somebody who has shown that it is theirs."""
        return sign_link(await self.key(), purpose, subscription_id)

    async def key(self) -> bytes:
        """Return the installation's key, which signs links and sessions."""
        return await server_key(self.bus.redis, self.bus.names)


def make_parts(bus: Bus, settings: ApiSettings) -> Parts:
    """Return the parts of a connected bus."""
    desk = SubscriptionDesk(bus, allow=settings.allow_hosts, signups_per_hour=settings.signups_per_hour)
    return Parts(bus, settings, desk, ReportStore(bus.redis, bus.names), Pages(), time.monotonic())


def _parts_of(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


PartsOf = Annotated[Parts, Depends(_parts_of)]


def host_of(request: Request) -> str:
    """Return the address that a request comes from, as uvicorn has it (behind a trusted proxy: what that says)."""
    return request.client.host if request.client else "unknown"


HostOf = Annotated[str, Depends(host_of)]
