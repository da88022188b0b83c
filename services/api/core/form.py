"""The form that sets an alert: what was typed, and the wish it makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.api.core.problem import FieldError


@dataclass(frozen=True, slots=True)
class AlertForm:
    """What was typed, kept as it is: a form that comes back with errors holds it again."""

    topics: tuple[str, ...] = ()
    query: str = ""
    name: str = ""
    channel: str = "email"
    address: str = ""
    url: str = ""


def wish_fields(form: AlertForm) -> dict[str, Any]:
    """Return the form as the JSON API would be sent it."""
    endpoint = {"url": form.url} if form.channel == "webhook" else {"address": form.address}
    return {
        "name": form.name,
        "filter": {"topics": list(form.topics), "query": form.query.strip() or None},
        "channel": {"type": form.channel, **endpoint},
    }


def errors_by_field(errors: Sequence[FieldError]) -> Mapping[str, str]:
    """Return the errors for the places in the form that they belong to; `form` is for those with no place."""
    places = {
        "filter": "filter",
        "filter.topics": "topics",
        "filter.query": "query",
        "channel.address": "address",
        "channel.url": "url",
        "name": "name",
    }
    found: dict[str, str] = {}
    for error in errors:
        place = next((places[start] for start in _starts(error.field) if start in places), "form")
        found[place] = f"{found[place]}; {error.detail}" if place in found else error.detail
    return found


def _starts(field: str) -> list[str]:
    """`filter.topics.3` is shown where `filter.topics` is."""
    parts = field.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
