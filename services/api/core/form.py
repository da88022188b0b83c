"""The form that sets an alert: what was typed, and the wish it makes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from services.api.core.problem import FieldError
from services.api.core.wording import endpoint_in_words
from shared.countries import country_names, find_country
from shared.endpoints import KEPT, ChatEndpoint, Endpoint, WebhookEndpoint
from shared.events import Frozen
from shared.subscriptions import Subscription

_WHERE = {
    "email": ("channel", "address"),
    "webhook": ("channel", "url", "headers", "signature"),
    "chat": ("channel", "service", "url", "token", "room"),
}


class AlertForm(Frozen):
    """What was typed, kept as it is: a form that comes back with errors holds it again."""

    topics: tuple[str, ...] = ()
    query: str = ""
    countries: str = ""
    name: str = ""
    channel: str = ""
    address: str = ""
    url: str = ""
    signature: str = "v1"
    headers: str = ""
    service: str = ""
    token: str = ""
    room: str = ""
    second: str = ""
    stories: str = "once"
    mode: str = "instant"
    at: str = ""
    timezone: str = ""
    quiet_from: str = ""
    quiet_to: str = ""
    do: str = ""
    """The button, if it is not the one that sends the form."""
    key: str = ""
    """What opens the subscription that is changed."""


def form_of(subscription: Subscription) -> AlertForm:
    """Return the form as it would have been filled in for this subscription, without what only its owner knows."""
    wanted, schedule = subscription.filter, subscription.schedule
    quiet = schedule.quiet_hours
    return AlertForm(
        **_typed(subscription.channel),
        topics=wanted.topics,
        query=wanted.query or "",
        countries=", ".join(country_names().get(code, code) for code in wanted.countries),
        name=subscription.name,
        stories="once" if subscription.one_per_story else "every",
        mode=schedule.mode,
        at=schedule.at,
        timezone=schedule.timezone,
        quiet_from=quiet.start if quiet else "",
        quiet_to=quiet.end if quiet else "",
        second=endpoint_in_words(subscription.fallback) if subscription.fallback else "",
    )


def _typed(channel: Endpoint) -> dict[str, str]:
    if isinstance(channel, WebhookEndpoint):
        headers = "\n".join(f"{name}: {KEPT}" for name in channel.headers)
        return {"channel": "webhook", "url": channel.url, "signature": channel.signature, "headers": headers}
    if isinstance(channel, ChatEndpoint):
        # The rest is what lets one write there.
        return {"channel": "chat", "service": channel.service, "room": channel.room}
    return {"channel": "email", "address": channel.address}


def change_fields(form: AlertForm, subscription: Subscription) -> dict[str, Any]:
    """Return what the form changes; what it does not show stays as it is."""
    what = what_and_when(form)
    wanted = subscription.filter.model_dump(include={"languages", "sources"})
    schedule = subscription.schedule.model_dump(include={"at_most_per_hour", "snooze_until", "expires_at"})
    fields = {
        "name": form.name,
        "filter": wanted | what["filter"],
        "schedule": schedule | what["schedule"],
        "one_per_story": what["one_per_story"],
    }
    shown = form_of(subscription)
    if any(getattr(form, name) != getattr(shown, name) for name in _WHERE.get(form.channel, ())):
        fields["channel"] = _endpoint(form) | _kept(form, subscription.channel)
    if form.second.strip() != shown.second:
        fields["fallback"] = _second(form.second.strip())
    return fields


def _kept(form: AlertForm, channel: Endpoint) -> dict[str, Any]:
    """Return what was left as it is of an endpoint of the same kind: nobody is shown it, to type it again.

    It goes to no other host than before: whoever holds the page's key may change where to, and is not to learn it so.
    """
    if isinstance(channel, WebhookEndpoint) and form.channel == "webhook":
        known = channel.headers if _host_of(form.url) == _host_of(channel.url) else {}
        typed = _headers(form.headers).items()
        return {"headers": {name: known.get(name, text) if text == KEPT else text for name, text in typed}}
    if isinstance(channel, ChatEndpoint) and (form.channel, form.service) == ("chat", channel.service):
        if form.url.strip() and _host_of(form.url) != _host_of(channel.url):
            return {}
        kept = {"url": channel.url} if not form.url.strip() else {}
        return kept | ({"token": channel.token} if not form.token.strip() else {})
    return {}


def _host_of(url: str) -> tuple[str, str | None, int | None] | None:
    """What has to be the same for a request to reach the same server; None if there is no telling."""
    try:
        parts = urlsplit(url.strip())
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None


def wish_fields(form: AlertForm) -> dict[str, Any]:
    """Return the form as the JSON API would be sent it."""
    fallback = _second(form.second.strip())
    return {**what_and_when(form), "name": form.name, "channel": _endpoint(form), "fallback": fallback}


def _endpoint(form: AlertForm) -> dict[str, Any]:
    url = {"url": form.url.strip()} if form.url.strip() else {}
    if form.channel == "webhook":
        typed = {"headers": _headers(form.headers), "signature": form.signature}
        return {"type": "webhook", "url": form.url, **typed}
    if form.channel == "chat":
        return {"type": "chat", "service": form.service, "token": form.token, "room": form.room, **url}
    return {"type": form.channel or "email", "address": form.address}


def _headers(typed: str) -> dict[str, str]:
    """One on each line, as in `Authorization: Bearer abc`."""
    pairs = (line.partition(":") for line in typed.splitlines() if line.strip())
    return {name.strip(): content.strip() for name, _, content in pairs}


def _second(typed: str) -> dict[str, Any] | None:
    if not typed:
        return None
    is_web = typed.startswith(("http://", "https://"))
    return {"type": "webhook", "url": typed} if is_web else {"type": "email", "address": typed}


def what_and_when(form: AlertForm) -> dict[str, Any]:
    """Return the part of a wish that a preview needs."""
    schedule: dict[str, Any] = {"mode": form.mode}
    if form.at.strip():
        schedule["at"] = form.at.strip()
    if form.timezone.strip():
        schedule["timezone"] = form.timezone.strip()
    if form.quiet_from.strip() or form.quiet_to.strip():
        schedule["quiet_hours"] = {"from": form.quiet_from.strip(), "to": form.quiet_to.strip()}
    return {
        "filter": {
            "topics": list(form.topics),
            "query": form.query.strip() or None,
            "countries": _countries(form.countries),
        },
        "schedule": schedule,
        "one_per_story": form.stories != "every",
    }


def _countries(typed: str) -> list[str]:
    """Codes, of codes or names with commas between; what is neither stays, to be refused by name."""
    names = [name.strip() for name in re.split(r"[,;\n]", typed) if name.strip()]
    return [find_country(name) or name for name in names]


_PLACES = {"fallback": "second", "quiet_hours": "quiet"} | dict.fromkeys(
    ("channel", "service", "token", "room"), "url"
)
_SHOWN = {"filter", "topics", "query", "countries", "at", "timezone", "quiet"}
_SHOWN |= {"address", "url", "headers", "second", "name"}


def errors_by_field(errors: Sequence[FieldError]) -> Mapping[str, str]:
    """Return the errors for the places in the form that they belong to; `form` is for those with no place."""
    found: dict[str, str] = {}
    for error in errors:
        part, *within = error.field.split(".")
        name = within[0] if within and part in ("filter", "schedule", "channel") else part
        place = _PLACES.get(name, name if name in _SHOWN else "form")
        found[place] = f"{found[place]}; {error.detail}" if place in found else error.detail
    return found
