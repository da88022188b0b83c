"""`tocsin run`: a Redis and the four services as child processes, restarted when they die, ended together.

The services are forked from here when all that they import has been imported: what is the same in all of them is in
memory once, and one that died is back at once.
"""

import gc
import http.client
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path

from setproctitle import setproctitle

from shared import redis_server
from shared.redis_server import RedisServer, end_with_parent
from shared.settings import ServiceSettings, SettingsError

CANNOT_START = 2
IMPORTED_LATE = ("shared.stream_reader", "uvloop")
"""What every service imports only when it runs."""
LONGEST_PAUSE = 30.0
GRACE_SECONDS = 20.0


class StartError(Exception):
    """Nothing can run. The message says why and what to do."""


@dataclass
class Child:
    """One process that is kept running."""

    name: str
    work: Callable[[], None]
    process: BaseProcess | None = None
    started: float = 0
    pause: float = 0.5
    due: float = 0

    def start(self) -> None:
        self.process = multiprocessing.get_context("fork").Process(
            target=_run_as, args=(self.name, self.work)
        )
        self.process.start()
        self.started = time.monotonic()

    def tend(self) -> None:
        """Start the child again, after a pause that grows while it keeps dying at once."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.due:
                self.start()
            return
        status = self.process.exitcode
        if status is None:
            return
        if status == CANNOT_START:
            raise StartError(f"{self.name} could not start; see above")
        self.pause = 0.5 if now - self.started > 60 else min(self.pause * 2, LONGEST_PAUSE)
        say(f"{self.name} ended ({_spell(status)}); starting it again in {self.pause:.0f} s")
        self.process, self.due = None, now + self.pause

    def end(self, deadline: float) -> None:
        """Wait for a child that was told to end; kill it when its time is up."""
        if self.process is None:
            return
        self.process.join(max(0.1, deadline - time.monotonic()))
        if self.process.exitcode is None:
            say(f"{self.name} did not end in time; killed")
            self.process.kill()
            self.process.join()


@dataclass
class Supervisor:
    """Runs everything until SIGINT or SIGTERM."""

    settings: ServiceSettings
    services: dict[str, Callable[[], None]]
    children: list[Child] = field(default_factory=list)
    redis: RedisServer | None = None
    asked_to_stop: bool = False

    def run(self) -> None:
        """Return when stopped; raise StartError or RedisServerError if nothing can run."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        folder = self.settings.data_dir
        with redis_server.exclusive(folder):
            try:
                self._find_redis(folder / "redis")
                _import_once([*(f"services.{name}.app" for name in self.services), *IMPORTED_LATE])
                self.children += [Child(name, work) for name, work in self.services.items()]
                for child in self.children:
                    child.start()
                self._announce()
                while not self.asked_to_stop:
                    for child in self.children:
                        child.tend()
                    self._tend_redis()
                    time.sleep(0.2)
            finally:
                self._end()

    def _find_redis(self, folder: Path) -> None:
        if self.settings.redis_url is not None:
            say("Redis: the one that TOCSIN_REDIS_URL names")
            return
        self.redis = redis_server.start(folder)
        say(self.redis.description)
        (self.settings.data_dir / "redis.url").write_text(self.redis.url + "\n")
        os.environ["TOCSIN_REDIS_URL"] = self.redis.url

    def _tend_redis(self) -> None:
        if self.redis and self.redis.durable and self.redis.process.poll() is not None:
            say("redis ended; starting it again")
            self.redis = redis_server.start(self.settings.data_dir / "redis", port=self.redis.port)

    def _announce(self) -> None:
        host, port = self.settings.http_host, self.settings.http_port
        while not self.asked_to_stop:
            for child in self.children:
                child.tend()
            if _answers(host, port):
                say(f"Pages: http://{host}:{port}   (Ctrl-C ends everything)")
                return
            time.sleep(0.2)

    def _end(self) -> None:
        for child in self.children:
            if child.process is not None:
                child.process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for child in self.children:
            child.end(deadline)
        if self.redis:
            self.redis.stop()
            (self.settings.data_dir / "redis.url").unlink(missing_ok=True)
        say("stopped")

    def _stop(self, *_: object) -> None:
        self.asked_to_stop = True


def _import_once(modules: Iterable[str]) -> None:
    # The collector would write into every object, and so make each child a copy of it.
    gc.disable()
    for module in modules:
        import_module(module)
    gc.collect()
    gc.freeze()


def _run_as(name: str, work: Callable[[], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    end_with_parent()
    setproctitle(f"tocsin {name}")
    gc.enable()
    try:
        work()
    except SettingsError as e:
        print(f"tocsin: {e}", file=sys.stderr)
        raise SystemExit(CANNOT_START) from e


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except (http.client.HTTPException, OSError):
        return False
    finally:
        connection.close()


def _spell(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def say(text: str) -> None:
    """Print a line at once, also when standard output is a file."""
    print(text, flush=True)


def run(settings: ServiceSettings, services: dict[str, Callable[[], None]]) -> int:
    """Run everything; return the exit status. `services` are functions, by name, that each run one to its end."""
    try:
        Supervisor(settings, services).run()
    except (StartError, redis_server.RedisServerError, SettingsError) as e:
        print(f"tocsin: {e}", file=sys.stderr)
        return 1
    return 0
