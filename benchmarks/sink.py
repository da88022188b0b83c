"""A webhook receiver that does as little as it can: python -m benchmarks.sink PORT. It is at several addresses.

It takes what it is sent, except at /hang, where it never answers, and at /500, where it refuses. GET /times gives
what came to /ok: [[report, monotonic seconds], ...].
"""

import asyncio
import json
import re
import sys
import time

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
REPORT = re.compile(rb"/reports/([0-9a-f]{24})")
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
OK = b"HTTP/1.1 204 No Content\r\n\r\n"
REFUSAL = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"

times: list[tuple[str, float]] = []


class Sink(asyncio.Protocol):
    """Answers over connections that stay open."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._pending = transport, b""

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self._pending, 0, end + 2)
            size = end + 4 + (int(found[1]) if found else 0)
            if len(self._pending) < size:
                return
            request, self._pending = self._pending[:size], self._pending[size:]
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        path = request.split(b" ", 2)[1]
        if path == b"/times":
            body = json.dumps(times).encode()
            times.clear()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        elif path.startswith(b"/500"):
            self._transport.write(REFUSAL)
        elif not path.startswith(b"/hang"):
            if path.startswith(b"/ok"):
                found = REPORT.search(request)
                times.append((found[1].decode() if found else "", time.monotonic()))
            self._transport.write(OK)


async def main(port: int) -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_server(Sink, ADDRESSES, port, backlog=2000)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
