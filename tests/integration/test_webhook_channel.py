"""Webhooks to real servers on this machine: signed, guarded, and never waiting past the deadline."""

import asyncio
import re
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from services.notify.channels.webhook import WebhookChannel
from services.notify.core.answer import ANSWER_LIMIT
from services.notify.core.channel import DeliveryError, Sent, WebhookMessage
from shared.address_guard import AddressGuard
from shared.endpoints import WebhookEndpoint
from shared.webhook_keys import make_secret
from tests.message_builders import webhook_to
from tests.raw_server import Connected, raw_server

OPEN = AddressGuard((ip_network("127.0.0.0/8"), ip_network("::1/128")))
CLOSED = AddressGuard()
OLD, SECRET = make_secret(bytes(32)), make_secret(bytes(range(32)))
MESSAGE = WebhookMessage(
    "dlv_1", '{"type":"report.matched","data":{"title":"Евакуація"}}'.encode(), (SECRET, OLD)
)
DEADLINE = 1.0
# A key and a certificate of nobody's, made for the tests.
SELF_SIGNED = Path(__file__).with_name("self_signed.pem")


def now() -> datetime:
    return datetime.now(UTC)


class Receiver:
    """A web server that remembers what it was sent and answers what it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[], web.Response] = web.Response
        self.url = ""

    async def on_request(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        return self.answer()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.on_request)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


async def send(url: str, guard: AddressGuard = OPEN, deadline: float = DEADLINE) -> Sent:
    async with WebhookChannel(guard, now, deadline=deadline) as channel:
        return await channel.send(MESSAGE, webhook_to(url))


async def failure(url: str, guard: AddressGuard = OPEN, deadline: float = DEADLINE) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await send(url, guard, deadline)
    return caught.value


@pytest.mark.parametrize("secret", [SECRET, OLD])
async def test_the_receivers_own_library_verifies_the_post(receiver: Receiver, secret: str) -> None:
    await send(receiver.url)
    headers, body = receiver.requests[0]
    assert Webhook(secret).verify(body, headers)["type"] == "report.matched"
    assert body == MESSAGE.body


async def test_the_headers_say_who_and_what(receiver: Receiver) -> None:
    await send(receiver.url)
    headers, _ = receiver.requests[0]
    assert (headers["webhook-id"], headers["Content-Type"]) == ("dlv_1", "application/json")
    assert headers["User-Agent"].startswith("Tocsin")
    assert "Cookie" not in headers


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda: web.Response(status=status)
    assert (await send(receiver.url)).status == status


async def test_the_answer_is_kept_as_one_short_line(receiver: Receiver) -> None:
    receiver.answer = lambda: web.Response(text="taken\r\n\x1b[31mthank you\x00" + "!" * 900)
    detail = (await send(receiver.url)).detail
    assert detail.startswith("taken [31mthank you !")
    assert len(detail) == 200


async def test_cookies_are_not_kept(receiver: Receiver) -> None:
    receiver.answer = lambda: web.Response(headers={"Set-Cookie": "a=b; Path=/"})
    async with WebhookChannel(OPEN, now) as channel:
        for _ in range(3):
            await channel.send(MESSAGE, webhook_to(receiver.url))
    assert all("Cookie" not in headers for headers, _ in receiver.requests)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 500, 502, 503])
async def test_a_failure_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda: web.Response(status=status, text="no luck")
    error = await failure(receiver.url)
    assert (error.status, error.permanent, error.gone) == (status, False, False)
    assert str(error) == f"answered {status}: no luck"


async def test_410_is_for_good(receiver: Receiver) -> None:
    receiver.answer = lambda: web.Response(status=410)
    error = await failure(receiver.url)
    assert (error.gone, error.permanent) == (True, True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda: web.Response(status=status, headers={"Location": "/elsewhere"})
    error = await failure(receiver.url)
    assert "redirect" in str(error)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("value", ["120", "Sun, 01 Mar 2099 09:32:00 GMT"])
async def test_retry_after_is_read(receiver: Receiver, value: str) -> None:
    receiver.answer = lambda: web.Response(status=429, headers={"Retry-After": value})
    error = await failure(receiver.url)
    assert error.retry_after is not None
    assert error.retry_after >= 120


async def test_a_receiver_that_never_answers_is_left_at_the_deadline() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    started = time.monotonic()
    async with raw_server(silent) as port:
        assert str(await failure(f"http://127.0.0.1:{port}/", deadline=0.3)) == "no answer within 0.3 s"
    assert time.monotonic() - started < DEADLINE


async def drip(writer: asyncio.StreamWriter, beginning: bytes) -> None:
    writer.write(beginning)
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_a_head_that_drips_is_left_at_the_deadline() -> None:
    started = time.monotonic()
    async with raw_server(lambda _, writer: drip(writer, b"HTTP/1.1 200 OK\r\nX-Slow: ")) as port:
        assert "no answer" in str(await failure(f"http://127.0.0.1:{port}/", deadline=0.3))
    assert time.monotonic() - started < DEADLINE


@pytest.mark.parametrize("length", [b"", b"Content-Length: 9999999\r\n"])
async def test_a_body_that_drips_is_left_at_the_deadline_and_the_status_counts(length: bytes) -> None:
    started = time.monotonic()
    async with raw_server(lambda _, writer: drip(writer, b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")) as port:
        assert (await send(f"http://127.0.0.1:{port}/", deadline=0.3)).status == 200
    async with raw_server(lambda _, writer: drip(writer, b"HTTP/1.1 500 No\r\n" + length + b"\r\n")) as port:
        assert (await failure(f"http://127.0.0.1:{port}/", deadline=0.3)).status == 500
    assert time.monotonic() - started < 2 * DEADLINE


async def test_an_endless_answer_is_cut_off_early() -> None:
    written = 0

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            written += 65_536

    started = time.monotonic()
    async with raw_server(endless) as port:
        assert (await send(f"http://127.0.0.1:{port}/", deadline=10)).status == 200
    assert time.monotonic() - started < 2
    # What the kernel and the transport hold on the way, and no more.
    assert ANSWER_LIMIT < written < 20_000_000


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "the answer is not HTTP"),
        (b"", "the connection was closed before an answer came"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, "the head of the answer is too large"),
    ],
)
async def test_what_is_no_web_server_is_named_without_its_words(answer: bytes, reason: str) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}}")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with raw_server(speak) as port:
        error = await failure(f"http://127.0.0.1:{port}/")
    assert str(error) == reason
    assert not error.permanent


async def test_a_compressed_answer_is_not_unpacked(receiver: Receiver) -> None:
    receiver.answer = lambda: web.Response(
        body=b"\x1f\x8b" + b"\x00" * 100, headers={"Content-Encoding": "gzip"}
    )
    assert (await send(receiver.url)).status == 200


async def test_a_port_where_nothing_listens_is_tried_again(unused_tcp_port: int) -> None:
    error = await failure(f"http://127.0.0.1:{unused_tcp_port}/")
    assert str(error) == "no connection: connection refused"
    assert not error.permanent


async def test_a_name_that_is_not_known_is_tried_again() -> None:
    error = await failure("http://nobody.invalid/", deadline=10)
    assert not error.permanent


async def test_a_certificate_that_proves_nothing_is_named() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SELF_SIGNED)

    async def ignore(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(ignore, context) as port:
        error = await failure(f"https://127.0.0.1:{port}/")
    assert str(error).startswith("its certificate is not valid: self-signed certificate")
    assert not error.permanent


async def test_a_server_without_tls_is_named(receiver: Receiver) -> None:
    error = await failure(receiver.url.replace("http:", "https:"))
    assert str(error).startswith("no secure connection could be made")


@asynccontextmanager
async def counting_server() -> AsyncIterator[tuple[int, list[int]]]:
    """A server that counts connections; yields its port and the count."""
    connections: list[int] = []

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await reader.readuntil(b"}}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    # On every address of this machine, in both families.
    async with raw_server(count, host=None) as port:
        yield port, connections


SPELLINGS = [
    # As a number, in any base, with any number of parts.
    *(
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0x7F.0x0.0x0.0x1",
        "017700000001",
    ),
    *("0177.0.0.1", "0177.0x0.1", "00000177.1", "127.0.0.1.", "127.000.000.001", "0", "0.0.0.0", "0x0", "00"),
    *("127.255.255.254", "127.0.0.2", "4294967295", "255.255.255.255", "2852039166", "0xa9fea9fe"),
    *("169.254.169.254", "0251.0376.0251.0376", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.100.100.200"),
    *("100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
    # IPv6, and IPv4 inside it.
    *(
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::ffff:7f00:1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[::7f00:1]",
    ),
    *(
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
    ),
    *(
        "[2001::7f00:1]",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[fec0::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
    ),
    *("[2001:db8::1]", "[100::1]", "[5f00::1]", "[3fff::1]"),
    # Letters that become digits, dots or names, and what stands before a host.
    *(
        "①②⑦.⓪.⓪.①",
        "１２７.０.０.１",
        "127。0。0。1",
        "127．0．0．1",
        "127｡0｡0｡1",
        "ⓛocalhost",
        "ｌｏｃａｌｈｏｓｔ",
    ),
    *("localhost", "LOCALHOST", "localhost.", "foo.localhost", "localhost.localdomain", "printer.local"),
    *(
        "user@127.0.0.1",
        "user:pass@127.0.0.1",
        "8.8.8.8@127.0.0.1",
        "127.0.0.1\\@8.8.8.8",
        "127.0.0.1#@8.8.8.8",
    ),
    *("127.0.0.1%00.example.com", "metadata.google.internal", "127.0.0.1\t", "[::1", "127.0.0.1]"),
]
assert len(set(SPELLINGS)) >= 60


def own_address() -> str:
    """The address that this machine has in its network, or the loopback one if it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("8.8.8.8", 53))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


