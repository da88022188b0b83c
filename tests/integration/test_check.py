"""`tocsin check` on broken installations: each mistake is named with what would be right, and no value is shown."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from redis import Redis

from cli import check
from cli.reach import try_everything
from shared.redis_server import free_port
from tests.feed_folder import item, rss
from tests.unit.test_rulebook import RULE

SECRET = "hunter2"
FEED = '[[feed]]\nurl = "feed.xml"\n'
FAR = '[[feed]]\nurl = "http://127.0.0.1:1/"\n'

WRONG_SETTINGS = {
    "a word for a number": ({"RETENTION_DAYS": f"{SECRET}"}, "TOCSIN_RETENTION_DAYS", "must be a valid number"),
    "for ever": ({"RETENTION_DAYS": "inf"}, "TOCSIN_RETENTION_DAYS", "finite"),
    "a minimum above the maximum": (
        {"POLL_INTERVAL_MIN": "7200"},
        "TOCSIN_POLL_INTERVAL_MAX",
        "must be no less than TOCSIN_POLL_INTERVAL_MIN",
    ),
    "a port that is none": ({"HTTP_PORT": "99999"}, "TOCSIN_HTTP_PORT", "less than or equal to 65535"),
    "an address without scheme": ({"PUBLIC_URL": f"{SECRET}.example.org"}, "TOCSIN_PUBLIC_URL", "https://"),
    "an address with a query": ({"PUBLIC_URL": "https://a.example/?x=1"}, "TOCSIN_PUBLIC_URL", "no user, ? or #"),
    "an address with a wrong port": ({"PUBLIC_URL": "https://a.example:x"}, "TOCSIN_PUBLIC_URL", "host or port"),
    "no network": ({"ALLOW_HOSTS": "10.0.0.0/99"}, "TOCSIN_ALLOW_HOSTS", "10.1.0.0/16,127.0.0.0/8"),
    "another format of logs": ({"LOG_FORMAT": "xml"}, "TOCSIN_LOG_FORMAT", "'console' or 'json'"),
    "a prefix with a star": ({"KEY_PREFIX": "tocsin*"}, "TOCSIN_KEY_PREFIX", "letters, digits"),
    "a sign of life in no folder": ({"ALIVE_FILE": "/nowhere/alive"}, "TOCSIN_ALIVE_FILE", "a folder that exists"),
    "redis by http": ({"REDIS_URL": f"http://:{SECRET}@a:6379"}, "TOCSIN_REDIS_URL", "begins with redis://"),
    "redis without host": ({"REDIS_URL": f"redis://:{SECRET}@/0"}, "TOCSIN_REDIS_URL", "names a host"),
    "redis with a word for a number": ({"REDIS_URL": "redis://a:6379/main"}, "TOCSIN_REDIS_URL", "number of a data"),
    "a mail server by http": ({"SMTP_URL": f"http://u:{SECRET}@mail"}, "TOCSIN_SMTP_URL", "smtp:// or smtps://"),
    "a user without password": ({"SMTP_URL": "smtp://user@mail"}, "TOCSIN_SMTP_URL", "both a user and a password"),
    "a slash in a password": ({"SMTP_URL": f"smtp://u:a/{SECRET}@mail"}, "TOCSIN_SMTP_URL", "smtp://user:password"),
    "a sender without address": ({"MAIL_FROM": "Tocsin"}, "TOCSIN_MAIL_FROM", "Tocsin <alerts@example.org>"),
    "a sender on two lines": ({"MAIL_FROM": "a@b.example\nBcc: c"}, "TOCSIN_MAIL_FROM", "it is 2 lines"),
    "no retries": ({"RETRY_SCHEDULE": "soon"}, "TOCSIN_RETRY_SCHEDULE", "5,300,1800"),
    "sign-up by a token that is not set": ({"SIGNUP": "token"}, "TOCSIN_SIGNUP", "TOCSIN_ADMIN_TOKEN"),
    "a token with an umlaut": ({"ADMIN_TOKEN": f"{SECRET}ü"}, "TOCSIN_ADMIN_TOKEN", "ASCII"),
    "proxies by a word": ({"TRUSTED_PROXIES": "nginx"}, "TOCSIN_TRUSTED_PROXIES", "networks with commas"),
    "a hub without address": ({"WEBSUB_HUB": "yes"}, "TOCSIN_WEBSUB_HUB", "must be an address"),
    "a contact that is none": ({"CONTACT_URL": "me"}, "TOCSIN_CONTACT_URL", "mailto:"),
    "neither true nor false": ({"PROBE_VALIDATORS": "perhaps"}, "TOCSIN_PROBE_VALIDATORS", "boolean"),
    "a misspelt name": ({"ADMIN_TOKN": SECRET}, "TOCSIN_ADMIN_TOKN", "is it TOCSIN_ADMIN_TOKEN?"),
    "a name from nowhere": ({"ZZZZZZ": SECRET}, "TOCSIN_ZZZZZZ", ".env.example lists them"),
    "a secret's file that is not there": ({"SMTP_URL_FILE": "/nowhere"}, "TOCSIN_SMTP_URL_FILE", "cannot be read"),
    "a setting twice": ({"FEEDS_FILE": "feeds.toml", "FEEDS_FILE_FILE": "name"}, "TOCSIN_FEEDS_FILE", "must go"),
    "a file for a folder": ({"DATA_DIR": "feeds.toml"}, "TOCSIN_DATA_DIR", "must be a folder"),
    "no feed list": ({"FEEDS_FILE": "none.toml"}, "TOCSIN_FEEDS_FILE", "there is no none.toml"),
    "no rulebook": ({"TOPICS_DIR": "nowhere"}, "TOCSIN_TOPICS_DIR", "nowhere"),
}  # fmt: skip

WRONG_FILES = {
    "an empty secret's file": ("secret", "\n", {"SMTP_URL_FILE": "secret"}, "TOCSIN_SMTP_URL_FILE", "is empty"),
    "a secret's file of bytes": ("secret", "\udcff", {"SMTP_URL_FILE": "secret"}, "TOCSIN_SMTP_URL_FILE", "no text"),
    "a line of .env that says nothing": (".env", f"A=1\n={SECRET}\n", {}, ".env", "line 2"),
    "a .env of bytes": (".env", "\udcff", {}, ".env", "UTF-8"),
    "a wrong setting in .env": (".env", "TOCSIN_HTTP_PORT=x\n", {}, "TOCSIN_HTTP_PORT", "valid integer"),
    "a misspelt name in .env": (".env", "TOCSIN_HTP_PORT=80\n", {}, "TOCSIN_HTP_PORT", "TOCSIN_HTTP_PORT?"),
    "a secret by a wrong name": ("made/tocsin_admin_tokn", SECRET, {"SECRETS_DIR": "made"}, "TOCSIN_ADMIN_TOKN", "is"),
    "a secret of bytes": ("made/tocsin_smtp_url", "\udcff", {"SECRETS_DIR": "made"}, "TOCSIN_SMTP_URL", "is no text"),
    "a feed list that is no TOML": ("feeds.toml", "[[feed]\n", {}, "TOCSIN_FEEDS_FILE", "not TOML"),
    "a feed with an unknown key": ("feeds.toml", FEED + "colour = 1\n", {}, "TOCSIN_FEEDS_FILE", "known are url"),
    "a rule that is wrong": ("topics/floods.yaml", "topic: [\n", {}, "TOCSIN_TOPICS_DIR", "floods.yaml"),
    "no feed of the network answers": ("feeds.toml", FEED + FAR, {}, "feeds", "1 of 2 answer"),
    "feeds of which none answers": ("feeds.toml", FEED.replace("feed.xml", "gone.xml"), {}, "feeds", "0 of 1 answer"),
}  # fmt: skip

UNREACHABLE = {
    "a redis that is not there": ({"REDIS_URL": f"redis://:{SECRET}@127.0.0.1:1/0"}, "TOCSIN_REDIS_URL", "not answer"),
    "a redis of others": ({"REDIS_URL": "{redis_as_nobody}"}, "TOCSIN_REDIS_URL", "refuses the user or the password"),
    "a mail server that is not there": ({"SMTP_URL": f"smtp://u:{SECRET}@127.0.0.1:1"}, "TOCSIN_SMTP_URL", "cannot"),
    "a mail server of others": ({"SMTP_URL": f"smtp://u:{SECRET}@{{smtp}}"}, "TOCSIN_SMTP_URL", "535"),
    "a name that nobody knows": ({"PUBLIC_URL": "https://nobody.invalid"}, "DNS", "nobody.invalid of TOCSIN_PUBLIC"),
}  # fmt: skip


class Doorkeeper:
    """A mail server's mind that lets nobody in."""

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, how: str, who: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=False, handled=False)  # fmt: skip


