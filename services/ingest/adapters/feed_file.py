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


class FeedFile:
    """One feed list. Nothing is written that could not be read again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, tables: Iterable[dict[str, Any]]) -> None:
        """Append feeds, given by their keys; raise FeedFileError, and leave the file as it was."""
        text = self._text()
        for keys in tables:
            document = tomlkit.document()
            table = tomlkit.table()
            for key, value in keys.items():
                table.add(key, value)
            feeds = tomlkit.aot()
            feeds.append(table)
            document.add("feed", feeds)
            text = f"{text.rstrip()}\n\n{tomlkit.dumps(document).strip()}\n".lstrip()
        self._write(text)

    def remove(self, urls: Iterable[str]) -> None:
        """Take feeds out; raise FeedFileError, and leave the file as it was."""
        gone = set(urls)
        try:
            document = tomlkit.parse(self._text())
        except TOMLKitError as e:
            raise FeedFileError(f"{self._path} cannot be changed: {e}") from e
        feeds = document.get("feed")
        if isinstance(feeds, AoT):
            for at in reversed([at for at, table in enumerate(feeds) if table.get("url") in gone]):
                _keep_what_follows(feeds, at)
                del feeds[at]
        self._write(tomlkit.dumps(document))

    def _text(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8-sig") if self._path.exists() else ""
        except (OSError, UnicodeDecodeError) as e:
            raise FeedFileError(f"{self._path} cannot be read: {e}") from e

    def _write(self, text: str) -> None:
        try:
            parse_feed_list(text)
        except FeedListError as e:
            raise FeedFileError("\n".join(e.problems)) from e
        try:
            with NamedTemporaryFile("w", encoding="utf-8", dir=self._path.parent, delete=False) as file:
                file.write(text)
            if self._path.exists():
                os.chmod(file.name, self._path.stat().st_mode)
            else:
                os.chmod(file.name, 0o644)
            os.replace(file.name, self._path)
        except OSError as e:
            raise FeedFileError(f"{self._path} cannot be written: {e.strerror or e}") from e


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
