"""Chat services on this machine: what arrives there, and what their answers come to."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web

from services.notify.channels.chat import ChatChannel
from services.notify.core.channel import ChatMessage, DeliveryError, Sent
from shared.address_guard import AddressGuard
from shared.endpoints import ChatEndpoint
from tests.processes import until
from tests.raw_server import raw_server

OPEN, CLOSED = AddressGuard((ip_network("127.0.0.0/8"),)), AddressGuard()
MESSAGE = ChatMessage(
    "dlv_1", "Buses leave", ("displacement | Courier",), "https://alerts.example/reports/r1"
)


class Service:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, Any]]] = []
        self.answer = web.Response
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.raw_path, await request.json()))
        return self.answer()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service, app = Service(), web.Application()
    app.router.add_route("*", "/{path:.*}", service.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


async def send(endpoint: dict[str, str], guard: AddressGuard = OPEN) -> Sent:
    channel = ChatChannel(guard, lambda: datetime.now(UTC), deadline=2, user_agent="Tocsin")
    async with channel:
        return await channel.send(MESSAGE, ChatEndpoint.model_validate({"type": "chat", **endpoint}))


async def test_a_message_arrives_where_it_should(service: Service) -> None:
    await send({"service": "mattermost", "url": f"{service.url}/hooks/x"})
    await send({"service": "ntfy", "url": f"{service.url}/duty"})
    await send({"service": "matrix", "url": service.url, "token": "t", "room": "!r:x"})
    assert [(method, path) for method, path, _ in service.seen] == [
        ("POST", "/hooks/x"),
        ("POST", "/"),
        ("PUT", "/_matrix/client/v3/rooms/%21r%3Ax/send/m.room.message/dlv_1"),
    ]
    assert "Buses leave" in service.seen[0][2]["text"]


async def test_the_method_of_one_request_is_not_the_next_ones(service: Service) -> None:
    matrix = ChatEndpoint(type="chat", service="matrix", url=service.url, token="t", room="!r:x")
    hook = ChatEndpoint(type="chat", service="rocketchat", url=f"{service.url}/hooks/x")
    channel = ChatChannel(OPEN, lambda: datetime.now(UTC), deadline=2, user_agent="Tocsin")
    async with channel:
        for endpoint in (matrix, hook, matrix, hook):
            await channel.send(MESSAGE, endpoint)
    assert [method for method, _, _ in service.seen] == ["PUT", "POST"] * 2


@pytest.mark.parametrize(
    ("status", "gone", "overloaded"),
    [(410, True, False), (404, False, False), (429, False, True), (500, False, False)],
)
async def test_what_a_service_answers(service: Service, status: int, gone: bool, overloaded: bool) -> None:
    service.answer = lambda: web.Response(status=status, text="no", headers={"Retry-After": "7"})
    with pytest.raises(DeliveryError, match=f"answered {status}: no") as caught:
        await send({"service": "mattermost", "url": f"{service.url}/hooks/x"})
    assert (caught.value.gone, caught.value.overloaded, caught.value.retry_after) == (gone, overloaded, 7)


async def test_how_long_to_wait_may_be_said_in_the_body(service: Service) -> None:
    service.answer = lambda: web.json_response({"parameters": {"retry_after": 37}}, status=429)
    with pytest.raises(DeliveryError) as caught:
        await send({"service": "mattermost", "url": f"{service.url}/hooks/x"})
    assert caught.value.retry_after == 37


async def test_an_answer_that_breaks_off_within_its_head_is_none() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        writer.close()

    async with raw_server(answer) as port:
        with pytest.raises(DeliveryError, match="broke off within its head"):
            await send({"service": "mattermost", "url": f"http://127.0.0.1:{port}/hooks/x"})


async def test_no_address_inside_is_reached(service: Service) -> None:
    for named in ("mattermost", "rocketchat", "ntfy"):
        with pytest.raises(DeliveryError, match="not a public address") as caught:
            await send({"service": named, "url": f"{service.url}/hooks/x"}, CLOSED)
        assert caught.value.permanent
    assert service.seen == []


async def test_one_that_is_well_does_not_wait_for_those_who_hang(service: Service) -> None:
    asked, go_on = 0, asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        await go_on.wait()
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hang)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hanging = ChatEndpoint(
        type="chat", service="mattermost", url=f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/x"
    )
    well = ChatEndpoint(type="chat", service="mattermost", url=f"{service.url}/hooks/x")
    async with ChatChannel(OPEN, lambda: datetime.now(UTC), deadline=30, user_agent="Tocsin") as channel:
        waiting = [asyncio.ensure_future(channel.send(MESSAGE, hanging)) for _ in range(200)]
        await until(lambda: asked == len(waiting))
        assert (await channel.send(MESSAGE, well)).status == 200
        go_on.set()
        await asyncio.gather(*waiting)
    await runner.cleanup()
