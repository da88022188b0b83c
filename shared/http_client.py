"""HTTP on libcurl: many requests at a time in one thread, driven by the running loop.

send -> a handle of the pool -> libcurl (its sockets and its clock are watched here) -> Answer or HttpError.

It is as narrow as what fetches feeds and posts webhooks needs: http and https only, no redirect followed, no proxy,
cookie, .netrc or HTTP/2. Every address is judged by the guard when a socket is opened for it, so that a name may
change its answer as it likes.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Iterable, Mapping
from functools import cache
from types import TracebackType
from typing import Any, Self

import certifi
import pycurl

from shared.address_guard import AddressGuard
from shared.curl_loop import Alarm, Sockets
from shared.http_answer import Answer, HttpError, Kind

CONNECT_SECONDS = 10.0
CONNECTIONS = 1000
KEEPALIVE_SECONDS = 45

_REASONED = ("connect", "certificate", "tls")
_KINDS: dict[int, tuple[Kind, str]] = {
    pycurl.E_COULDNT_RESOLVE_HOST: ("dns", "its name cannot be looked up"),
    pycurl.E_COULDNT_CONNECT: ("connect", "no connection"),
    pycurl.E_PEER_FAILED_VERIFICATION: ("certificate", "its certificate is not valid"),
    pycurl.E_SSL_CONNECT_ERROR: ("tls", "no secure connection could be made"),
    pycurl.E_GOT_NOTHING: ("closed", "the connection was closed before an answer came"),
    pycurl.E_SEND_ERROR: ("closed", "the connection was closed before an answer came"),
    pycurl.E_RECV_ERROR: ("closed", "the connection was closed before the answer was complete"),
    pycurl.E_PARTIAL_FILE: ("closed", "the answer broke off"),
    pycurl.E_BAD_CONTENT_ENCODING: ("encoding", "the answer is wrongly compressed"),
    pycurl.E_UNSUPPORTED_PROTOCOL: ("protocol", "the answer is not HTTP"),
    pycurl.E_HTTP2: ("protocol", "the answer is not HTTP"),
    pycurl.E_FTP_WEIRD_SERVER_REPLY: ("protocol", "the answer is not HTTP"),
    100: ("protocol", "the head of the answer is too large"),
}

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

    handle: "_Handle | None" = None

    def cancel(self, msg: Any | None = None) -> bool:
        """Return whether it was still under way."""
        cancelled = super().cancel(msg)
        if cancelled and self.handle:
            self.handle.drop()
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
        self.guard = guard
        self.max_bytes = max_bytes
        self.head_is_enough = head_is_enough
        self._decompress = decompress
        self._options: dict[int, Any] = {
            **_OPTIONS,
            pycurl.USERAGENT: user_agent,
            pycurl.CONNECTTIMEOUT_MS: int(connect_timeout * 1000),
            pycurl.MAXAGE_CONN: keepalive,
            **({pycurl.ACCEPT_ENCODING: "gzip, deflate, br"} if decompress else {}),
            **({pycurl.RESOLVE: list(addresses)} if addresses else {}),
        }
        self._connections = connections
        self._idle: list[_Handle] = []
        self._running: dict[Any, _Handle] = {}

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

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in list(self._running.values()):
            handle.exchange.cancel()
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
        headers: Mapping[str, str] | None = None,
        timeout: float,
        verify: bool = True,
        method: str | None = None,
    ) -> Exchange:
        """Start a GET, or a POST if there is a body, unless a method is named.

        Its result is the answer, of whatever status, or HttpError.

        The URL goes out to the letter: have the guard check it before. `timeout` is in seconds, from the look-up of
        the name to the last byte. A request that finds a kept connection closed is sent again over a new one: a POST
        should be such that twice is no harm.
        """
        exchange = Exchange(loop=self._loop)
        handle = self._idle.pop() if self._idle else _Handle(self, self._options, self._decompress)
        handle.prepare(exchange, url, body, _lines(headers or {}), int(timeout * 1000), verify)
        if method:
            handle.name_method(method)
        exchange.handle = handle
        self._multi.add_handle(handle.curl)
        self._running[handle.curl] = handle
        return exchange

    def forget(self, fd: int) -> None:
        """The number belongs to a new socket now."""
        self._sockets.forget(fd)

    def leave(self, handle: "_Handle") -> None:
        """Take back a handle."""
        self._multi.remove_handle(handle.curl)
        del self._running[handle.curl]
        handle.exchange.handle = None
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
                self._finish(curl, 0, "")
            for curl, code, message in failed:
                self._finish(curl, code, message)

    def _finish(self, curl: Any, code: int, message: str) -> None:
        handle = self._running[curl]
        exchange, result = handle.exchange, handle.result(code, message)
        self.leave(handle)
        if exchange.done():
            return
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

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)


class _Handle:
    """One of libcurl's easy handles, and what it has of the answer so far."""

    def __init__(self, client: HttpClient, options: Mapping[int, Any], decompress: bool) -> None:
        self.exchange: Exchange
        self.curl = pycurl.Curl()
        self._client = client
        self._head: list[bytes] = []
        self._body: list[bytes] = []
        self._size = self._encodings = self._sockets = 0
        self._refusal: str | None = None
        self._opening: socket.socket
        self._timeout, self._verify, self._posts, self._named = -1, True, False, False
        for option, value in options.items():
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.CAINFO, _ca_bundle())
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        self.curl.setopt(pycurl.SOCKOPTFUNCTION, self._opened)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._take)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._take_header if decompress else self._head.append)

    def prepare(
        self, exchange: Exchange, url: str, body: bytes | None, lines: list[bytes], timeout: int, verify: bool
    ) -> None:
        """Make it ready for a request. What a handle was told for the last one, it is not told again."""
        setopt = self.curl.setopt
        self.exchange = exchange
        setopt(pycurl.URL, url)
        # An empty list would leave those of the last request, which may be somebody else's secrets.
        setopt(pycurl.HTTPHEADER, lines or None)
        if body is not None:
            setopt(pycurl.POSTFIELDS, body)
        elif self._posts:
            setopt(pycurl.HTTPGET, 1)
        self._posts = body is not None
        if timeout != self._timeout:
            setopt(pycurl.TIMEOUT_MS, max(timeout, 1))
            self._timeout = timeout
        if verify != self._verify:
            setopt(pycurl.SSL_VERIFYPEER, int(verify))
            setopt(pycurl.SSL_VERIFYHOST, 2 * verify)
            self._verify = verify

    def name_method(self, method: str) -> None:
        """Let this request have another method, and only this one."""
        self.curl.setopt(pycurl.CUSTOMREQUEST, method)
        self._named = True

    def drop(self) -> None:
        """End what is under way."""
        self._client.leave(self)

    def clear(self) -> None:
        """Forget the request and its answer, which may be megabytes."""
        del self.exchange
        self._size = self._encodings = self._sockets = 0
        self._refusal = None
        if self._named:
            self.curl.unsetopt(pycurl.CUSTOMREQUEST)
            self._named = False
        self._head.clear()
        self._body.clear()

    def result(self, code: int, message: str) -> Answer | HttpError:
        """What the transfer came to."""
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        if code == 0 or (self._client.head_is_enough and status >= 200 and self._head_is_complete()):
            ip = self.curl.getinfo(pycurl.PRIMARY_IP)
            return Answer(status, b"".join(self._head), b"".join(self._body), ip)
        return self._error(code, message)

    def _head_is_complete(self) -> bool:
        return self._head[-1:] in ([b"\r\n"], [b"\n"])

    def _error(self, code: int, message: str) -> HttpError:
        if self._refusal and not self._sockets:
            return HttpError("refused", self._refusal)
        if self._size > self._client.max_bytes:
            return HttpError("size", f"the answer is larger than {self._client.max_bytes} bytes")
        if self._encodings > 1:
            return HttpError("encoding", "the answer is compressed more than once")
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return HttpError("timeout", "no answer in time")
        kind, words = _KINDS.get(code, ("protocol", f"the exchange failed (libcurl says {code})"))
        # What libcurl and OpenSSL say comes last in their message; it is never what the server sent.
        reason = message.rpartition(": ")[2].rpartition("::")[2].lower()
        if kind == "connect":
            number = self.curl.getinfo(pycurl.OS_ERRNO)
            reason = os.strerror(number).lower() if number else ""
        return HttpError(kind, f"{words}: {reason}" if reason and kind in _REASONED else words)

    def _open(self, _: int, address: Any) -> Any:
        """A socket for an address that may be connected to. libcurl does the rest, also to find out it may not."""
        family, kind, protocol, where = address
        self._refusal = self._client.guard.refusal(str(where[0]))
        if self._refusal:
            return pycurl.SOCKET_BAD
        self._sockets += 1
        self._opening = socket.socket(family, kind, protocol)
        return self._opening

    def _opened(self, fd: int, _: int) -> int:
        # pycurl has made a copy of ours.
        self._opening.close()
        self._client.forget(fd)
        return 0

    def _take_header(self, line: bytes) -> int | None:
        # Compressed twice, a kilobyte unpacks to a gigabyte within libcurl before we are shown the first byte.
        if line[:17].lower() == b"content-encoding:":
            self._encodings += 1 + line.count(b",")
            if self._encodings > 1:
                return 0
        self._head.append(line)
        return None

    def _take(self, piece: bytes) -> int | None:
        left = self._client.max_bytes - self._size
        self._size += len(piece)
        if left > 0:
            self._body.append(piece[:left])
        return None if len(piece) <= left else 0


def _lines(headers: Mapping[str, str]) -> list[bytes]:
    given = [f"{name}: {value}" for name, value in headers.items() if value]
    text = "\n".join(given).encode()
    lines = text.split(b"\n") if given else []
    if len(lines) != len(given) or b"\r" in text or b"\0" in text:
        raise ValueError("a header holds a line break")
    return lines


@cache
def _ca_bundle() -> str:
    """The machine's own list of authorities, with those that its operator added; else the one that we bring."""
    return ssl.get_default_verify_paths().cafile or certifi.where()
