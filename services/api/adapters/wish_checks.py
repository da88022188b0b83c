"""What is checked of a wish before it is taken, with what there is now: topics, feeds, addresses."""

from collections.abc import Collection, Sequence

from services.api.adapters.feeds import read_titles
from services.api.core.checks import (
    check_countries,
    check_headers,
    check_languages,
    check_query,
    check_shown,
    check_signatures,
    check_slips,
    check_topics,
    mail_address,
)
from services.api.core.problem import FieldError, Invalid, NotReady
from shared.address_guard import ForbiddenURL, check_url
from shared.bus import Bus
from shared.catalogue import followable, read_catalogue
from shared.endpoints import ChatEndpoint, EmailEndpoint, Endpoint, WebhookEndpoint, is_same
from shared.setting_shapes import Network
from shared.subscriptions import Filter, Wish


class WishChecks:
    """Says what is wrong, everything at once. `allow` are networks that webhooks may reach although not public."""

    def __init__(self, bus: Bus, allow: Sequence[Network] = ()) -> None:
        self._bus = bus
        self._allow = tuple(allow)

    async def check_filter(self, wanted: Filter) -> None:
        """Raise Invalid if a filter names what there is not."""
        if errors := await self._errors_in(wanted):
            raise Invalid(errors)

    async def checked(self, wish: Wish, named: Collection[str] = ("filter", "channel", "fallback")) -> Wish:
        """Return the wish with its endpoints normalised; raise Invalid with everything that is wrong."""
        errors = await self._errors_in(wish.filter) if "filter" in named else []
        endpoints = {}
        for name in {"channel", "fallback"} & {*named}:
            endpoint = getattr(wish, name)
            try:
                endpoints[name] = self._normalised(endpoint) if endpoint else None
            except ValueError as e:
                field = "address" if isinstance(endpoint, EmailEndpoint) else "url"
                errors.append(FieldError(f"{name}.{field}", str(e)))
            if isinstance(endpoint, ChatEndpoint):
                errors += [FieldError(f"{name}.{field}", words) for field, words in check_shown(endpoint)]
            if isinstance(endpoint, WebhookEndpoint):
                errors += [FieldError(f"{name}.headers", each) for each in check_headers(endpoint.headers)]
        wish = wish.model_copy(update=endpoints)
        if wish.fallback and is_same(wish.fallback, wish.channel):
            errors.append(FieldError("fallback", "the second channel is the same as the first"))
        if {"channel", "fallback"} & {*named}:
            errors += check_signatures(wish.channel, wish.fallback)
        if errors:
            raise Invalid(errors)
        return wish

    def _normalised(self, endpoint: Endpoint) -> Endpoint:
        if isinstance(endpoint, EmailEndpoint):
            return endpoint.model_copy(update={"address": mail_address(endpoint.address)})
        try:
            return endpoint.model_copy(update={"url": check_url(endpoint.url, self._allow)})
        except ForbiddenURL:
            self._bus.counters.add("forbidden_urls")
            raise

    async def _errors_in(self, wanted: Filter) -> list[FieldError]:
        catalogue = await read_catalogue(self._bus.redis, self._bus.names)
        if not catalogue:
            raise NotReady("the rulebook is not loaded yet; is classify running?")
        topics = list(followable(catalogue))
        errors = check_topics(wanted.topics, topics)
        errors += check_countries(wanted.countries) + check_query(wanted.query, topics)
        errors += check_slips(wanted.query) + check_languages(wanted.languages)
        known = await read_titles(self._bus, wanted.sources)
        unknown = [source for source in wanted.sources if source not in known]
        return errors + [
            FieldError("filter.sources", f"no feed has the id {source[:60]!r}; GET /v1/feeds lists them")
            for source in unknown
        ]
