"""The installation's feeds: those of feeds.toml, which is the operator's, and those added through api."""

from datetime import datetime
from pathlib import Path

import structlog
from pydantic import ValidationError

from services.ingest.adapters.feed_state import FeedStates
from services.ingest.core.feed import Feed, FeedListError, parse_feed_list
from shared.names import Names
from shared.redis_client import RedisClient
from shared.settings import SettingsError

log = structlog.get_logger()


class FeedFileError(SettingsError):
    """The feed list cannot be read, or is wrong. The message names the file and every problem."""


def read_feed_list(path: Path) -> list[Feed]:
    """Return the feeds of a file; raise FeedFileError."""
    try:
        return parse_feed_list(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as e:
        raise FeedFileError(f"there is no {path}; set TOCSIN_FEEDS_FILE to your list of feeds") from e
    except (OSError, UnicodeDecodeError) as e:
        raise FeedFileError(f"{path} cannot be read: {e}") from e
    except FeedListError as e:
        raise FeedFileError("\n".join(f"{path}: {problem}" for problem in e.problems)) from e


class FeedLists:
    """Both lists, taken in again when one of them has changed; `feeds` are all of them, by id."""

    def __init__(self, path: Path, redis: RedisClient, states: FeedStates, names: Names) -> None:
        self.feeds: dict[str, Feed] = {}
        self._path = path
        self._redis = redis
        self._states = states
        self._names = names
        self._stamp: int | None = None
        self._in_file: list[Feed] = []
        # As of the last time that all was taken in; None if there is something to be.
        self._added: dict[bytes, bytes] | None = None

    async def take_in(self, now: datetime) -> None:
        """Make the installation's feeds what the lists say, also if Redis has lost them, as a new replica may have.

        Raises FeedFileError once for each change of the file that makes it wrong; the last good one stays.
        """
        stamp, added = self._file_stamp(), await self._redis.hgetall(self._names.feeds_added)
        if stamp != self._stamp:
            self._stamp = stamp
            self._in_file = read_feed_list(self._path)
            self._added = None
        if added == self._added and (not self.feeds or await self._states.are_listed()):
            return
        self._added = None
        rows = [feed for row in added.values() if (feed := _added_feed(row))]
        self.feeds = {feed.id: feed for feed in (*rows, *self._in_file)}
        await self._states.sync(self.feeds.values(), now)
        self._added = added
        log.info("feeds", known=len(self.feeds), enabled=sum(feed.enabled for feed in self.feeds.values()))

    def _file_stamp(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0


def _added_feed(row: bytes) -> Feed | None:
    try:
        feed = Feed.model_validate_json(row)
    except ValidationError as e:
        log.error("an added feed cannot be read", problem=e.errors(include_input=False)[0]["msg"])
        return None
    # The files of this machine are not for those who have only the token of the api.
    return None if feed.is_file else feed
