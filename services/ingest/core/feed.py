"""A feed as configured, and the list of them in feeds.toml."""

import hashlib
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, computed_field


class FeedListError(Exception):
    """The feed list is wrong. The message names every problem, one a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _is_fetchable(url: str) -> str:
    """Return an http(s) URL or a file path unchanged; raise ValueError for anything else."""
    if not url or not url.isprintable():
        raise ValueError("must be an address or a file path, on one line")
    if "://" not in url:
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must begin with http:// or https:// and name a host, or be a file path")
    return url


class Feed(BaseModel):
    """One feed. `url` is http(s), or a file path relative to the feed list; `interval` is in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True)

    url: Annotated[str, AfterValidator(_is_fetchable)]
    title: str | None = None
    interval: float | None = Field(default=None, gt=0)
    enabled: bool = True
    sample: bool = Field(default=False, description="Made-up reports: their dates are moved to today.")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def id(self) -> str:
        """sha256(url), 12 hex digits: a feed keeps its state when its title or place in the list changes."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:12]

    @property
    def is_file(self) -> bool:
        return "://" not in self.url

    @property
    def host(self) -> str:
        """The host's name, in lower case; empty for a file."""
        return "" if self.is_file else urlsplit(self.url).hostname or ""

    @property
    def name(self) -> str:
        """What people call it: its title if it has one, else its address."""
        return self.title or self.url


def parse_feed_list(text: str) -> list[Feed]:
    """Return the feeds of `[[feed]]` tables in TOML; raise FeedListError with every problem at once."""
    tables, problems = _tables(text)
    feeds: list[Feed] = []
    for number, table in enumerate(tables, 1):
        try:
            feeds.append(Feed(**table) if isinstance(table, dict) else _refuse_table())
        except ValidationError as e:
            problems += [f"{_place(number, table)}: {problem}" for problem in _explain(e)]
        except TypeError:
            problems.append(f"feed {number}: must be a table, as under [[feed]]")
    problems += _duplicates(feeds)
    if problems:
        raise FeedListError(problems)
    return feeds


def _tables(text: str) -> tuple[list[Any], list[str]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise FeedListError([f"not TOML: {e}"]) from e
    problems = [
        f"unknown key {key!r}; the list holds only [[feed]] tables" for key in document if key != "feed"
    ]
    tables = document.get("feed", [])
    if not isinstance(tables, list):
        raise FeedListError([*problems, "feed must be written as [[feed]], with two brackets"])
    return tables, problems


def _refuse_table() -> Feed:
    raise TypeError("not a table")


def _place(number: int, table: Any) -> str:
    url = table.get("url")
    return f"feed {number} ({url})" if isinstance(url, str) and url else f"feed {number}"


def _explain(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield f"unknown key {key!r}; known are url, title, interval, enabled, sample"
        elif problem["type"] == "missing":
            yield f"{key} is missing"
        else:
            yield f"{key}: {problem['msg'].removeprefix('Value error, ')}"


def _duplicates(feeds: list[Feed]) -> list[str]:
    urls = [feed.url for feed in feeds]
    return [
        f"{url} is in the list {urls.count(url)} times" for url in dict.fromkeys(urls) if urls.count(url) > 1
    ]
