"""Read feeds.toml."""

from pathlib import Path

from services.ingest.core.feed import Feed, FeedListError, parse_feed_list


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
