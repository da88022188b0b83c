"""`tocsin check`: every configuration error at once, and what can be reached."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar

from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from shared.redis_client import make_client, on_every_master
from shared.settings import ServiceSettings, SettingsError, load

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `good` is None where there was nothing to look at."""

    subject: str
    good: bool | None
    detail: str


def check_everything() -> int:
    """Print a table of findings; return 0 if nothing is wrong."""
    findings = [
        finding for look in (_settings, _data_dir, _feeds, _rulebook, _redis, _mail) for finding in look()
    ]
    table = Table("what", "", "finding")
    for finding in findings:
        mark = {True: "ok", False: "WRONG", None: "-"}[finding.good]
        table.add_row(finding.subject, mark, finding.detail)
    Console().print(table)
    return 1 if any(finding.good is False for finding in findings) else 0


def _settings() -> Iterator[Finding]:
    from services.api.settings import ApiSettings
    from services.classify.settings import ClassifySettings
    from services.ingest.settings import IngestSettings
    from services.notify.settings import NotifySettings

    problems: dict[str, None] = {}
    known: set[str] = set()
    for kind in (IngestSettings, ClassifySettings, NotifySettings, ApiSettings):
        known |= {f"TOCSIN_{name}".upper() for name in kind.model_fields}
        try:
            load(kind)
        except SettingsError as e:
            problems |= dict.fromkeys(str(e).splitlines())
    problems |= dict.fromkeys(_misspelt(known))
    for problem in problems:
        name, _, detail = problem.partition(": ")
        yield Finding(name, False, detail)
    if not problems:
        yield Finding("settings", True, "all readable")


def _misspelt(known: set[str]) -> Iterator[str]:
    compose = {
        "TOCSIN_VERSION",
        "TOCSIN_MEMORY",
        "TOCSIN_REDIS_IMAGE",
        "TOCSIN_REDIS_MEMORY",
        "TOCSIN_DEMO_PORT",
        "TOCSIN_PROMETHEUS_IMAGE",
        "TOCSIN_PROMETHEUS_PORT",
        "TOCSIN_GRAFANA_IMAGE",
        "TOCSIN_GRAFANA_PORT",
    }
    for name in sorted(os.environ):
        if (
            name.startswith("TOCSIN_")
            and name.removesuffix("_FILE") not in known
            and name not in known | compose
        ):
            yield f"{name}: there is no such setting; .env.example lists them"


def _data_dir() -> Iterator[Finding]:
    folder = _or_default(lambda: load(ServiceSettings).data_dir, Path("data"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder):
            yield Finding("TOCSIN_DATA_DIR", True, f"{folder.absolute()} can be written")
    except OSError as e:
        yield Finding(
            "TOCSIN_DATA_DIR", False, f"{folder.absolute()}: {e.strerror}; make it writable, or name another"
        )


def _feeds() -> Iterator[Finding]:
    from services.ingest.adapters.feed_list import FeedFileError, read_feed_list
    from services.ingest.settings import IngestSettings

    try:
        feeds = read_feed_list(load(IngestSettings).feeds_file)
    except SettingsError:
        return
    except FeedFileError as e:
        yield Finding("TOCSIN_FEEDS_FILE", False, str(e))
        return
    yield Finding("TOCSIN_FEEDS_FILE", True, f"{sum(feed.enabled for feed in feeds)} feeds")


def _rulebook() -> Iterator[Finding]:
    from services.classify.adapters.rulebook_files import RulebookError, load_rulebook
    from services.classify.settings import ClassifySettings

    try:
        rulebook = load_rulebook(load(ClassifySettings).topics_dir)
    except SettingsError:
        return
    except RulebookError as e:
        yield Finding("rulebook", False, str(e))
        return
    yield Finding(
        "rulebook", True, f"version {rulebook.version}, topics: {', '.join(t.id for t in rulebook.topics)}"
    )


def _redis() -> Iterator[Finding]:
    url = _or_default(lambda: load(ServiceSettings).redis_url, None)
    if url is None:
        yield Finding(
            "TOCSIN_REDIS_URL", None, "not set: `tocsin run` starts a Redis of its own; services need it set"
        )
        return
    try:
        servers = asyncio.run(_masters(url.get_secret_value()))
    except (RedisError, OSError, ValueError) as e:
        yield Finding(
            "TOCSIN_REDIS_URL", False, f"does not answer: {type(e).__name__}; is it up, is the URL right?"
        )
        return
    versions = ", ".join(sorted({about["redis_version"] for about in servers}))
    yield Finding("TOCSIN_REDIS_URL", True, f"Redis {versions} answers" + _how_many(servers))
    policies = {about["maxmemory_policy"] for about in servers} - {"noeviction"}
    if policies:
        yield Finding(
            "redis",
            False,
            f"maxmemory-policy is {policies.pop()}: reports could be lost; set it to noeviction",
        )


async def _masters(url: str) -> list[Any]:
    client = make_client(url, tries=1, timeout=5)
    try:
        return await on_every_master(client, "INFO")
    finally:
        await client.aclose()


def _how_many(servers: Sequence[object]) -> str:
    return f", a cluster of {len(servers)} masters" if len(servers) > 1 else ""


def _mail() -> Iterator[Finding]:
    from services.notify.channels.email import Relay, RelayURLError
    from services.notify.settings import NotifySettings

    settings = _or_default(lambda: load(NotifySettings), None)
    if settings is None:
        return
    if settings.smtp_url is None:
        folder = (settings.data_dir / "outbox").absolute()
        yield Finding("TOCSIN_SMTP_URL", None, f"not set: mails are written to {folder}")
        return
    try:
        relay = Relay.of(settings.smtp_url.get_secret_value())
        asyncio.run(_greet(relay.host, relay.port))
    except RelayURLError as e:
        yield Finding("TOCSIN_SMTP_URL", False, str(e))
    except (OSError, TimeoutError) as e:
        yield Finding("TOCSIN_SMTP_URL", False, f"the mail server cannot be reached: {type(e).__name__}")
    else:
        yield Finding("TOCSIN_SMTP_URL", True, f"{relay.host}:{relay.port} answers")


async def _greet(host: str, port: int) -> None:
    async with asyncio.timeout(10):
        _, writer = await asyncio.open_connection(host, port)
        writer.close()


def _or_default(read: Callable[[], T], default: T) -> T:
    try:
        return read()
    except SettingsError:
        return default
