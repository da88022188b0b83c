"""A feed as configured, and the list of them in feeds.toml."""

import base64
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    computed_field,
    model_validator,
)

from services.ingest.core.draft import Origin
from services.ingest.core.sources.reliefweb import api_address
from shared.feeds import feed_id

LONGEST_INTERVAL = 366 * 86_400


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
    if parts.username or parts.password:
        raise ValueError("must not hold a password: there are username and password for that")
    return url


def _is_header(name: str) -> str:
    if not _HEADER.fullmatch(name) or name.lower() in _OUR_HEADERS:
        raise ValueError(f"{name!r} is no header that can be set for a feed")
    return name


def _is_header_value(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isprintable():
        raise ValueError("must be one line of text")
    return value


_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OUR_HEADERS = (
    "host",
    "content-length",
    "connection",
    "if-none-match",
    "if-modified-since",
    "accept-encoding",
)
_HeaderName = Annotated[str, AfterValidator(_is_header)]
_HeaderValue = Annotated[SecretStr, AfterValidator(_is_header_value)]


def _is_selector(selector: str) -> str:
    from selectolax.lexbor import LexborHTMLParser  # here, for few lists have any

    try:
        LexborHTMLParser("<p></p>").css_first(selector)
    except Exception as e:  # selectolax has no error of its own for this
        raise ValueError(f"{selector!r} is no CSS selector") from e
    return selector


Selector = Annotated[str, AfterValidator(_is_selector)]


class Selectors(BaseModel):
    """Where things stand on a page: `entry` from its root, the others inside an entry."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    entry: Selector
    link: Selector = "a[href]"
    title: Selector | None = None
    date: Selector | None = None
    summary: Selector | None = None


class Feed(BaseModel):
    """One feed. `url` is http(s), or a file path relative to the feed list; `interval` is in seconds.

    `kind` says how its documents are read (services/ingest/core/sources). Headers and password are secrets: they go
    to the feed's own host, and nowhere else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True)

    url: Annotated[str, AfterValidator(_is_fetchable)]
    title: str | None = None
    interval: float | None = Field(default=None, gt=0, le=LONGEST_INTERVAL)
    enabled: bool = True
    sample: bool = Field(default=False, description="Made-up reports: their dates are moved to today.")
    kind: Literal["feed", "page", "sitemap", "reliefweb"] = "feed"
    select: Selectors | None = Field(default=None, description="Where on a page what stands.")
    appname: str | None = Field(default=None, description="The name that ReliefWeb has approved for you.")
    full_text: bool = Field(
        default=False, description="Fetch each new entry's page and take the article's text."
    )
    headers: dict[_HeaderName, _HeaderValue] = Field(default_factory=dict)
    username: str | None = None
    password: SecretStr | None = None
    tls: Literal["verify", "insecure"] = "verify"

    @model_validator(mode="after")
    def _is_whole(self) -> "Feed":
        if (self.kind == "page") != (self.select is not None):
            raise ValueError('kind = "page" and the table [feed.select] belong together')
        if self.kind == "reliefweb" and not self.appname:
            raise ValueError(
                "ReliefWeb wants an appname: ask for one at https://apidoc.reliefweb.int/parameters#appname"
            )
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        return self

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def id(self) -> str:
        """sha256(url), 12 hex digits: a feed keeps its state when its title or place in the list changes."""
        return feed_id(self.url)

    @property
    def address(self) -> str:
        """What is asked for: the url, for an API with what it needs beside."""
        return api_address(self.url, self.appname) if self.kind == "reliefweb" and self.appname else self.url

    @property
    def origin(self) -> Origin:
        return Origin(self.id, self.url, self.title, self.host, self.kind, self.select, self.sample)

    def request_headers(self) -> dict[str, str]:
        """Return what is sent to the feed's own host on top of our headers; secrets in clear."""
        sent = {name: value.get_secret_value() for name, value in self.headers.items()}
        if self.username is not None and self.password is not None:
            pair = f"{self.username}:{self.password.get_secret_value()}"
            sent["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return sent

    @property
    def is_file(self) -> bool:
        return "://" not in self.url

    @cached_property
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
        if not isinstance(table, dict):
            problems.append(f"feed {number}: must be a table, as under [[feed]]")
            continue
        try:
            feeds.append(Feed(**table))
        except ValidationError as e:
            problems += [f"{_place(number, table)}: {problem}" for problem in _explain(e)]
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


def _place(number: int, table: Any) -> str:
    url = table.get("url")
    shown = re.sub(r"(?<=//)[^/@]*@", "…@", url) if isinstance(url, str) else ""
    return f"feed {number} ({shown})" if shown else f"feed {number}"


def _explain(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = Selectors if key.startswith("select.") else Feed
            yield f"unknown key {key!r}; known are {', '.join(known.model_fields)}"
        elif problem["type"] == "missing":
            yield f"{key} is missing"
        else:
            yield f"{key}: {problem['msg'].removeprefix('Value error, ')}".removeprefix(": ")


def _duplicates(feeds: list[Feed]) -> list[str]:
    counts = Counter(feed.url for feed in feeds)
    return [f"{url} is in the list {count} times" for url, count in counts.items() if count > 1]
