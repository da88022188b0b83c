"""Parse in worker processes: a document that runs away costs one worker, and only that document fails.

Each worker has a pipe of its own. In a pool that shares one, a worker that is killed while it holds the lock of
the pipe takes all others with it.
"""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from services.ingest.adapters.parse_worker import Limits, Refusal, Task
from services.ingest.core.article import read_article
from services.ingest.core.feed import Feed
from services.ingest.core.reading import Reading, read_document

WORKERS = 2
CPU_SECONDS = 3.0
# What a process may write to; what it shares with others, libraries say, does not count.
MEMORY_BYTES = 300_000_000
# Beyond its processor time a document may wait for a busy machine, but not for ever.
PATIENCE = 6

# A program of its own: a fork of a process with threads may hang, and multiprocessing would import in each worker
# all that the service has imported.
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from multiprocessing.connection import Connection
from services.ingest.adapters.parse_worker import Limits, work
work(Connection(int(sys.argv[2])), Limits(float(sys.argv[3]), int(sys.argv[4])))
"""


class ParseError(Exception):
    """A document could not be read as a feed. `url` is the feed's.

    `is_page` says whether the document is a web page, `announced` which feeds it names as its own.
    """

    def __init__(self, url: str, reason: str, announced: tuple[str, ...] = (), is_page: bool = False) -> None:
        super().__init__(reason)
        self.url = url
        self.reason = reason
        self.announced = announced
        self.is_page = is_page


class Parser:
    """Reads documents in a few processes, started when first needed. Use as an asynchronous context manager."""

    def __init__(
        self, workers: int = WORKERS, cpu_seconds: float = CPU_SECONDS, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self._limits = Limits(cpu_seconds, memory_bytes)
        # Threads of its own to wait in: the loop's few are for looking up names.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="parser")
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for _ in range(workers):
            self._idle.put_nowait(_Worker(self._limits))

    async def __aenter__(self) -> "Parser":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while not self._idle.empty():
            await asyncio.to_thread(self._idle.get_nowait().end)
        self._threads.shutdown(wait=False)

    async def read(
        self, body: bytes, content_type: str | None, url: str, feed: Feed, now: datetime
    ) -> Reading:
        """Return the reports of a document; raise ParseError. `url` is where it came from in the end."""
        reading: Reading = await self._work(feed.url, read_document, body, content_type, url, feed, now)
        return reading

    async def read_article(self, body: bytes, url: str) -> str:
        """Return the text of the article on a web page; raise ParseError."""
        text: str = await self._work(url, read_article, body, url)
        return text

    async def _work(self, url: str, read: Callable[..., Any], *arguments: Any) -> Any:
        task = Task(read, arguments)
        worker = await self._idle.get()
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, worker.work, task)
        except asyncio.CancelledError:
            # The thread that waits for it cleans up after it, some time.
            worker.kill()
            worker = _Worker(self._limits)
            raise
        finally:
            self._idle.put_nowait(worker)
        if isinstance(answer, Refusal):
            raise ParseError(url, *answer)
        return answer


class _Worker:
    """One process, or the place for one: it is started when needed, and anew after it died."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def work(self, task: Task) -> Any:
        """Return what the process made of the task, or in words why it could not. Blocks."""
        try:
            pipe = self._start()
            pipe.send(task)
            if pipe.poll(self._limits.cpu_seconds * PATIENCE):
                answer, is_worn = pipe.recv()
                if is_worn:
                    self.end()
                return answer
            reason = f"reading it takes more than {self._limits.cpu_seconds * PATIENCE:g} seconds"
        except (EOFError, OSError):
            reason = self._cause_of_death()
        self.end()
        return Refusal(reason)

    def kill(self) -> None:
        """End the process without waiting."""
        if self._process:
            self._process.kill()

    def end(self) -> None:
        """End the process and wait until it is gone."""
        if self._process and self._pipe:
            self._process.kill()
            self._process.wait()
            self._pipe.close()
            self._process = self._pipe = None

    def _start(self) -> Connection:
        if self._process and self._process.poll() is not None:
            self.end()
        if self._pipe is None:
            ours, theirs = socket.socketpair()
            with theirs:
                fd, limits = theirs.fileno(), self._limits
                arguments = [json.dumps(sys.path), str(fd), str(limits.cpu_seconds), str(limits.memory_bytes)]
                command = [sys.executable, "-c", _PROGRAM, *arguments]
                self._process = subprocess.Popen(command, pass_fds=[fd], stdin=subprocess.DEVNULL)
            self._pipe = Connection(ours.detach())
        return self._pipe

    def _cause_of_death(self) -> str:
        process = self._process
        assert process, "somebody closed the pipe"
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
        if process.returncode == -signal.SIGXCPU:
            return f"reading it takes more than {self._limits.cpu_seconds:g} seconds"
        return f"reading it broke the parser (exit status {process.returncode})"
