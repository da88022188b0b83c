"""Parse in worker processes: a document that runs away costs one worker, and only that document fails."""

import asyncio
import json
import pickle
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from services.ingest.adapters.parse_worker import LENGTH_BYTES, Limits, Task, framed
from services.ingest.core.draft import Reading
from services.ingest.core.entry import UnreadableDocument
from services.ingest.core.feed import Feed

WORKERS = 2
CPU_SECONDS = 3.0
# What a process may write to; what it shares with others, libraries say, does not count.
MEMORY_BYTES = 300_000_000
# Beyond its processor time a document may wait for a busy machine, but not for ever.
PATIENCE = 10
# A document that has waited so long gets another worker.
WAIT_SECONDS = 0.5

# A program of its own, for a fork of a process with threads may hang; without `site`, for it is given its path.
_PROGRAM = """
import json, socket, sys
sys.path[:] = json.loads(sys.argv[1])
from services.ingest.adapters.parse_worker import Limits, work
work(socket.socket(fileno=int(sys.argv[2])), Limits(float(sys.argv[3]), int(sys.argv[4])))
"""
_ROOT = str(Path(__file__).parents[3])


class Parser:
    """Reads documents in another process, in up to `workers` if documents have to wait.

    Use as an asynchronous context manager.
    """

    def __init__(
        self, workers: int = WORKERS, cpu_seconds: float = CPU_SECONDS, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self._limits = Limits(cpu_seconds, memory_bytes)
        self._most = workers
        self._workers = 0
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()

    async def __aenter__(self) -> "Parser":
        self._add_worker()
        return self

    async def __aexit__(self, *error: object) -> None:
        while not self._idle.empty():
            self._idle.get_nowait().end()

    async def read(
        self, body: bytes, content_type: str | None, url: str, feed: Feed, now: datetime
    ) -> Reading:
        """Return the reports of a document; raise UnreadableDocument. `url` is where it came from in the end."""
        reading: Reading = await self._work("document", body, content_type, url, feed.origin, now)
        return reading

    async def read_article(self, body: bytes, url: str) -> str:
        """Return the text of the article on a web page; raise UnreadableDocument."""
        text: str = await self._work("article", body, url)
        return text

    async def _work(self, kind: Literal["document", "article"], *arguments: Any) -> Any:
        worker = await self._free_worker()
        try:
            answer = await worker.work(Task(kind, arguments))
        finally:
            self._give_back(worker)
        if isinstance(answer, UnreadableDocument):
            raise answer
        return answer

    async def _free_worker(self) -> "_Worker":
        while True:
            try:
                async with asyncio.timeout(WAIT_SECONDS if self._workers < self._most else None):
                    return await self._idle.get()
            except TimeoutError:
                if self._workers < self._most:
                    self._add_worker()

    def _give_back(self, worker: "_Worker") -> None:
        if self._idle.empty():
            self._idle.put_nowait(worker)
        else:
            # Nobody waits, and one is enough for that.
            worker.end()
            self._workers -= 1

    def _add_worker(self) -> None:
        self._workers += 1
        self._idle.put_nowait(_Worker(self._limits))


class _Worker:
    """One process, or the place for one: it is started when needed, and anew after it died."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._patience = limits.cpu_seconds * PATIENCE
        self._process: subprocess.Popen[bytes] | None = None
        self._door: socket.socket

    async def work(self, task: Task) -> Any:
        """Return what the process made of the task, or in words why it could not."""
        try:
            async with asyncio.timeout(self._patience):
                self._start()
                answer, is_worn = await self._ask(framed(task))
        except TimeoutError:
            self.end()
            return UnreadableDocument(f"reading it takes more than {self._patience:g} seconds")
        except (EOFError, OSError):
            return UnreadableDocument(self._cause_of_death())
        except asyncio.CancelledError:
            self.end()
            raise
        if is_worn:
            self.end()
        return answer

    def end(self) -> None:
        """End the process, if there is one, and wait until it is gone."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._door.close()
            self._process = None

    async def _ask(self, question: bytes) -> tuple[Any, bool]:
        await asyncio.get_running_loop().sock_sendall(self._door, question)
        length = int.from_bytes(await _receive(self._door, LENGTH_BYTES))
        answer: tuple[Any, bool] = pickle.loads(await _receive(self._door, length))  # noqa: S301
        return answer

    def _start(self) -> None:
        if self._process and self._process.poll() is not None:
            self.end()
        if self._process is None:
            self._door, theirs = socket.socketpair()
            self._door.setblocking(False)
            with theirs:
                fd, limits = theirs.fileno(), self._limits
                path = json.dumps([*sys.path, _ROOT])
                arguments = [path, str(fd), str(limits.cpu_seconds), str(limits.memory_bytes)]
                command = [sys.executable, "-S", "-c", _PROGRAM, *arguments]
                self._process = subprocess.Popen(command, pass_fds=[fd], stdin=subprocess.DEVNULL)

    def _cause_of_death(self) -> str:
        process = self._process
        assert process, "somebody closed the socket"
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
        self.end()
        if process.returncode == -signal.SIGXCPU:
            return f"reading it takes more than {self._limits.cpu_seconds:g} seconds"
        return f"reading it broke the parser (exit status {process.returncode})"


async def _receive(door: socket.socket, length: int) -> bytearray:
    data, loop = bytearray(length), asyncio.get_running_loop()
    at = 0
    while at < length:
        received = await loop.sock_recv_into(door, memoryview(data)[at:])
        if not received:
            raise EOFError("the worker is gone")
        at += received
    return data
