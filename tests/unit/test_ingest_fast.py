"""The fast reader says what the tolerant one says, or nothing."""

from datetime import UTC, datetime

import pytest

from services.ingest.core.entry import ParsedFeed, UnreadableDocument
from services.ingest.core.feed import Feed
from services.ingest.core.formats.fast import read_fast
from services.ingest.core.formats.tolerant import read_tolerantly
from services.ingest.core.identity import with_keys
from services.ingest.core.report import source_of, to_draft
from tests.feed_folder import atom, documents, entry, item, rss

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
FEED = Feed(url="https://example.org/rss")
DOCUMENTS = {name: body for name, body in documents() if not name.startswith("hostile")}


def reports_of(parsed: ParsedFeed) -> list[object]:
    reports = [to_draft(entry, FEED.origin, parsed, NOW) for entry in with_keys(parsed.entries)]
    return [source_of(FEED.origin, parsed), parsed.language, parsed.hints, parsed.left_out, *reports]


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("content_type", [None, "text/xml; charset=iso-8859-1"])
def test_both_readers_make_the_same_reports(name: str, content_type: str | None) -> None:
    fast = read_fast(DOCUMENTS[name], content_type, FEED.url)
    if fast is not None:
        assert reports_of(fast) == reports_of(read_tolerantly(DOCUMENTS[name], content_type, FEED.url))


@pytest.mark.parametrize(
    "name", ["rss-twenty", "rss-wordpress", "rss-media-content", "atom-twenty", "rss-head-hub"]
)
def test_what_feeds_usually_are_is_read_fast(name: str) -> None:
    assert read_fast(DOCUMENTS[f"good/{name}.xml"], "application/xml; charset=utf-8", FEED.url)


def test_a_broken_document_is_no_work_for_the_fast_reader() -> None:
    for name, body in DOCUMENTS.items():
        if name.startswith("broken") and read_fast(body, None, FEED.url):
            assert read_tolerantly(body, None, FEED.url).mended is None


def test_most_good_documents_are_read_fast() -> None:
    good = [body for name, body in DOCUMENTS.items() if name.startswith("good") and name.endswith("xml")]
    fast = sum(read_fast(body, None, FEED.url) is not None for body in good)
    assert fast > 0.6 * len(good)


@pytest.mark.parametrize(
    "body",
    [
        rss(item("")).replace("utf-8", "windows-1251"),
        '<!DOCTYPE rss>' + rss(item("")).partition("?>")[2],
        rss(item("")).replace("<channel>", "<channel xml:base='https://a.example/'>"),
        rss(item("<description>second</description>")),
        rss(item("<title><b>x</b></title>")),
        atom(entry("<content src='https://a.example/'/>")),
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_a_doubt(body: str) -> None:
    assert read_fast(body.encode(), None, FEED.url) is None


def test_a_page_is_never_a_feed() -> None:
    with pytest.raises(UnreadableDocument):
        read_tolerantly(b"<html></html>", None, FEED.url)
