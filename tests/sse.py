"""A client of server-sent events, as plain as can be: it reads what a browser's EventSource would."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp


@dataclass
class ServerSentEvent:
    """One event. `id` is the Last-Event-ID after it, `event` its name if it has one."""

    id: str
    event: str
    data: str


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[ServerSentEvent]:
    """Yield the events of an answer, those without data as well: they move the Last-Event-ID on."""
    last_id, event, data = "", "", ""
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            last_id = value
        elif name == "event":
            event = value
        elif name == "data":
            data = value
        elif not line:
            yield ServerSentEvent(last_id, event, data)
            event = data = ""
