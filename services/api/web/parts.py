"""What every route works with, made once for an app."""

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Query, Request

from services.api.adapters.broadcast import Broadcast
from services.api.adapters.recent_reports import RecentReports
from services.api.adapters.subscription_desk import SubscriptionDesk
from services.api.adapters.tagged_stream import TaggedStream
from services.api.core.asked import Asked, read_asked
from services.api.core.problem import Forbidden
from services.api.settings import ApiSettings
from services.api.web.pages import Pages
from shared.bus import Bus
from shared.catalogue import TopicSummary, followable, read_catalogue
from shared.countries import country_names
from shared.links import Purpose, opens, sign_link
from shared.report_store import ReportStore
from shared.server_key import server_key


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts, and the few questions that many routes ask of them."""

    bus: Bus
    settings: ApiSettings
    desk: SubscriptionDesk
    reports: ReportStore
    stream: TaggedStream
    broadcast: Broadcast
    pages: Pages
    recent: RecentReports
    started: float

    async def topics(self) -> tuple[TopicSummary, ...]:
        """Return the topics that the running rulebook knows."""
        return await read_catalogue(self.bus.redis, self.bus.names)

    async def asked(self, given: Iterable[tuple[str, str]], others: Collection[str] = ()) -> Asked:
        """Return what the parameters of an address ask for; raise Problem (400)."""
        topics = followable(await self.topics())
        return read_asked(given, topics=topics, countries=country_names(), others=others)

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


def make_parts(bus: Bus, settings: ApiSettings, recent: RecentReports | None = None) -> Parts:
    """Return the parts of a connected bus."""
    desk = SubscriptionDesk(
        bus,
        allow=settings.allow_hosts,
        signups_per_hour=settings.signups_per_hour,
        sign_up_token=settings.sign_up_token,
    )
    stream = TaggedStream(bus.redis, bus.names)
    return Parts(
        bus=bus,
        settings=settings,
        desk=desk,
        reports=ReportStore(bus.redis, bus.names),
        stream=stream,
        broadcast=Broadcast(stream, most=settings.events_clients),
        pages=Pages(),
        recent=recent or RecentReports(bus, days=settings.preview_days),
        started=time.monotonic(),
    )


def _parts_of(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


PartsOf = Annotated[Parts, Depends(_parts_of)]


def host_of(request: Request) -> str:
    """Return the address that a request comes from, as uvicorn has it (behind a trusted proxy: what that says)."""
    return request.client.host if request.client else "unknown"


HostOf = Annotated[str, Depends(host_of)]


async def _asked_of(
    request: Request,
    parts: PartsOf,
    topic: Annotated[  # noqa: ARG001
        list[str] | None, Query(description="Ids of topics: any of them.", examples=[["displacement"]])
    ] = None,
    country: Annotated[  # noqa: ARG001
        list[str] | None, Query(description="ISO 3166-1 alpha-2: any of them.", examples=[["SD", "TD"]])
    ] = None,
    q: Annotated[  # noqa: ARG001
        str | None,
        Query(description="Words, as in a filter.", examples=['"humanitarian corridor" OR evacuat*']),
    ] = None,
) -> Asked:
    # The names above are for the description; the values are read with their other spellings, and with commas.
    own = [parameter.alias for parameter in request.scope["route"].dependant.query_params]
    return await parts.asked(request.query_params.multi_items(), own)


AskedOf = Annotated[Asked, Depends(_asked_of)]
"""What is asked for by `topic`, `country` and `q`; any other parameter that the route has not is a Problem (400)."""
