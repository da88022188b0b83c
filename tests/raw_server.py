"""A server on this machine that does with each connection what it is told, and leaves nothing behind."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from shared.redis_server import free_port

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(
    connected: Connected, tls: ssl.SSLContext | None = None, host: str | None = "127.0.0.1"
) -> AsyncIterator[int]:
    """Run `connected` for each connection; yields the port. Without a host it is that of every address."""
    running: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        running.add(task)
        try:
            with suppress(ConnectionError, asyncio.CancelledError, ssl.SSLError):
                await connected(reader, writer)
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)

    port = 0 if host else free_port()
    server = await asyncio.start_server(handle, host, port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
