"""The life of a parse worker: `python -c … FD CPU_SECONDS MEMORY_BYTES`, started by parser.py.

It imports no more than parsing needs: this is what starting one costs, in time and memory.
"""

import contextlib
import math
import resource
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from services.ingest.core.entry import UnreadableDocument

# A process that has come to this much is ended after it has answered: it would not give back what it took.
WORN_BYTES = 150_000_000


class Refusal(NamedTuple):
    """Why there is no reading."""

    reason: str
    announced: tuple[str, ...] = ()
    is_page: bool = False


class Limits(NamedTuple):
    cpu_seconds: float
    memory_bytes: int


class Task(NamedTuple):
    """A function of the core and what it is called with."""

    read: Callable[..., Any]
    arguments: tuple[Any, ...]


def work(pipe: Connection, limits: Limits) -> None:
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


def _read_within_limits(task: Task, cpu_seconds: float) -> Any:
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    # Counted from the start of the process, in whole seconds. A parser in C does not look at Python's
    # signals: the kernel ends the process, and the next document gets a new one.
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + cpu_seconds), hard))
    try:
        return task.read(*task.arguments)
    except UnreadableDocument as e:
        return Refusal(str(e), e.announced, e.is_page)
    except MemoryError:
        return Refusal("reading it takes more memory than a feed may")
    except Exception as e:
        # feedparser fails in many ways on garbage. Whatever it is, it is the fault of this document.
        return Refusal(f"reading it broke the parser ({type(e).__name__}: {str(e)[:200]})")
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
