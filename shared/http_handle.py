"""One of libcurl's easy handles: a request, what has come of its answer so far, and what comes of it in the end."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import certifi
import pycurl

from shared.address_guard import AddressGuard

Kind = Literal[
    "refused", "dns", "connect", "certificate", "tls", "timeout", "size", "closed", "encoding", "protocol"
]


class HttpError(Exception):
    """There is no answer. `kind` is what to go by; the message is in words and holds nothing of the request."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Headers(Mapping[str, str]):
    """The headers of an answer; names in any case. One that is repeated is a list with commas (RFC 9110 5.3)."""

    def __init__(self, head: bytes) -> None:
        self._values: dict[str, str] = {}
        for line in _last_block(head):
            name, colon, value = line.partition(":")
            if colon:
                key, value = name.strip().lower(), value.strip()
                known = self._values.get(key)
                self._values[key] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _last_block(head: bytes) -> list[str]:
    """The lines of the last answer's head: others before it are interim ones, what follows are trailers."""
    blocks = head.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n\n")
    return next((block.split("\n")[1:] for block in reversed(blocks) if block.startswith("HTTP/")), [])


class Answer(NamedTuple):
    """What came back: `head` as it came, the body decompressed."""

    status: int
    head: bytes
    body: bytes

    @property
    def headers(self) -> Headers:
        """Read anew at each use."""
        return Headers(self.head)


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


class Handle:
    """Is used for one request after another. `opened` is told the number of each socket before it is used."""

    def __init__(
        self,
        guard: AddressGuard,
        options: Mapping[int, Any],
        opened: Callable[[int], None],
        *,
        max_bytes: int,
        head_is_enough: bool,
        decompress: bool,
    ) -> None:
        self.curl = pycurl.Curl()
        self._guard, self._told = guard, opened
        self._max_bytes, self._head_is_enough = max_bytes, head_is_enough
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
        self, url: str, body: bytes | None, lines: list[bytes], timeout: int, verify: bool, method: str | None
    ) -> None:
        """Make it ready for a request. What a handle was told for the last one, it is not told again."""
        setopt = self.curl.setopt
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
        if method:
            setopt(pycurl.CUSTOMREQUEST, method)
            self._named = True

    def clear(self) -> None:
        """Forget the answer."""
        self._size = self._encodings = self._sockets = 0
        self._refusal = None
        if self._named:
            self.curl.unsetopt(pycurl.CUSTOMREQUEST)
            self._named = False
        self._head.clear()
        self._body.clear()

    def result(self, code: int, message: str) -> Answer | HttpError:
        """Return what the transfer came to; `code` and `message` are libcurl's."""
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        if code == 0 or (self._head_is_enough and status >= 200 and self._head_is_complete()):
            return Answer(status, b"".join(self._head), b"".join(self._body))
        return self._error(code, message)

    def _head_is_complete(self) -> bool:
        return self._head[-1:] in ([b"\r\n"], [b"\n"])

    def _error(self, code: int, message: str) -> HttpError:
        if self._refusal and not self._sockets:
            return HttpError("refused", self._refusal)
        if self._size > self._max_bytes:
            return HttpError("size", f"the answer is larger than {self._max_bytes} bytes")
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
        self._refusal = self._guard.refusal(str(where[0]))
        if self._refusal:
            return pycurl.SOCKET_BAD
        self._sockets += 1
        self._opening = socket.socket(family, kind, protocol)
        return self._opening

    def _opened(self, fd: int, _: int) -> int:
        # pycurl has made a copy of ours.
        self._opening.close()
        self._told(fd)
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
        left = self._max_bytes - self._size
        self._size += len(piece)
        if left > 0:
            self._body.append(piece[:left])
        return None if len(piece) <= left else 0


@cache
def _ca_bundle() -> str:
    """The machine's own list of authorities, with those that its operator added; else the one that we bring."""
    return ssl.get_default_verify_paths().cafile or certifi.where()