async def test_no_spelling_of_an_inner_address_is_connected_to() -> None:
    async with counting_server() as (port, connections), WebhookChannel(CLOSED, now, deadline=3) as channel:
        for host in (*SPELLINGS, own_address()):
            with pytest.raises(DeliveryError) as caught:
                await channel.send(MESSAGE, webhook_to(f"http://{host}:{port}/"))
            assert caught.value.permanent, (host, str(caught.value))
        assert connections == []
        # And the listener does count.
        await send(f"http://127.0.0.1:{port}/")
        assert connections == [1]


async def test_a_redirect_inside_is_not_followed(receiver: Receiver) -> None:
    async with counting_server() as (port, connections):
        receiver.answer = lambda: web.Response(status=307, headers={"Location": f"http://127.0.0.1:{port}/"})
        assert "redirect" in str(await failure(receiver.url))
        assert connections == []


async def test_an_opened_network_is_connected_to() -> None:
    async with counting_server() as (port, connections):
        await send(f"http://127.0.0.1:{port}/")
        assert len(connections) == 1


@pytest.mark.parametrize(
    "addresses",
    ["127.0.0.1", "127.0.0.1,[::1]", "[::ffff:127.0.0.1]", "127.0.0.1,10.0.0.1,[::1]", "10.0.0.1"],
)
async def test_a_name_that_resolves_to_this_machine_is_blocked(addresses: str) -> None:
    async with counting_server() as (port, connections):
        lie = f"hooks.example.com:{port}:{addresses}"
        async with WebhookChannel(CLOSED, now, addresses=[lie]) as channel:
            with pytest.raises(DeliveryError, match="is not a public address") as caught:
                await channel.send(MESSAGE, webhook_to(f"http://hooks.example.com:{port}/"))
        assert caught.value.permanent
        assert connections == []


