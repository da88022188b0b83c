"""Documents as feeds give them: good, odd and broken."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.ingest.core.draft import Origin
from services.ingest.core.entry import Entry, ParsedFeed, UnreadableDocument, Words
from services.ingest.core.parse import parse_source

URL = "https://example.org/feeds/news.xml"


def rss(items: str, head: str = "") -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>News</title>'
        f"<link>https://example.org/</link>{head}{items}</channel></rss>"
    ).encode()


def atom(entries: str) -> bytes:
    return f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>News</title>{entries}</feed>'.encode()


def parse(body: bytes, content_type: str | None = "application/xml") -> ParsedFeed:
    return parse_source(body, content_type, URL, Origin("feed", URL))


def only(body: bytes, content_type: str | None = "application/xml") -> Entry:
    [entry] = parse(body, content_type).entries
    return entry


def test_an_rss_item_is_read_whole() -> None:
    entry = only(
        rss(
            "<item><guid>tag:1</guid><title>Talks</title><link>https://example.org/1</link>"
            "<description>Short</description><content:encoded>&lt;p&gt;Long&lt;/p&gt;</content:encoded>"
            "<dc:creator>A. Writer</dc:creator><pubDate>Tue, 04 Aug 2026 10:00:00 +0200</pubDate></item>"
        )
    )
    assert (entry.id, entry.link, entry.title.value) == ("tag:1", "https://example.org/1", "Talks")
    assert entry.summary == Words("Short")
    assert entry.content == Words("<p>Long</p>")
    assert entry.authors == ("A. Writer",)
    assert entry.published
    assert entry.published.moment == datetime(2026, 8, 4, 8, tzinfo=UTC)


def test_an_atom_entry_is_read_whole() -> None:
    entry = only(
        atom(
            '<entry xml:lang="uk"><id>urn:1</id><title>Talks &lt;b&gt;</title><link href="https://example.org/1"/>'
            '<content type="html">&lt;p&gt;Long&lt;/p&gt;</content><author><name>A. Writer</name></author>'
            "<updated>2026-08-04T10:00:00Z</updated></entry>"
        )
    )
    assert entry.title == Words("Talks <b>", html=False)
    assert entry.language == "uk"
    assert entry.published is None
    assert entry.updated
    assert entry.updated.moment == datetime(2026, 8, 4, 10, tzinfo=UTC)


def test_the_feed_says_who_it_is() -> None:
    parsed = parse(rss("", head="<language>en-GB</language><ttl>60</ttl>"))
    assert (parsed.title, parsed.home_url) == ("News", "https://example.org/")
    assert (parsed.language, parsed.hints.ttl, parsed.mended) == ("en-GB", 3600, None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the document is empty"),
        (b" \n\t", "the document is empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "this is a web page, not a feed"),
        (b"\n<html lang=en><title>x</title>", "this is a web page, not a feed"),
        (b'{"version": "1"}', "it is JSON, but no JSON Feed"),
        (b'{"version": ', "is not JSON"),
        (b"<sitemap><url/></sitemap>", "this is not a feed"),
        (b"\x00\x01\x02" * 100, "this is not a feed"),
        (rss("")[:-20], "broken before its first entry"),
    ],
)
def test_what_is_no_feed_is_named(body: bytes, reason: str) -> None:
    with pytest.raises(UnreadableDocument, match=reason):
        parse(body)


def test_a_truncated_feed_gives_what_is_there_and_says_so() -> None:
    body = rss("<item><guid>1</guid><title>One</title></item><item><guid>2</guid><title>Two</title></item>")
    parsed = parse(body.removesuffix(b"</item></channel></rss>"))
    assert [entry.title.value for entry in parsed.entries] == ["One", "Two"]
    assert parsed.mended
    assert "not well-formed XML (line 1" in parsed.mended


def test_entities_that_expand_are_not_expanded() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    body = (
        b'<!DOCTYPE rss [<!ENTITY e0 "boom">'
        + entities.encode()
        + b"]>"
        + rss("<item><title>&e9;</title></item>")
    )
    assert len(only(body).title.value) < 100


def test_an_entity_that_names_a_file_is_not_read() -> None:
    body = b'<!DOCTYPE rss [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + rss(
        "<item><title>a&f;b</title></item>"
    )
    assert "root" not in only(body).title.value


def test_a_document_that_is_the_name_of_a_file_is_not_opened() -> None:
    with pytest.raises(UnreadableDocument, match="not a feed"):
        parse(b"samples/reports.xml")


@pytest.mark.parametrize(
    ("encoding", "declared", "content_type"),
    [
        ("utf-8", "utf-8", "text/xml"),
        ("utf-8", "iso-8859-1", "text/xml"),
        ("utf-8", "utf-8", "text/html"),
        ("cp1251", "windows-1251", "application/rss+xml"),
        ("cp1251", "utf-8", "application/xml; charset=windows-1251"),
        ("utf-16", "utf-16", None),
    ],
)
def test_the_charset_is_found(encoding: str, declared: str, content_type: str | None) -> None:
    text = rss("<item><title>Київ</title></item>").decode().replace("utf-8", declared)
    assert only(text.encode(encoding), content_type).title.value == "Київ"


def test_a_wrong_charset_is_said() -> None:
    body = rss("<item><title>Київ</title></item>").decode().encode("cp1251")
    assert "wrong charset (document declared as utf-8" in (parse(body).mended or "")


def test_a_relative_link_is_made_absolute_and_its_guid_left_alone() -> None:
    entry = only(rss("<item><guid>/n/1</guid><link>/n/1?a=1&amp;b=2</link><title>x</title></item>"))
    assert (entry.link, entry.id) == ("https://example.org/n/1?a=1&b=2", "/n/1")


def test_a_guid_counts_as_a_link_only_if_it_is_an_address() -> None:
    assert only(rss("<item><guid>4711</guid><title>x</title></item>")).link is None
    assert only(rss("<item><guid>https://example.org/1</guid></item>")).link == "https://example.org/1"


def test_a_date_that_is_none_is_kept_as_written() -> None:
    entry = only(rss("<item><title>x</title><pubDate>4 août 2026</pubDate></item>"))
    assert entry.published
    assert (entry.published.written, entry.published.moment) == ("4 août 2026", None)


@pytest.mark.parametrize("broken", ["", "<x>&nbsp;</x>"])
@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("<author>me@desk.example (Me)</author>", ("Me",)),
        ("<author>me@desk.agency</author>", ()),
        ("<author>Me &lt;me@desk.agency&gt;</author>", ("Me",)),
        ("<author>Me (me@desk.example)</author>", ("Me",)),
        ("<author>me@desk.org (Me (Reuters))</author>", ("Me (Reuters)",)),
        ("<author>@desk</author>", ("@desk",)),
        ("<author>me@desk.example (Me)</author><dc:creator>You</dc:creator>", None),
    ],
)
def test_an_author_is_the_name_beside_the_mail_address(
    given: str, names: tuple[str, ...] | None, broken: str
) -> None:
    authors = only(rss(f"<item><title>x</title>{given}</item>{broken}")).authors
    if names is None:
        names = ("You",) if broken else ("Me", "You")
    assert authors == names


def dated_items(days: range) -> str:
    """Items of these days after New Year 2020."""
    return "".join(
        f"<item><title>x</title><guid>{n}</guid><pubDate>{date(2020, 1, 1) + timedelta(n)}T00:00:00Z</pubDate></item>"
        for n in days
    )


@pytest.mark.parametrize("broken", ["", "<x>&nbsp;</x>"])
def test_of_a_feed_that_is_too_long_the_newest_are_read_in_whichever_order_it_lists_them(broken: str) -> None:
    for days in (range(700), range(699, -1, -1)):
        parsed = parse(rss(dated_items(days) + broken))
        kept = [entry.id for entry in parsed.entries if entry.id]
        assert kept == [str(n) for n in days if n >= 200]
        assert parsed.left_out
        assert parsed.left_out.endswith("entries left out: only the newest 500 are read")


def test_an_entry_without_a_date_counts_as_old_as_the_one_before_it() -> None:
    undated = "<item><title>x</title><guid>new</guid></item>"
    parsed = parse(rss(dated_items(range(500)) + undated))
    assert [entry.id for entry in parsed.entries][-2:] == ["499", "new"]


def test_without_dates_the_first_are_read_and_the_rest_counted() -> None:
    parsed = parse(rss("".join(f"<item><guid>{n}</guid></item>" for n in range(503))))
    assert (len(parsed.entries), parsed.entries[0].id) == (500, "0")
    assert parsed.left_out == "3 entries left out: only the first 500 are read"
