"""Parse in worker processes: a document that runs away costs one worker, and only that document fails.

Each worker has a pipe of its own. In a pool that shares one, a worker that is killed while it holds the lock of
the pipe takes all others with it.
"""

import asyncio
import contextlib
import math
import resource
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, NamedTuple

from services.ingest.core.article import read_article
from services.ingest.core.entry import UnreadableDocument
from services.ingest.core.feed import Feed
from services.ingest.core.reading import Reading, read_document

WORKERS = 2
CPU_SECONDS = 3.0
# What a process may write to; what it shares with others, libraries say, does not count.
MEMORY_BYTES = 300_000_000
# Beyond its processor time a document may wait for a busy machine, but not for ever.
PATIENCE = 6
# A process that has come to this much is ended after it has answered: it would not give back what it took.
WORN_BYTES = 150_000_000

# Not forked: a fork of a process with threads and an event loop may hang.
_spawning = get_context("spawn")


class ParseError(Exception):
    """A document could not be read as a feed. `url` is the feed's.

    `announced` holds the addresses of feeds that the document, a web page, names as its own.
    """

    def __init__(self, url: str, reason: str, announced: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.url = url
        self.reason = reason
        self.announced = announced


class _Refusal(NamedTuple):
    """Why there is no reading."""

    reason: str
    announced: tuple[str, ...] = ()


class _Limits(NamedTuple):
    cpu_seconds: float
    memory_bytes: int


class _Task(NamedTuple):
    """A function of the core and what it is called with."""

    read: Callable[..., Any]
    arguments: tuple[Any, ...]


class Parser:
    """Reads documents in a few processes, started when first needed. Use as an asynchronous context manager."""

    def __init__(
        self, workers: int = WORKERS, cpu_seconds: float = CPU_SECONDS, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self._limits = _Limits(cpu_seconds, memory_bytes)
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
        task = _Task(read, arguments)
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
        if isinstance(answer, _Refusal):
            raise ParseError(url, *answer)
        return answer


class _Worker:
    """One process, or the place for one: it is started when needed, and anew after it died."""

    def __init__(self, limits: _Limits) -> None:
        self._limits = limits
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def work(self, task: _Task) -> Any:
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
        return _Refusal(reason)

    def kill(self) -> None:
        """End the process without waiting."""
        if self._process:
            self._process.kill()

    def end(self) -> None:
        """End the process and wait until it is gone."""
        if self._process and self._pipe:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = self._pipe = None

    def _start(self) -> Connection:
        if self._process and not self._process.is_alive():
            self.end()
        if self._pipe is None:
            self._pipe, theirs = _spawning.Pipe()
            self._process = _spawning.Process(
                target=_work, args=(theirs, self._limits), name="tocsin-parser", daemon=True
            )
            self._process.start()
            theirs.close()
        return self._pipe

    def _cause_of_death(self) -> str:
        process = self._process
        assert process, "somebody closed the pipe"
        process.join(1)
        if process.exitcode == -signal.SIGXCPU:
            return f"reading it takes more than {self._limits.cpu_seconds:g} seconds"
        return f"reading it broke the parser (exit status {process.exitcode})"


def _work(pipe: Connection, limits: _Limits) -> None:
    """The life of a worker process: it ends when its parent closes the pipe, also by dying."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
    with contextlib.suppress(EOFError, OSError):
        while True:
            answer = _read_within_limits(pipe.recv(), limits.cpu_seconds)
            pipe.send((answer, _resident_bytes() > WORN_BYTES))


def _resident_bytes() -> int:
    """How much memory this process has now; 0 where that is not so easily told."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _read_within_limits(task: _Task, cpu_seconds: float) -> Any:
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    # Counted from the start of the process, in whole seconds. A parser in C does not look at Python's
    # signals: the kernel ends the process, and the next document gets a new one.
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + cpu_seconds), hard))
    try:
        return task.read(*task.arguments)
    except UnreadableDocument as e:
        return _Refusal(str(e), e.announced)
    except MemoryError:
        return _Refusal("reading it takes more memory than a feed may")
    except Exception as e:
        # feedparser fails in many ways on garbage. Whatever it is, it is the fault of this document.
        return _Refusal(f"reading it broke the parser ({type(e).__name__}: {str(e)[:200]})")
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
