"""`tocsin run`: a Redis and the four services as child processes, restarted when they die, ended together."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shared import redis_server
from shared.redis_server import RedisServer, end_with_parent
from shared.settings import ServiceSettings, SettingsError

SERVICES = ("ingest", "classify", "notify", "api")
CANNOT_START = 2
LONGEST_PAUSE = 30.0
GRACE_SECONDS = 20.0


class StartError(Exception):
    """Nothing can run. The message says why and what to do."""


@dataclass
class Child:
    """One process that is kept running."""

    name: str
    launch: Callable[[], "subprocess.Popen[bytes]"]
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0
    pause: float = 0.5
    due: float = 0

    def start(self) -> None:
        self.process = self.launch()
        self.started = time.monotonic()

    def tend(self) -> None:
        """Start the child again, after a pause that grows while it keeps dying at once."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.due:
                self.start()
            return
        status = self.process.poll()
        if status is None:
            return
        if status == CANNOT_START:
            raise StartError(f"{self.name} could not start; see above")
        self.pause = 0.5 if now - self.started > 60 else min(self.pause * 2, LONGEST_PAUSE)
        say(f"{self.name} ended ({_spell(status)}); starting it again in {self.pause:.0f} s")
        self.process, self.due = None, now + self.pause

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Supervisor:
    """Runs everything until SIGINT or SIGTERM."""

    settings: ServiceSettings
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
                environment = self._environment(folder / "redis")
                self.children += [Child(name, _launcher(name, environment)) for name in SERVICES]
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

    def _environment(self, folder: Path) -> dict[str, str]:
        if self.settings.redis_url is not None:
            say("Redis: the one that TOCSIN_REDIS_URL names")
            return dict(os.environ)
        self.redis = redis_server.start(folder)
        say(self.redis.description)
        (self.settings.data_dir / "redis.url").write_text(self.redis.url + "\n")
        return {**os.environ, "TOCSIN_REDIS_URL": self.redis.url}

    def _tend_redis(self) -> None:
        if self.redis and self.redis.durable and self.redis.process.poll() is not None:
            say("redis ended; starting it again")
            self.redis = redis_server.start(self.settings.data_dir / "redis", port=self.redis.port)

    def _announce(self) -> None:
        url = f"http://{self.settings.http_host}:{self.settings.http_port}"
        while not self.asked_to_stop:
            for child in self.children:
                child.tend()
            if _answers(f"{url}/livez"):
                say(f"Pages: {url}   (Ctrl-C ends everything)")
                return
            time.sleep(0.2)

    def _end(self) -> None:
        for child in self.children:
            if child.process is not None and child.running():
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for child in self.children:
            if child.process is not None:
                try:
                    child.process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    say(f"{child.name} did not end in time; killed")
                    child.process.kill()
        if self.redis:
            self.redis.stop()
            (self.settings.data_dir / "redis.url").unlink(missing_ok=True)
        say("stopped")

    def _stop(self, *_: object) -> None:
        self.asked_to_stop = True


def _launcher(service: str, environment: dict[str, str]) -> "Callable[[], subprocess.Popen[bytes]]":
    command = [sys.executable, "-m", "cli.main", service]
    return lambda: subprocess.Popen(command, env=environment, preexec_fn=end_with_parent)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _spell(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def say(text: str) -> None:
    """Print a line at once, also when standard output is a file."""
    print(text, flush=True)


def run(settings: ServiceSettings) -> int:
    """Run everything; return the exit status."""
    try:
        Supervisor(settings).run()
    except (StartError, redis_server.RedisServerError, SettingsError) as e:
        print(f"tocsin: {e}", file=sys.stderr)
        return 1
    return 0
