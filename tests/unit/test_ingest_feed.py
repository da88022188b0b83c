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
        "feed 1: unknown key 'intervall'; known are url, title, interval, enabled, sample, kind, select, "
        "appname, full_text, headers, username, password, tls",
        "feed 2 (ftp://example.org/): url: must begin with http:// or https:// and name a host, "
        "or be a file path",
        "feed 2 (ftp://example.org/): interval: Input should be a valid number",
    ]


PAGE = """
[[feed]]
url = "https://example.org/news"
kind = "page"
username = "reader"
password = "hush"
[feed.select]
entry = "article"
date = "time"
[feed.headers]
X-Key = "secret"
"""


def test_a_page_says_where_its_entries_stand() -> None:
    [feed] = parse_feed_list(PAGE)
    assert feed.select
    assert (feed.select.entry, feed.select.link, feed.select.date) == ("article", "a[href]", "time")


def test_secrets_are_sent_and_never_shown() -> None:
    [feed] = parse_feed_list(PAGE)
    assert feed.request_headers() == {"X-Key": "secret", "Authorization": "Basic cmVhZGVyOmh1c2g="}
    assert "hush" not in feed.model_dump_json() + repr(feed)
    assert "secret" not in feed.model_dump_json() + repr(feed)


def test_reliefweb_is_asked_for_what_is_read() -> None:
    feed = Feed(url="https://api.reliefweb.int/v2/reports?query[value]=sudan", kind="reliefweb", appname="us")
    assert feed.address.startswith(
        f"{feed.url}&appname=us&limit=50&sort[]=date.created:desc&fields[include][]=title"
    )
    assert feed.id == Feed(url=feed.url).id


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('kind = "page"', "belong together"),
        ('[feed.select]\nentry = "a"', "belong together"),
        ('kind = "page"\n[feed.select]\nentry = "a[["', "is no CSS selector"),
        (
            'kind = "page"\n[feed.select]\nentry = "a"\nx = "b"',
            "unknown key 'select.x'; known are entry, link",
        ),
        ('kind = "reliefweb"', "ReliefWeb wants an appname"),
        ('username = "a"', "username and password belong together"),
        ('headers = { Host = "a" }', "no header that can be set"),
        ('headers = { A = "a\\nb" }', "one line of text"),
        ("interval = 1e12", "less than or equal to"),
        ('tls = "no"', "Input should be 'verify' or 'insecure'"),
    ],
)
def test_keys_that_do_not_fit_are_named(keys: str, words: str) -> None:
    assert words in problems_of(f'[[feed]]\nurl = "https://example.org/"\n{keys}')[0]


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    [problem] = problems_of('[[feed]]\nurl = "https://u:hush@example.org/"')
    assert "username and password" in problem
    assert "hush" not in problem


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
