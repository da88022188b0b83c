"""Change feeds.toml, as its operator would: comments and order stay."""

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT

from services.ingest.adapters.feed_list import FeedFileError
from services.ingest.core.feed import FeedListError, parse_feed_list


def add_feeds(path: Path, tables: Iterable[dict[str, Any]]) -> None:
    """Append feeds to a list, given by their keys; raise FeedFileError, and leave the file as it was."""
    given = [{key: value for key, value in keys.items() if value} for keys in tables]
    if given:
        _write(path, f"{_text(path).rstrip()}\n\n{tomlkit.dumps({'feed': given}).strip()}\n".lstrip())


def remove_feed(path: Path, url: str) -> None:
    """Take a feed out of a list; raise FeedFileError, and leave the file as it was."""
    try:
        document = tomlkit.parse(_text(path))
    except TOMLKitError as e:
        raise FeedFileError(f"{path} cannot be changed: {e}") from e
    feeds = document.get("feed")
    if isinstance(feeds, AoT):
        for at in reversed([at for at, table in enumerate(feeds) if table.get("url") == url]):
            _keep_what_follows(feeds, at)
            del feeds[at]
    _write(path, tomlkit.dumps(document))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as e:
        raise FeedFileError(f"{path} cannot be read: {e}") from e


def _write(path: Path, text: str) -> None:
    """Write a list that can be read again, and nothing else."""
    try:
        parse_feed_list(text)
    except FeedListError as e:
        raise FeedFileError("\n".join(e.problems)) from e
    try:
        with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        os.chmod(file.name, path.stat().st_mode if path.exists() else 0o644)
        os.replace(file.name, path)
    except OSError as e:
        raise FeedFileError(f"{path} cannot be written: {e.strerror or e}") from e


def _keep_what_follows(feeds: AoT, at: int) -> None:
    """Comments between two tables belong, for TOML, to the first of them; for people, to the second."""
    table = feeds[at]
    comments = "".join(
        item.as_string() for key, item in table.value.body if key is None and "#" in item.as_string()
    )
    if comments and at > 0:
        feeds[at - 1].add(tomlkit.nl())
        for line in comments.strip().splitlines():
            feeds[at - 1].add(tomlkit.comment(line.lstrip("# ")))