@pytest.fixture(scope="module")
def doorkeeper() -> Iterator[Controller]:
    keeper = Doorkeeper()
    server = Controller(
        keeper,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=keeper.authenticate,
        auth_require_tls=False,
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> Path:
    """A folder with a sound installation, in which the command runs."""
    for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
        monkeypatch.delenv(name)
    (tmp_path / "topics").mkdir()
    (tmp_path / "topics" / "floods.yaml").write_text(RULE)
    (tmp_path / "feed.xml").write_text(rss(item("")))
    (tmp_path / "feeds.toml").write_text(FEED)
    (tmp_path / "name").write_text("feeds.toml")
    monkeypatch.chdir(tmp_path)
    for name, value in {"REDIS_URL": redis_url, "TOPICS_DIR": "topics", "KEY_PREFIX": "test-check:"}.items():
        monkeypatch.setenv(f"TOCSIN_{name}", value)
    monkeypatch.setenv("COLUMNS", "300")
    return tmp_path


def assert_named(shown: str, subject: str, words: str) -> None:
    rows = [
        [cell.strip() for cell in line.strip("│ ").split("│")] for line in shown.splitlines() if "│" in line
    ]
    assert [row for row in rows if row[0] == subject and row[1] == "WRONG" and words in row[2]], shown
    assert SECRET not in shown


def look(subject: str) -> int:
    """Look for what is wrong; at the rulebook, and elsewhere, only where that is it: it takes a second."""
    return (
        check.check_everything()
        if subject in ("TOCSIN_TOPICS_DIR", "feeds")
        else check.show([*check.findings_here(), *check.misspelt()])
    )


def reach(webhook: str | None = None) -> int:
    return check.show(asyncio.run(try_everything(webhook)))


def test_a_sound_installation_has_nothing_wrong(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.check_everything() == 0
    assert "WRONG" not in capsys.readouterr().out


WRONG = {name: ("", "", *row) for name, row in WRONG_SETTINGS.items()} | WRONG_FILES


@pytest.mark.parametrize(("file", "text", "environment", "subject", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_in_a_setting_or_file_is_named(
    file: str,
    text: str,
    environment: dict[str, str],
    subject: str,
    words: str,
    sound: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if file:
        (sound / file).parent.mkdir(exist_ok=True)
        (sound / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    for name, value in environment.items():
        monkeypatch.setenv(f"TOCSIN_{name}", value)
    assert look(subject) == 1
    assert_named(capsys.readouterr().out, subject, words)


@pytest.mark.parametrize(("environment", "subject", "words"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_what_cannot_be_reached_is_named(
    environment: dict[str, str],
    subject: str,
    words: str,
    sound: Path,
    doorkeeper: Controller,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {
        "smtp": f"127.0.0.1:{doorkeeper.port}",
        "redis_as_nobody": redis_url.replace("//", f"//nobody:{SECRET}@"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"TOCSIN_{name}", value.format(**places))
    monkeypatch.setenv("TOCSIN_SMTP_PASSWORD_IN_CLEAR", "true")
    assert reach() == 1
    assert_named(capsys.readouterr().out, subject, words)


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("maxmemory-policy", "allkeys-lru", "must be noeviction"),
        ("min-replicas-to-write", "1", "refuses to work"),
        ("maxmemory", "1", "refuses to work"),
    ],
)
def test_a_redis_that_would_lose_reports_is_named(
    setting: str, value: str, words: str, sound: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Redis.from_url(redis_url) as redis:
        before = redis.config_get(setting)[setting]
        redis.config_set(setting, value)
        try:
            assert reach() == 1
        finally:
            redis.config_set(setting, before)
    shown = capsys.readouterr().out
    assert words in shown
    assert "WRONG" in shown


def test_every_mistake_is_named_at_once(
    sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "HTTP_PORT": "0x50",
        "LOG_FORMAT": "xml",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SMTP_URL": "smtp://127.0.0.1:1",
        "FEEDS_FILE": "none.toml",
        "TOPICS_DIR": "nowhere",
        "SIGNUPS": "1",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(f"TOCSIN_{name}", value)
    assert check.check_everything() == 1
    shown = capsys.readouterr().out
    for name in wrong:
        assert_named(shown, f"TOCSIN_{name}", "")
    assert shown.count("WRONG") == len(wrong)


@pytest.mark.parametrize(("status", "exit_status"), [(204, 0), (500, 1)])
def test_a_webhook_is_posted_to(
    status: int,
    exit_status: int,
    sound: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/hook"
        assert reach(url) == 1
        assert "TOCSIN_ALLOW_HOSTS" in capsys.readouterr().out
        monkeypatch.setenv("TOCSIN_ALLOW_HOSTS", "127.0.0.0/8")
        assert reach(url) == exit_status
        assert f"answered {status}" in capsys.readouterr().out
        server.shutdown()


@pytest.mark.parametrize("command", ["run", "notify"])
def test_nothing_starts_with_a_wrong_setting(sound: Path, command: str) -> None:
    wrong = {
        **os.environ,
        "TOCSIN_SMTP_URL": f"http://{SECRET}",
        "TOCSIN_MAIL_FROM": "me",
        "TOCSIN_HTTP_PORT": "0",
    }
    root = str(Path(__file__).parent.parent.parent)
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", command],
        env={**wrong, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert all(name in done.stderr for name in ("TOCSIN_SMTP_URL", "TOCSIN_MAIL_FROM", "TOCSIN_HTTP_PORT"))
    assert SECRET not in done.stderr
    assert "Traceback" not in done.stderr
