"""Serve an application on a port, and end when the app that owns the signals says so."""

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from services.api.web.envelope import Envelope
from services.api.web.public_reads import PublicReads
from shared.settings import SettingsError

GRACE_SECONDS = 3
MOST_FILES = 65536
SILENCE_MS = 60_000


class PortTaken(SettingsError):
    """Somebody else listens on the port."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT are the app's."""
        yield


def open_port(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise PortTaken, or SettingsError for a host that is not this machine."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.create_server(address, family=family, backlog=1024)
    except OSError as e:
        if e.errno == errno.EADDRINUSE:
            raise PortTaken(f"port {port} of {host} is taken: set TOCSIN_HTTP_PORT") from e
        raise SettingsError(f"cannot listen on port {port} of {host}: {e.strerror or e}") from e
    _make_room(listener)
    return listener


def _make_room(listener: socket.socket) -> None:
    """Take as many connections as the system allows, answer at once, let go of who has stopped answering."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MOST_FILES)), hard))
    # asyncio sets this for sockets that it makes itself; without it an answer waits 40 ms for the other's receipt.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_MS)


async def serve(http: FastAPI, listener: socket.socket) -> None:
    """Serve in its envelope until cancelled; requests in hand have a few seconds to end."""
    config = uvicorn.Config(
        Envelope(PublicReads(http)),
        lifespan="off",
        forwarded_allow_ips=http.state.parts.settings.trusted_proxies,
        log_config=None,
        # Its lines would hold the keys of links.
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await http.state.parts.broadcast.close()
        await serving
        raise
    finally:
        listener.close()
