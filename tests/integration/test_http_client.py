"""The HTTP client against real servers, good, rude and hostile."""

import asyncio
import gzip
import ssl
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from shared.address_guard import AddressGuard
from shared.http_client import HttpClient
from shared.http_handle import Answer, Headers, HttpError
from tests.raw_server import raw_server

LIMIT = 100_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def client(allow: str = "127.0.0.0/8", **options: Any) -> HttpClient:
    guard = AddressGuard([ip_network(allow)] if allow else [])
    return HttpClient(guard, **{"user_agent": "Test", "max_bytes": LIMIT, **options})


def page(body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"HTTP/1.1 200 OK\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Site:
    """Answers each request with the same bytes; keeps the requests, and counts connections."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.connections = self.open = self.most = self.ended = 0
        self.closes = False
        self.pause = 0.0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            while await self._serve(reader, writer):
                pass
        except asyncio.IncompleteReadError:
            self.ended += 1
        finally:
            self.open -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        self.requests.append(head + await reader.readexactly(int(length or 0)))
        await asyncio.sleep(self.pause)
        writer.write(self.answer)
        await writer.drain()
        return not self.closes


@asynccontextmanager
async def serving(site: Site, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async with raw_server(site.connected, tls) as port:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/a/../b?c=%20"


async def get(answer: bytes, timeout: float = 5, **options: Any) -> Answer:
    async with serving(Site(answer)) as url, client(**options) as http:
        return await http.send(url, timeout=timeout)


async def failure(answer: bytes, timeout: float = 5, **options: Any) -> HttpError:
    async with serving(Site(answer)) as url:
        return await failure_at(url, timeout, **options)


async def failure_at(url: str, timeout: float = 5, **options: Any) -> HttpError:
    async with client(**options) as http:
        with pytest.raises(HttpError) as caught:
            await http.send(url, timeout=timeout)
    return caught.value


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.005)


async def test_an_answer_has_its_status_headers_and_body() -> None:
    answer = await get(page(b"news", 'ETag: "x"', "Cache-Control: a", "cache-control: b"))
    assert (answer.status, answer.body) == (200, b"news")
    assert (answer.headers["etag"], answer.headers["CACHE-CONTROL"]) == ('"x"', "a, b")


async def test_only_what_was_asked_for_is_sent() -> None:
    site = Site(page(b"", "Set-Cookie: a=1"))
    async with serving(site) as url, client(decompress=False) as http:
        for _ in range(2):
            await http.send(url, headers={"If-None-Match": 'W/"é"', "Empty": ""}, timeout=5)
    assert site.requests[0] == site.requests[1]
    head, _, sent = site.requests[0].partition(b"\r\n")
    assert head == b"GET /a/../b?c=%20 HTTP/1.1"
    names = [line.partition(b":")[0] for line in sent.split(b"\r\n") if line]
    assert names == [b"Host", b"User-Agent", b"Accept", b"If-None-Match"]
    assert 'If-None-Match: W/"é"\r\n'.encode() in sent


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await get(OK)).body == b"ok"


async def test_a_header_with_a_line_break_is_not_sent() -> None:
    async with client() as http:
        with pytest.raises(ValueError, match="line break"):
            http.send("http://127.0.0.1:1/", headers={"A": "b\r\nC: d"}, timeout=1)


async def test_a_redirect_is_an_answer() -> None:
    answer = await get(b"HTTP/1.1 301 Moved\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n")
    assert (answer.status, answer.headers["Location"]) == (301, "/new")


async def test_interim_answers_are_passed_over() -> None:
    answer = await get(b'HTTP/1.1 103 Early Hints\r\nETag: "no"\r\n\r\n' + page(b"ok", 'ETag: "yes"'))
    assert (answer.status, dict(answer.headers)) == (200, {"etag": '"yes"', "content-length": "2"})


def test_trailers_are_no_headers() -> None:
    assert dict(Headers(b"HTTP/1.1 200 OK\r\nA: 1\r\n\r\nB: 2\r\n\r\n")) == {"a": "1"}


@pytest.mark.parametrize(
    ("encoding", "packed"), [("gzip", gzip.compress(b"hello", mtime=0)), ("br", b"\x0b\x02\x80hello\x03")]
)
async def test_compressed_answers_are_read(encoding: str, packed: bytes) -> None:
    assert (await get(page(packed, f"Content-Encoding: {encoding}"))).body == b"hello"


async def test_what_is_not_to_be_decompressed_stays_as_it_is() -> None:
    packed = gzip.compress(b"hello")
    assert (await get(page(packed, "Content-Encoding: gzip"), decompress=False)).body == packed


async def test_a_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    assert (await failure(page(bomb, "Content-Encoding: gzip"))).kind == "size"


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Encoding: gzip, gzip"],
        ["Content-Encoding: gzip", "content-encoding: gzip"],
    ],
)
async def test_a_bomb_within_a_bomb_is_not_opened(headers: list[str]) -> None:
    error = await failure(page(gzip.compress(gzip.compress(b"\0" * 100_000)), *headers))
    assert (error.kind, str(error)) == ("encoding", "the answer is compressed more than once")


@pytest.mark.parametrize(("size", "is_read"), [(LIMIT, True), (LIMIT + 1, False)])
async def test_an_answer_may_be_as_large_as_the_limit(size: int, is_read: bool) -> None:
    body = b"x" * size
    if is_read:
        assert (await get(page(body))).body == body
    else:
        assert (await failure(page(body))).kind == "size"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"220 mail.example ESMTP\r\n\r\n", "protocol", "the answer is not HTTP"),
        (page(b"plain", "Content-Encoding: gzip"), "encoding", "the answer is wrongly compressed"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000, "protocol", "the head of the answer is too large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "timeout", "no answer in time"),
        (b"", "timeout", "no answer in time"),
    ],
)
async def test_what_goes_wrong_has_a_name(answer: bytes, kind: str, words: str) -> None:
    error = await failure(answer, timeout=0.3)
    assert (error.kind, str(error)) == (kind, words)


async def test_the_deadline_is_for_the_last_byte() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_server(drip) as port:
        assert (await failure_at(f"http://127.0.0.1:{port}/", 0.3)).kind == "timeout"


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"])
async def test_a_connection_that_is_reset_is_named(said: bytes) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()

    async with raw_server(reset) as port:
        assert (await failure_at(f"http://127.0.0.1:{port}/")).kind == "closed"


async def test_nobody_at_the_port_is_named() -> None:
    async with raw_server(Site().connected) as port:
        pass
    error = await failure_at(f"http://127.0.0.1:{port}/")
    assert (error.kind, str(error)) == ("connect", "no connection: connection refused")


async def test_a_name_that_nobody_knows_is_named() -> None:
    error = await failure_at("http://nobody.invalid/", 1, connect_timeout=0.5)
    assert error.kind in ("dns", "timeout")


async def test_a_name_that_leads_to_an_inner_address_is_refused_before_anything_is_sent() -> None:
    site = Site()
    async with raw_server(site.connected) as port:
        names = [f"feeds.example:{port}:127.0.0.1,::1,::ffff:127.0.0.1"]
        error = await failure_at(f"http://feeds.example:{port}/", allow="", addresses=names)
    assert (error.kind, site.connections) == ("refused", 0)
    assert "not a public address" in str(error)


async def test_a_name_with_one_good_address_is_reached_there() -> None:
    async with raw_server(Site().connected) as port:
        names = [f"feeds.example:{port}:10.0.0.1,127.0.0.1"]
        async with client(addresses=names) as http:
            answer = await http.send(f"http://feeds.example:{port}/", timeout=5)
    assert answer.status == 200


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "file:///etc/passwd"])
async def test_nothing_but_http_is_spoken(url: str) -> None:
    assert (await failure_at(url)).kind == "protocol"


async def test_a_certificate_is_verified_unless_a_request_says_otherwise() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parent / "self_signed.pem")
    async with serving(Site(), context) as url, client() as http:
        for _ in range(2):
            with pytest.raises(HttpError) as caught:
                await http.send(url, timeout=5)
            assert (caught.value.kind, "self-signed" in str(caught.value)) == ("certificate", True)
            # A connection made without looking is not lent to who looks.
            assert (await http.send(url, timeout=5, verify=False)).body == b"ok"


async def test_no_tls_at_the_other_end_is_named() -> None:
    async with serving(Site(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        error = await failure_at(url.replace("http:", "https:"), 0.5)
    assert error.kind in ("tls", "timeout")


async def test_a_connection_is_kept_for_the_next_request() -> None:
    site = Site()
    async with serving(site) as url, client() as http:
        for number in range(5):
            await http.send(url, body=b"%d" % number, headers={"Content-Type": "a/b"}, timeout=5)
        await http.send(url, timeout=5)
    assert site.connections == 1
    assert [request[-1:] for request in site.requests[:5]] == [b"0", b"1", b"2", b"3", b"4"]
    assert site.requests[5].startswith(b"GET ")
    assert b"content-" not in site.requests[5].lower()


async def test_a_kept_connection_that_was_closed_is_made_anew() -> None:
    site = Site()
    site.closes = True
    async with serving(site) as url, client() as http:
        for _ in range(3):
            assert (await http.send(url, body=b"x", timeout=5)).status == 200
            await until(lambda: site.open == 0)
    assert (site.connections, len(site.requests)) == (3, 3)


async def test_an_endless_answer_may_be_cut_short() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 202 Accepted\r\n\r\n")
        while True:
            writer.write(b"x" * 1000)
            await writer.drain()

    async with raw_server(endless) as port, client(head_is_enough=True, max_bytes=16_384) as http:
        answer = await http.send(f"http://127.0.0.1:{port}/", body=b"x", timeout=30)
    assert (answer.status, answer.body) == (202, b"x" * 16_384)


async def test_an_answer_whose_body_never_ends_may_be_one_all_the_same() -> None:
    answer = await get(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", timeout=0.3, head_is_enough=True
    )
    assert (answer.status, answer.body) == (200, b"short")


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nA: b\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_half_a_head_is_no_answer(said: bytes) -> None:
    assert (await failure(said, timeout=0.3, head_is_enough=True)).kind == "timeout"


async def test_a_request_that_is_cancelled_hangs_up() -> None:
    site = Site(b"HTTP/1.1 200 OK\r\n\r\nbegun")
    async with serving(site) as url, client() as http:
        task = asyncio.ensure_future(asyncio.wait_for(http.send(url, timeout=60), 60))
        await until(lambda: bool(site.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: site.ended == 1)
        site.answer = OK
        assert (await http.send(url, timeout=5)).body == b"ok"


async def test_an_answer_that_was_taken_is_held_by_nobody() -> None:
    async with serving(Site(page(b"x" * 50_000))) as url, client() as http:
        exchange = http.send(url, timeout=5)
        await exchange
        held = weakref.ref(exchange)
        del exchange
        await asyncio.sleep(0)  # The loop itself holds what it has just woken us for.
        assert held() is None


async def test_leaving_the_client_ends_what_is_under_way() -> None:
    site = Site(b"")
    async with serving(site) as url:
        async with client() as http:
            under_way = http.send(url, timeout=60)
            await until(lambda: bool(site.requests))
        assert under_way.cancelled()
        await until(lambda: site.ended == 1)


async def test_connections_have_a_limit_and_those_who_wait_their_deadline() -> None:
    site = Site()
    site.pause = 0.02
    async with serving(site) as url, client(connections=2) as http:
        answers = await asyncio.gather(*(http.send(url, timeout=5) for _ in range(8)))
        assert ([answer.status for answer in answers], site.most) == ([200] * 8, 2)
        site.pause = 60
        late = await asyncio.gather(*(http.send(url, timeout=0.3) for _ in range(4)), return_exceptions=True)
    assert [error.kind for error in late if isinstance(error, HttpError)] == ["timeout"] * 4


async def test_a_thousand_requests_at_a_time_get_each_their_own_answer() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(page(head.split(b" ", 2)[1]))

    async with raw_server(echo) as port, client(connections=50) as http:
        urls = [f"http://127.0.0.1:{port}/{number}" for number in range(1000)]
        answers = await asyncio.gather(*(http.send(url, timeout=30) for url in urls))
    assert [answer.body for answer in answers] == [b"/%d" % number for number in range(1000)]
