"""Who an entry is within its feed, and which addresses are the same page."""

import pytest

from services.ingest.core.entry import Entry, Words
from services.ingest.core.identity import is_own_page, with_keys
from services.ingest.core.meaning import meaning_of, same_page


def keys(*entries: Entry) -> list[str]:
    return [entry.key for entry in with_keys(entries)]


def test_an_entry_is_its_guid_else_its_link_else_its_words() -> None:
    guid, link, words = keys(
        Entry(id="7", link="https://a.b/7"), Entry(link="https://a.b/8"), Entry(title=Words("Flood"))
    )
    assert (guid, link, len(words)) == ("7", "a.b/8", 64)


def test_an_address_as_identity_has_no_scheme_and_no_tracking() -> None:
    [before] = keys(Entry(id="http://www.a.b/7?utm_source=rss"))
    [after] = keys(Entry(id="https://a.b/7"))
    assert before == after


def test_entries_that_share_a_guid_are_told_apart_by_link_then_title() -> None:
    same = [Entry(id="g", link="b", title=Words(title)) for title in ("t", "u")]
    assert keys(Entry(id="g", link="a"), *same, Entry(id="h")) == ["g\na", "g\nb\nt", "g\nb\nu", "h"]


def test_of_an_entry_given_twice_the_first_stays() -> None:
    [entry] = with_keys([Entry(id="g", summary=Words("newest")), Entry(id="g", summary=Words("older"))])
    assert entry.summary == Words("newest")


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("HTTP://www.Example.org:80/a/", "example.org/a"),
        ("https://example.org/a?id=7&utm_medium=x&fbclid=y", "example.org/a?id=7"),
        ("https://example.org/a?from=kyiv&ref=rss", "example.org/a?from=kyiv"),
        ("https://example.org/a?x=%D0%B9&y", "example.org/a?x=%D0%B9&y"),
        ("https://example.org/a#xtor=RSS-1", "example.org/a"),
        ("https://example.org/a#block-7", "example.org/a#block-7"),
        ("https://example.org:8443/", "example.org:8443"),
        ("tag:example.org,2026:7", "tag:example.org,2026:7"),
        ("http://[broken", "http://[broken"),
        ("http://a.b:port/", "http://a.b:port/"),
        ("", ""),
    ],
)
def test_the_same_page_has_many_spellings(url: str, page: str) -> None:
    assert same_page(url) == page


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://a.b/2026/08/talks", True),
        ("https://a.b/talks-fail-again", True),
        ("https://a.b/story?id=x", True),
        ("https://a.b/", False),
        ("https://a.b/latest-news", False),
        ("https://a.b/latest-news?utm_source=rss", False),
        ("https://1news.example/", False),
        ("https://a.b?id=7", True),
        ("https://a.b/live#post-7", False),
        ("http://[broken", False),
    ],
)
def test_a_report_has_a_page_of_its_own(url: str, own: bool) -> None:
    assert is_own_page(url) is own


def test_numbers_that_count_no_readers_stay() -> None:
    assert meaning_of("12 killed, 40 letters read") == "12 killed, 40 letters read"
