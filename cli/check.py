"""`tocsin check`: every configuration error at once, and what can be reached. No value of a setting is printed."""

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from tempfile import NamedTemporaryFile

from dotenv import dotenv_values

from cli import port
from cli.finding import Finding, readable
from services.api.settings import ApiSettings
from services.classify.settings import ClassifySettings
from services.ingest.settings import IngestSettings
from services.notify.settings import NotifySettings
from shared.settings import DOTENV, PREFIX, ServiceSettings, SettingsError, load, secret_folders

KINDS = (IngestSettings, ClassifySettings, NotifySettings, ApiSettings)
OF_COMPOSE = re.compile(
    r"TOCSIN_(VERSION|MEMORY|SECRETS_DIR|STREAM_PORT|DEMO_PORT|SITE|TEST_REDIS_URL|(REDIS|CONSUMER)_PASSWORD|"
    r"REDIS_(IMAGE|MEMORY)|(PROMETHEUS|GRAFANA|CADDY)_(IMAGE|PORT))"
)


def check_everything(webhook: str | None = None) -> int:
    """Print a table of findings; return 0 if nothing is wrong. `webhook` is a URL to post a test to."""
    from cli import reach

    found = [*findings_here(), *_port(), *misspelt(), *_rulebook()]
    wrong = {finding.subject for finding in found if finding.good is False}
    tried = asyncio.run(reach.try_everything(webhook))
    found += [finding for finding in tried if finding.subject not in wrong]
    return show(found)


def show(findings: list[Finding]) -> int:
    """Print the table; return 0 if nothing is wrong."""
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "", "finding")
    for finding in findings:
        mark = {True: "ok", False: "WRONG", None: "-"}[finding.good]
        table.add_row(finding.subject, mark, finding.detail)
    Console(markup=False, highlight=False).print(table)
    return 1 if any(finding.good is False for finding in findings) else 0


def findings_here() -> list[Finding]:
    """Return what can be said without asking anybody: settings, folders, the feed list."""
    return [*_settings(), *_data_dir(), *_feed_list()]


def _port() -> Iterator[Finding]:
    settings = readable(ServiceSettings)
    if port.is_taken(settings):
        is_ours = port.is_alive(settings)
        told = "a Tocsin answers there" if is_ours else "it is taken by another program"
        yield Finding("TOCSIN_HTTP_PORT", is_ours, f"port {settings.http_port}: {told}")


def _settings() -> Iterator[Finding]:
    problems: dict[str, None] = {}
    for kind in KINDS:
        try:
            load(kind)
        except SettingsError as e:
            problems |= dict.fromkeys(str(e).splitlines())
    for problem in problems:
        name, _, detail = problem.partition(": ")
        yield Finding(name, False, detail)
    if not problems:
        yield Finding("settings", True, "all readable")


def misspelt() -> Iterator[Finding]:
    """Yield what is named like a setting of ours, and is none: no service sees it."""
    known = {f"{PREFIX}{name}".upper() for kind in KINDS for name in kind.model_fields}
    for name in sorted(_given()):
        if name in known or name.removesuffix("_FILE") in known or OF_COMPOSE.fullmatch(name):
            continue
        near = get_close_matches(name, known, n=1)
        hint = f"is it {near[0]}?" if near else ".env.example lists them"
        yield Finding(name, False, f"there is no such setting; {hint}")


def _given() -> set[str]:
    """Names like ours in the environment, in .env and in folders of secrets."""
    names = set(os.environ)
    if DOTENV.is_file():
        with suppress(OSError, ValueError):  # said already
            names |= set(dotenv_values(DOTENV))
    for folder in secret_folders():
        names |= {path.name.upper() for path in folder.iterdir()}
    return {name for name in names if name.startswith(PREFIX)}


def _data_dir() -> Iterator[Finding]:
    settings = readable(ServiceSettings)
    folder = settings.data_dir.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder):
            yield Finding("TOCSIN_DATA_DIR", True, f"{folder} can be written")
    except OSError as e:
        yield Finding(
            "TOCSIN_DATA_DIR", False, f"{folder}: {e.strerror}; it must be a folder that can be written"
        )


def _feed_list() -> Iterator[Finding]:
    from services.ingest.adapters.feed_list import read_feed_list

    settings = readable(IngestSettings)
    try:
        feeds = read_feed_list(settings.feeds_file)
    except SettingsError as e:
        yield from (Finding("TOCSIN_FEEDS_FILE", False, line) for line in str(e).splitlines())
        return
    enabled = sum(feed.enabled for feed in feeds)
    yield Finding("TOCSIN_FEEDS_FILE", True if enabled else None, f"{enabled} feeds to poll")


def _rulebook() -> Iterator[Finding]:
    from services.classify.adapters.rulebook_files import load_rulebook

    settings = readable(ClassifySettings)
    try:
        rulebook = load_rulebook(settings.topics_dir)
    except SettingsError as e:
        yield from (Finding("TOCSIN_TOPICS_DIR", False, line) for line in str(e).splitlines())
        return
    topics = ", ".join(topic.id for topic in rulebook.topics)
    yield Finding("rulebook", True, f"version {rulebook.version}, topics: {topics}")
