"""HTTP on libcurl: many requests at a time in one thread, driven by the running loop.

send -> a handle of the pool -> libcurl (its sockets and its clock are watched here) -> Answer or HttpError.

It is as narrow as what fetches feeds and posts webhooks needs: http and https only, no redirect followed, no proxy,
cookie, .netrc or HTTP/2. Every address is judged by the guard when a socket is opened for it, so that a name may
change its answer as it likes.
"""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Self

import pycurl

from shared.address_guard import AddressGuard
from shared.curl_loop import Alarm, Sockets
from shared.http_handle import Answer, Handle, HttpError

CONNECT_SECONDS = 10.0
CONNECTIONS = 1000
KEEPALIVE_SECONDS = 45

_OPTIONS: dict[int, Any] = {
    pycurl.NOSIGNAL: 1,
    pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.PATH_AS_IS: 1,
    pycurl.BUFFERSIZE: 65_536,
    pycurl.PROXY: "",
    pycurl.NOPROXY: "*",
}


class Exchange(asyncio.Future[Answer]):
    """A request under way; await it or add a callback. Cancelling it ends the transfer."""

    __slots__ = ("client", "handle")
    client: "HttpClient"
    handle: Handle

    def cancel(self, msg: Any | None = None) -> bool:
        """Return whether it was still under way."""
        cancelled = super().cancel(msg)
        if cancelled:
            self.client.leave(self)
        return cancelled


class HttpClient:
    """Sends requests, over connections that are kept for the next. Use as an asynchronous context manager.

    `max_bytes` is how much is read of an answer, after decompression; more is an error, unless `head_is_enough`:
    then the head of an answer is one, wherever its body ends. `decompress` says whether compressed answers are asked
    for and read. `connections` is how many there are at most; more requests wait, on their own time; one that is
    not used for `keepalive` seconds is closed. `addresses` are names that are not looked up, as libcurl has them:
    "name:port:address,address".
    """

    def __init__(
        self,
        guard: AddressGuard,
        *,
        user_agent: str,
        max_bytes: int,
        head_is_enough: bool = False,
        decompress: bool = True,
        connect_timeout: float = CONNECT_SECONDS,
        connections: int = CONNECTIONS,
        keepalive: int = KEEPALIVE_SECONDS,
        addresses: Iterable[str] = (),
    ) -> None:
        self._handle = partial(
            Handle, guard, max_bytes=max_bytes, head_is_enough=head_is_enough, decompress=decompress
        )
        self._options: dict[int, Any] = {
            **_OPTIONS,
            pycurl.USERAGENT: user_agent,
            pycurl.CONNECTTIMEOUT_MS: int(connect_timeout * 1000),
            pycurl.MAXAGE_CONN: keepalive,
            **({pycurl.ACCEPT_ENCODING: "gzip, deflate, br"} if decompress else {}),
            **({pycurl.RESOLVE: list(addresses)} if addresses else {}),
        }
        self._connections = connections
        self._idle: list[Handle] = []
        self._running: dict[pycurl.Curl, Exchange] = {}

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, self._connections)
        self._multi.setopt(pycurl.M_MAXCONNECTS, self._connections)
        self._sockets = Sockets(self._loop, self._act)
        self._alarm = Alarm(self._loop, self._act)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._sockets.want)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._alarm.set)
        return self

    async def __aexit__(self, *error: object) -> None:
        for exchange in list(self._running.values()):
            exchange.cancel()
        self._alarm.stop()
        self._multi.close()
        self._sockets.close()
        while self._idle:
            self._idle.pop().curl.close()

    def send(
        self,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | list[bytes] | None = None,
        timeout: float,
        verify: bool = True,
        method: str | None = None,
    ) -> Exchange:
        """Start a GET, or a POST if there is a body, unless a method is named.

        Its result is the answer, of whatever status, or HttpError.

        The URL goes out to the letter: have the guard check it before. `headers` may be lines that are ready
        (`header_lines`). `timeout` is in seconds, from the look-up of the name to the last byte. A request that finds
        a kept connection closed is sent again over a new one: a POST should be such that twice is no harm.
        """
        lines = headers if isinstance(headers, list) else header_lines(headers or {})
        handle = self._idle.pop() if self._idle else self._handle(self._options, self._sockets.forget)
        handle.prepare(url, body, lines, int(timeout * 1000), verify, method)
        exchange = Exchange(loop=self._loop)
        exchange.client, exchange.handle = self, handle
        self._multi.add_handle(handle.curl)
        self._running[handle.curl] = exchange
        return exchange

    def leave(self, exchange: Exchange) -> None:
        """End an exchange, whether or not it has come to its end."""
        handle = exchange.handle
        self._multi.remove_handle(handle.curl)
        del self._running[handle.curl]
        handle.clear()
        self._idle.append(handle)

    def _act(self, *events: tuple[int, int]) -> None:
        """Let libcurl look at sockets, or at its clock, and pass on what has come to an end."""
        for fd, mask in events:
            self._multi.socket_action(fd, mask)
        more = 1
        while more:
            more, done, failed = self._multi.info_read()
            for curl in done:
                self._finish(self._running[curl], 0, "")
            for curl, code, message in failed:
                self._finish(self._running[curl], code, message)

    def _finish(self, exchange: Exchange, code: int, message: str) -> None:
        result = exchange.handle.result(code, message)
        self.leave(exchange)
        if isinstance(result, HttpError):
            exchange.set_exception(result)
        else:
            exchange.set_result(result)


class OpensHttp:
    """Whoever has an HTTP client of its own, `_http`, and is opened and closed with it, by `async with`."""

    _http: HttpClient

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.__aexit__(*error)


def header_lines(headers: Mapping[str, str]) -> list[bytes]:
    """Return the lines of headers, without those that are empty; raise ValueError if one holds a line break."""
    given = [f"{name}: {value}" for name, value in headers.items() if value]
    text = "\n".join(given).encode()
    lines = text.split(b"\n") if given else []
    if len(lines) != len(given) or b"\r" in text or b"\0" in text:
        raise ValueError("a header holds a line break")
    return lines
