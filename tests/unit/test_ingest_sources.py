"""Sources that are no feed: pages, news sitemaps, ReliefWeb."""

import json
from datetime import UTC, datetime

import pytest

from services.ingest.core.entry import Entry, UnreadableDocument
from services.ingest.core.feed import Feed, Selectors
from services.ingest.core.parse import find_announced, parse_source, read_document
from services.ingest.core.sources.page import read_page
from services.ingest.core.sources.reliefweb import read_reliefweb
from services.ingest.core.sources.sitemap import read_sitemap

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
URL = "https://valley.example/news/"
SELECT = Selectors(entry="article", title="h2", date="time", summary="p")
PAGE = b"""<!doctype html><html lang="en"><head><title>Valley news</title></head><body>
<article><h2>Bridge <em>reopens</em></h2><time datetime="2026-08-04T10:00:00Z">today</time>
<p>After two days.</p><a href="bridge">more</a></article>
<article><h2>No link</h2></article>
<article><a href="/water">Water is back</a></article></body></html>"""


def page(body: bytes = PAGE, select: Selectors = SELECT) -> tuple[Entry, ...]:
    return read_page(body, URL, select).entries


def test_a_page_gives_its_entries() -> None:
    bridge, water = page()
    assert (bridge.title.value, bridge.link) == ("Bridge reopens", "https://valley.example/news/bridge")
    assert bridge.published
    assert bridge.published.moment == datetime(2026, 8, 4, 10, tzinfo=UTC)
    assert (water.title.value, water.link) == ("Water is back", "https://valley.example/water")


def test_an_entry_of_a_page_becomes_a_report() -> None:
    feed = Feed(url=URL, kind="page", select=SELECT)
    [report, _] = read_document(PAGE, "text/html", URL, feed.origin, NOW).reports
    assert (report.title, report.text, report.language) == ("Bridge reopens", "After two days.", "en")
    assert report.source.title == "Valley news"


@pytest.mark.parametrize(
    ("select", "words"),
    [(Selectors(entry="li"), "'li' finds nothing"), (Selectors(entry="h2"), "2 elements, none with a link")],
)
def test_a_page_that_has_changed_is_an_error_and_not_silence(select: Selectors, words: str) -> None:
    with pytest.raises(UnreadableDocument, match=words):
        page(select=select)


def test_an_entry_may_be_the_link_itself() -> None:
    body = b'<base href="https://other.example/"><a class="n" href="1">One</a>'
    [entry] = page(body, Selectors(entry="a.n"))
    assert (entry.title.value, entry.link) == ("One", "https://other.example/1")


SITEMAP = b"""<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
 xmlns:n="http://www.google.com/schemas/sitemap-news/0.9">
<url><loc>https://valley.example/old</loc><n:news><n:publication><n:name>Valley</n:name><n:language>en</n:language>
</n:publication><n:publication_date>2026-08-04T15:30:00+09:00</n:publication_date><n:title>Old</n:title></n:news></url>
<url><loc>https://valley.example/about</loc></url>
<url><loc>https://valley.example/new</loc><n:news><n:title>New &amp; true</n:title>
<n:publication_date>2026-08-04T10:00:00+02:00</n:publication_date></n:news></url></urlset>"""


def test_a_sitemap_gives_its_news_newest_first() -> None:
    parsed = read_sitemap(SITEMAP)
    assert [(entry.title.value, entry.link) for entry in parsed.entries] == [
        ("New & true", "https://valley.example/new"),
        ("Old", "https://valley.example/old"),
    ]
    assert (parsed.title, parsed.entries[1].language) == ("Valley", "en")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<sitemapindex/>", "index of sitemaps"),
        (b"<rss/>", "no sitemap"),
        (b"<urlset>", "not well-formed"),
        (b"<!DOCTYPE x []><urlset/>", "entities"),
        (b"", "not well-formed"),
    ],
)
def test_what_is_no_sitemap_is_named(body: bytes, words: str) -> None:
    with pytest.raises(UnreadableDocument, match=words):
        read_sitemap(body)


REPORT = {
    "id": "4105",
    "fields": {
        "title": "Floods: situation report 3",
        "body-html": "<p>Roads are cut.</p>",
        "url_alias": "https://reliefweb.int/report/x/floods-3",
        "date": {"created": "2026-08-04T10:00:00+00:00", "changed": "2026-08-04T11:00:00+00:00"},
        "source": [{"shortname": "OCHA", "name": "Office"}, {"name": "Valley Aid"}],
        "language": [{"code": "en"}],
    },
}


def test_reliefwebs_answer_is_read_whole() -> None:
    [entry] = read_reliefweb(json.dumps({"data": [REPORT, {"id": 1}, "odd"]}).encode()).entries
    assert (entry.id, entry.link) == ("4105", "https://reliefweb.int/report/x/floods-3")
    assert (entry.authors, entry.language) == (("OCHA", "Valley Aid"), "en")
    assert entry.content
    assert entry.content.value == "<p>Roads are cut.</p>"
    assert entry.updated
    assert entry.updated.moment == datetime(2026, 8, 4, 11, tzinfo=UTC)


def test_odd_fields_of_reliefweb_are_as_none() -> None:
    fields = {"title": 5, "date": "x", "source": "y", "language": None, "url_alias": []}
    [entry] = read_reliefweb(json.dumps({"data": [{"id": 7, "fields": fields}]}).encode()).entries
    assert (entry.id, entry.title.value, entry.link, entry.authors) == ("7", "5", None, ())


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error": {"message": "appname"}}', b"[" * 100_000])
def test_an_answer_without_reports_is_named(body: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="ReliefWeb's answer"):
        read_reliefweb(body)


def test_a_page_names_its_feeds() -> None:
    head = (
        b"<html><head><base href='/b/'><link rel='ALTERNATE home' type='application/rss+xml; charset=x' href='rss'>"
        b"<link rel='alternate' hreflang='fr' href='/fr'>"
        b"<link rel='alternate' type='application/feed+json' href='//c.example/j'></head>"
    )
    found = ("https://valley.example/b/rss", "https://c.example/j")
    assert find_announced(head, URL) == found
    with pytest.raises(
        UnreadableDocument, match=r"it names https://valley.example/b/rss as its feed"
    ) as caught:
        parse_source(head, None, URL, Feed(url=URL))
    assert caught.value.announced == found