# A receiver that answers as badly as one can ---------------------------------------------------------------------


async def ask(reader: asyncio.StreamReader) -> bytes:
    """Read one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


def answering(*pieces: bytes, close: bool = True) -> Connected:
    """A receiver that reads the request and writes this, whatever it is."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ask(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if not close:
            await reader.read()

    return answer


OK_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BAD_ANSWERS = {
    "a 100 first": (answering(b"HTTP/1.1 100 Continue\r\n\r\n", OK_EMPTY), 200, ""),
    "HTTP/1.0 without a length": (answering(b"HTTP/1.0 200 OK\r\n\r\nthanks"), 200, "thanks"),
    "ten gigabytes announced": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n" + b"x" * 100_000, close=False),
        200,
        "x" * 199 + "…",
    ),
    "an answer that breaks off": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"),
        200,
        "half",
    ),
    "chunks that are none": (
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nwhat\r\n"),
        200,
        "",
    ),
    "a chunk that is negative": (
        answering(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nwhat\r\n"),
        500,
        "answered 500",
    ),
    "two lengths": (
        answering(b"HTTP/1.1 500 No\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"),
        None,
        "the answer is not HTTP",
    ),
    "a status that is none": (answering(b"HTTP/1.1 999999 What\r\n\r\n"), 999, "answered 999"),
    "only half of a head": (answering(b"HTTP/1.1 200 OK\r\nX-A"), None, "broke off|closed|not HTTP"),
    "a reset": (None, None, "closed"),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
async def test_the_worst_answers_come_to_the_right_outcome(case: str) -> None:
    answer, status, words = BAD_ANSWERS[case]
    started = time.monotonic()
    async with raw_server(answer or reset) as port:
        if status == 200:
            sent = await send(f"http://127.0.0.1:{port}/", deadline=2)
            assert (sent.status, sent.detail) == (status, words)
        else:
            error = await failure(f"http://127.0.0.1:{port}/", deadline=2)
            assert (error.status, error.permanent) == (status, False)
            assert re.search(words, str(error)), str(error)
    assert time.monotonic() - started < 2 + DEADLINE


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await ask(reader)
    option = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
    writer.transport.abort()


async def test_a_connection_that_closes_just_as_the_next_request_goes_out_costs_nothing() -> None:
    seen: list[bytes] = []

    async def close_after_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await ask(reader))
        writer.write(OK_EMPTY)
        await writer.drain()
        # The next request is on its way when this closes.
        await reader.read(1)

    async with raw_server(close_after_one) as port, WebhookChannel(OPEN, now, deadline=2) as channel:
        for _ in range(4):
            assert (await channel.send(MESSAGE, webhook_to(f"http://127.0.0.1:{port}/"))).status == 200
    assert len(seen) == 4


