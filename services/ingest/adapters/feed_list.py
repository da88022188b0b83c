"""The installation's feeds: those of feeds.toml, which is the operator's, and those added through api."""

from pathlib import Path

import structlog
from pydantic import ValidationError

from services.ingest.core.feed import Feed, FeedListError, parse_feed_list
from shared.names import Names
from shared.redis_client import RedisClient

log = structlog.get_logger()


class FeedFileError(Exception):
    """The feed list cannot be read, or is wrong. The message names the file and every problem."""


def read_feed_list(path: Path) -> list[Feed]:
    """Return the feeds of a file; raise FeedFileError."""
    try:
        return parse_feed_list(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise FeedFileError(f"there is no {path}; set TOCSIN_FEEDS_FILE to your list of feeds") from e
    except (OSError, UnicodeDecodeError) as e:
        raise FeedFileError(f"{path} cannot be read: {e}") from e
    except FeedListError as e:
        raise FeedFileError("\n".join(f"{path}: {problem}" for problem in e.problems)) from e


class FeedLists:
    """Both lists, read again when one of them changes. `redis` gives bytes."""

    def __init__(self, path: Path, redis: RedisClient, names: Names) -> None:
        self._path = path
        self._redis = redis
        self._names = names
        self._stamp: int | None = None
        self._in_file: list[Feed] = []
        self._added: dict[bytes, bytes] | None = None

    async def changed(self) -> list[Feed] | None:
        """Return all feeds if there was a change since the last call; None if there was none.

        Raises FeedFileError once for each change of the file that makes it wrong; the last good one stays.
        """
        stamp, added = self._file_stamp(), await self._redis.hgetall(self._names.feeds_added)
        if (stamp, added) == (self._stamp, self._added):
            return None
        is_new_file, self._stamp = stamp != self._stamp, stamp
        if is_new_file:
            self._in_file = read_feed_list(self._path)
        self._added = added
        feeds = {feed.id: feed for feed in self._in_file}
        for row in added.values():
            feed = _added_feed(row)
            if feed:
                feeds.setdefault(feed.id, feed)
        return list(feeds.values())

    def tell_again(self) -> None:
        """Make the next call of `changed` return all feeds, for who could not take them in."""
        self._added = None

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
