"""The life of a parse worker: `python -S -c …`, started by parser.py, which is at the other end of its socket.

It imports no more than parsing needs, and no pydantic: this is what starting one costs, in time and memory.
"""

import contextlib
import math
import pickle
import resource
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from services.ingest.core.entry import UnreadableDocument

# A process that has come to this much is ended after it has answered: it would not give back what it took.
WORN_BYTES = 150_000_000
LENGTH_BYTES = 8


# Made beforehand: where it is needed there is no memory to make it.
_TOO_LARGE = UnreadableDocument("reading it takes more memory than a feed may")


class Limits(NamedTuple):
    """Processor time for a document, and memory that the process may write to."""

    cpu_seconds: float
    memory_bytes: int


class Task(NamedTuple):
    """What is to be read, and what is known of it."""

    kind: Literal["document", "article"]
    arguments: tuple[Any, ...]


def framed(value: object) -> bytes:
    """Return a value as it goes over the socket: its length in eight bytes, then its pickle."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(LENGTH_BYTES) + data


def work(door: socket.socket, limits: Limits) -> None:
    """The life of a worker process: it ends when its parent closes the socket, also by dying."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _reader("document")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
    with contextlib.suppress(EOFError, OSError), door.makefile("rb") as tasks:
        while head := tasks.read(LENGTH_BYTES):
            task = pickle.loads(tasks.read(int.from_bytes(head)))  # noqa: S301
            answer = _read_within_limits(task, limits.cpu_seconds)
            door.sendall(framed((answer, _resident_bytes() > WORN_BYTES)))


def _reader(kind: str) -> Callable[..., Any]:
    # Here, for the process that polls imports this module too, and none of what parsing needs.
    if kind == "article":
        from services.ingest.core.sources.page import read_article

        return read_article
    from services.ingest.core.parse import read_document

    return read_document


def _resident_bytes() -> int:
    """How much memory this process has now; 0 where that is not so easily told (the peak may be a parent's)."""
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
        return _reader(task.kind)(*task.arguments)
    except UnreadableDocument as e:
        return e
    except MemoryError:
        return _TOO_LARGE
    except Exception as e:
        # feedparser fails in many ways on garbage. Whatever it is, it is the fault of this document.
        return UnreadableDocument(f"reading it broke the parser ({type(e).__name__}: {str(e)[:200]})")
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