async def test_a_receiver_that_closes_only_its_reading_side_is_left_at_the_deadline() -> None:
    async def half_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").shutdown(socket.SHUT_RD)
        await asyncio.Event().wait()

    async with raw_server(half_open) as port:
        error = await failure(f"http://127.0.0.1:{port}/", deadline=0.3)
    assert (error.overloaded, str(error)) == (True, "no answer within 0.3 s")


async def test_a_redirect_to_the_metadata_service_is_a_failure(receiver: Receiver) -> None:
    receiver.answer = lambda: web.Response(status=302, headers={"Location": "http://169.254.169.254/latest/"})
    assert "redirect" in str(await failure(receiver.url))
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_an_endpoint_that_has_too_much_to_do_is_known(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda: web.Response(status=status)
    assert (await failure(receiver.url)).overloaded


async def test_headers_of_the_subscriber_are_sent_and_ours_are_ours(receiver: Receiver) -> None:
    endpoint = WebhookEndpoint(type="webhook", url=receiver.url, headers={"Authorization": "Bearer t"})
    async with WebhookChannel(OPEN, now) as channel:
        await channel.send(MESSAGE, endpoint)
    headers, _ = receiver.requests[0]
    assert (headers["Authorization"], headers["Content-Type"]) == ("Bearer t", "application/json")


async def test_a_receiver_may_ask_for_no_more_of_this_or_of_anything(receiver: Receiver) -> None:
    receiver.answer = lambda: web.Response(status=400, headers={"Webhook-Delivery": "abort-message"})
    error = await failure(receiver.url)
    assert (error.permanent, error.gone) == (True, False)
    receiver.answer = lambda: web.Response(status=400, headers={"Webhook-Delivery": "disable"})
    assert (await failure(receiver.url)).gone
    receiver.answer = lambda: web.Response(status=204, headers={"Webhook-Delivery": "Disable"})
    assert (await send(receiver.url)).enough
