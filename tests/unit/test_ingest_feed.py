"""The feed list: what it takes, and how it names what is wrong."""

from pathlib import Path

import pytest

from services.ingest.core.feed import Feed, FeedListError, parse_feed_list


def problems_of(text: str) -> list[str]:
    with pytest.raises(FeedListError) as caught:
        parse_feed_list(text)
    return caught.value.problems


def test_a_feed_needs_only_its_url() -> None:
    [feed] = parse_feed_list('[[feed]]\nurl = "https://example.org/rss"')
    assert feed == Feed(url="https://example.org/rss")
    assert feed.enabled
    assert not feed.sample


def test_every_key_is_read() -> None:
    [feed] = parse_feed_list(
        '[[feed]]\nurl = "a.xml"\ntitle = "A"\ninterval = 600\nenabled = false\nsample = true'
    )
    assert (feed.title, feed.interval, feed.enabled, feed.sample) == ("A", 600, False, True)


def test_the_id_depends_on_the_url_alone() -> None:
    feed = Feed(url="https://example.org/rss")
    assert feed.id == Feed(url="https://example.org/rss", title="Other").id
    assert feed.id != Feed(url="https://example.org/rss2").id


def test_a_path_is_a_file_and_has_no_host() -> None:
    feed = Feed(url="samples/reports.xml")
    assert feed.is_file
    assert feed.host == ""
    assert Feed(url="https://News.Example.org:8443/x").host == "news.example.org"


def test_all_problems_are_named_at_once() -> None:
    text = (
        '[[feed]]\ntitle = "no url"\nintervall = 5\n[[feed]]\nurl = "ftp://example.org/"\ninterval = "often"'
    )
    assert problems_of(text) == [
        "feed 1: url is missing",
        "feed 1: unknown key 'intervall'; known are url, title, interval, enabled, sample",
        "feed 2 (ftp://example.org/): url: must begin with http:// or https:// and name a host, "
        "or be a file path",
        "feed 2 (ftp://example.org/): interval: Input should be a valid number",
    ]


def test_a_url_given_twice_is_named() -> None:
    twice = '[[feed]]\nurl = "https://example.org/rss"\n' * 2
    assert problems_of(twice) == ["https://example.org/rss is in the list 2 times"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[feed]\n", "not TOML"),
        ("[feed]\nurl = 'x'", "two brackets"),
        ("feed = [1]", "feed 1: must be a table"),
        ("feeds = 1", "unknown key 'feeds'"),
        ('[[feed]]\nurl = "https://"', "name a host"),
        ('[[feed]]\nurl = ""', "must be an address or a file path"),
        ('[[feed]]\nurl = "https://a.example/\\n"\ninterval = -1', "greater than 0"),
        ('[[feed]]\nurl = "https://a.exa\\nmple/"', "on one line"),
    ],
)
def test_a_problem_is_named_in_words(text: str, words: str) -> None:
    assert words in problems_of(text)[0]


def test_an_empty_list_is_a_list() -> None:
    assert parse_feed_list("# nothing yet") == []


def test_the_list_that_ships_is_right() -> None:
    feeds = parse_feed_list(Path("feeds.toml").read_text())
    assert len(feeds) > 20
    assert [feed.url for feed in feeds if feed.sample] == ["samples/reports.xml"]
    assert all(feed.title for feed in feeds)
