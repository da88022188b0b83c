"""More than two hundred feed documents, good, odd, broken and hostile, made the same each time.

`python -m tests.feed_folder FOLDER` writes them as files, for `tocsin parse` to be tried on.
"""

# ruff: noqa: E501

import gzip
import random
import sys
from collections.abc import Iterator
from pathlib import Path

NAMESPACES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/" '
    'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/" xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:slash="http://purl.org/rss/1.0/modules/slash/" '
    'xmlns:wfw="http://wellformedweb.org/CommentAPI/" xmlns:own="https://example.org/own"'
)
BODY = "<p>Both sides met on Tuesday.</p><p>They will <b>meet</b> again &amp; talk of Київ.</p><ul><li>aid<li>roads</ul>"
ESCAPED = BODY.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def rss(items: str, head: str = "", version: str = "2.0") -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<rss version="{version}" {NAMESPACES}>\n<channel>'
        f"<title>The Valley Post</title><link>https://post.example/</link>"
        f"<description>News of the valley</description>{head}\n{items}</channel></rss>"
    )


def atom(entries: str, head: str = "", attributes: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" {attributes}>'
        f'<title>The Hill Review</title><link href="https://hill.example/"/><id>urn:feed</id>'
        f"<updated>2026-08-04T10:00:00Z</updated>{head}\n{entries}</feed>"
    )


def rdf(items: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<rdf:RDF xmlns="http://purl.org/rss/1.0/" '
        f'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" {NAMESPACES}>'
        '<channel rdf:about="https://river.example/"><title>River Wire</title><link>https://river.example/</link>'
        "<description>By the river</description><dc:language>fr</dc:language><sy:updatePeriod>hourly</sy:updatePeriod>"
        '<sy:updateFrequency>2</sy:updateFrequency><items><rdf:Seq><rdf:li rdf:resource="https://river.example/1"/>'
        f"</rdf:Seq></items></channel>{items}</rdf:RDF>"
    )


def item(inner: str, number: int = 1) -> str:
    return (
        f"<item><title>Talks resume, day {number}</title><link>https://post.example/{number}?a=1&amp;b=2</link>"
        f'<guid isPermaLink="false">post-{number}</guid><pubDate>Tue, 04 Aug 2026 {number % 24:02}:00:00 +0200</pubDate>'
        f"<description>{ESCAPED}</description>{inner}</item>\n"
    )


def entry(inner: str, number: int = 1) -> str:
    return (
        f'<entry><title>Roads reopen, day {number}</title><link href="https://hill.example/{number}"/>'
        f"<id>urn:hill:{number}</id><updated>2026-08-04T10:00:{number % 60:02}Z</updated>{inner}</entry>\n"
    )


RSS_ITEMS = {
    "plain": item(""),
    "twenty": "".join(item(f"<content:encoded><![CDATA[{BODY * 8}]]></content:encoded>", n) for n in range(20)),
    "content": item(f"<content:encoded><![CDATA[{BODY}]]></content:encoded>"),
    "content-first": "<item><title>x</title><content:encoded>long</content:encoded><description>short</description></item>",
    "two-contents": item("<content:encoded>a</content:encoded><content:encoded>longer</content:encoded>"),
    "two-descriptions": item("<description>another one</description>"),
    "no-title": "<item><link>https://post.example/1</link><description>Only words here.</description></item>",
    "empty-title": "<item><title></title><title>second</title><guid>1</guid></item>",
    "two-titles": "<item><title>first</title><title>second</title><guid>1</guid></item>",
    "no-link": "<item><title>x</title><guid isPermaLink='false'>abc</guid></item>",
    "guid-is-link": "<item><title>x</title><guid>https://post.example/1</guid></item>",
    "guid-is-number": "<item><title>x</title><guid>4711</guid></item>",
    "guid-after-empty-link": "<item><title>x</title><link/><guid>https://post.example/1</guid></item>",
    "guid-before-empty-link": "<item><title>x</title><guid>https://post.example/1</guid><link></link></item>",
    "guid-permalink-yes": "<item><title>x</title><guid isPermaLink='TRUE'>https://post.example/1</guid></item>",
    "two-guids": "<item><title>x</title><guid>1</guid><guid>2</guid></item>",
    "two-links": "<item><title>x</title><link>https://post.example/1</link><link>https://post.example/2</link></item>",
    "no-guid-no-link": "<item><title>x</title><description>y</description></item><item><title>z</title></item>",
    "empty-item": "<item></item><item/><item><title>real</title></item>",
    "same-guid": item("", 1) + item("", 1).replace("day 1", "day 2") + item("", 1),
    "relative-link": "<item><title>x</title><link>/n/1</link><guid>/n/1</guid></item>",
    "script-link": "<item><title>x</title><link>javascript:alert(1)</link><guid>1</guid></item>",
    "link-with-spaces": "<item><title>x</title><link>\n  https://post.example/1\n </link></item>",
    "link-entities": "<item><title>x</title><link>https://post.example/?a=1&amp;copy;=2</link></item>",
    "link-cdata": "<item><title>x</title><link><![CDATA[https://post.example/?a=1&b=2]]></link></item>",
    "atom-link": "<item><title>x</title><atom:link href='https://post.example/a' rel='alternate'/></item>",
    "atom-link-self": "<item><title>x</title><link>https://post.example/1</link><atom:link href='https://post.example/a' rel='self'/></item>",
    "atom-link-pdf": "<item><title>x</title><atom:link href='https://post.example/a.pdf' type='application/pdf'/></item>",
    "title-behind-source": "<item><title>x</title><source url='u'>S</source><media:title>y</media:title></item>",
    "slashes": "<item><title>x</title><link>https:////post.example/1</link></item>",
    "escaped-title": "<item><title>Tom &amp;amp; &lt;b&gt;Jerry&lt;/b&gt;</title><guid>1</guid></item>",
    "cdata-title": "<item><title><![CDATA[Tom & <i>Jerry</i>]]></title><guid>1</guid></item>",
    "script-title": "<item><title>&lt;script&gt;alert(1)&lt;/script&gt;Talks</title><guid>1</guid></item>",
    "markup-title": "<item><title>Tom <b>and</b> Jerry</title><guid>1</guid></item>",
    "markup-description": "<item><title>x</title><description><p>Not <b>escaped</b></p> tail</description></item>",
    "twice-encoded": item("").replace("Київ", "Київ".encode().decode("latin-1")),
    "twice-encoded-latin": "<item><title>cafÃ©</title><guid>1</guid></item>",
    "windows-quotes": "<item><title>\x93Talks\x94 \x96 at last</title><guid>1</guid></item>",
    "latin": "<item><title>café crème à la mode</title><guid>1</guid></item>",
    "emoji": "<item><title>Talks \U0001f600 \u202eevil</title><guid>1</guid></item>",
    "creator": item("<dc:creator>A. Writer</dc:creator>"),
    "creators": item("<dc:creator>A. Writer</dc:creator><dc:creator>B. Writer</dc:creator>"),
    "author-mail": item("<author>desk@post.example (A. Writer)</author>"),
    "author-mail-only": item("<author>desk@post.example</author>"),
    "author-angle": item("<author>A. Writer &lt;desk@post.example&gt;</author>"),
    "author-empty": item("<author></author><dc:creator>B</dc:creator>"),
    "author-odd": item("<author>a@b</author>"),
    "author-two-mails": item("<author>a@b.example, c@d.example</author>"),
    "author-markup": item("<author><name>A</name></author>"),
    "itunes": item("<itunes:author>Pod</itunes:author><itunes:summary>Sum</itunes:summary><itunes:duration>1</itunes:duration>"),
    "itunes-harmless": item("<itunes:duration>1:00</itunes:duration><itunes:explicit>no</itunes:explicit>"),
    "dc-date": "<item><title>x</title><dc:date>2026-08-04T10:00:00+02:00</dc:date></item>",
    "two-dates": item("<pubDate>Mon, 03 Aug 2026 10:00:00 GMT</pubDate>"),
    "dcterms": item("<dcterms:modified>2026-08-04T12:00:00Z</dcterms:modified>"),
    "dcterms-issued": item("<dcterms:issued>2026-08-01T12:00:00Z</dcterms:issued>"),
    "enclosure": item('<enclosure url="https://post.example/a.mp3" length="1" type="audio/mpeg"/>'),
    "category": item("<category domain='x'>Aid</category><category>War</category>"),
    "source": item('<source url="https://other.example/rss">Other</source>'),
    "source-first": '<item><source url="https://other.example/rss">Other</source>' + item("").removeprefix("<item>"),
    "media-content": item('<media:content url="https://post.example/a.jpg"><media:title>Pic</media:title></media:content>'),
    "media-only-title": "<item><media:title>Pic</media:title><guid>1</guid></item>",
    "media-title-first": "<item><media:title>Pic</media:title><title>Real</title><guid>1</guid></item>",
    "media-group": item('<media:group><media:content url="a"/><media:title>P</media:title></media:group>'),
    "media-description": item("<media:description>About the picture</media:description>"),
    "media-credit": item('<media:thumbnail url="a" width="1"/><media:credit>Somebody</media:credit>'),
    "slash": item("<slash:comments>3</slash:comments><wfw:commentRss>https://post.example/c</wfw:commentRss>"),
    "own": item("<own:thing>1</own:thing><own:other a='1'><own:deep>x</own:deep></own:other>"),
    "own-title": item("<own:box><title>inside</title></own:box>"),
    "unknown": item("<priority>3</priority><region>north</region>"),
    "summary-in-rss": item("<summary>of atom</summary>"),
    "published-in-rss": "<item><title>x</title><published>2026-08-04T10:00:00Z</published></item>",
    "atom-in-rss": item("<atom:summary>s</atom:summary><atom:updated>2026-08-04T10:00:00Z</atom:updated>"),
    "image-in-item": item("<image><url>https://post.example/a.png</url><title>Pic</title></image>"),
    "language-of-item": item("<dc:language>uk</dc:language>"),
    "lang-attribute": item("<content:encoded xml:lang='uk'>x</content:encoded>"),
    "capital-names": "<ITEM><TITLE>x</TITLE></ITEM><item><Title>y</Title><PubDate>Tue, 04 Aug 2026 10:00:00 GMT</PubDate></item>",
    "typed-description": "<item><title type='html'>x &lt;b&gt;y&lt;/b&gt;</title><description type='text'>z</description></item>",
    "comment-inside": "<item><title>Talks <!-- not --> resume</title><guid>1</guid></item>",
    "instruction-inside": "<item><title>Talks <?php x ?> resume</title><guid>1</guid></item>",
    "escaped-twice": "<item><title>x</title><description>&amp;lt;p&amp;gt;Twice&amp;lt;/p&amp;gt;</description></item>",
    "numeric-entities": "<item><title>&#1050;&#x438;&#1111;&#1074; &#8212; talks</title><guid>1</guid></item>",
    "wordpress": item(
        "<comments>https://post.example/1#respond</comments><dc:creator><![CDATA[desk]]></dc:creator>"
        "<category><![CDATA[Aid]]></category><content:encoded><![CDATA[" + BODY + "]]></content:encoded>"
        '<wfw:commentRss>https://post.example/1/feed</wfw:commentRss><slash:comments>0</slash:comments>'
    ),
}  # fmt: skip

DATES = (
    "Tue, 04 Aug 2026 10:00:00 GMT", "Tue, 4 Aug 2026 10:00 +0300", "04 Aug 2026 10:00:00 EST", "Tue, 04 Aug 26 10:00:00 Z",
    "2026-08-04T10:00:00.123Z", "2026-08-04 10:00:00", "2026-08-04", "20260804T100000Z", "Aug 04 2026 10:00:00 GMT",
    "Tue Aug  4 10:00:00 2026", "4 août 2026", "04/08/2026", "Tuesday, 04 August 2026 10:00:00 GMT", "1785830400",
    "1785830400000", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 04 Aug 2099 10:00:00 GMT", "yesterday", "", "0000-00-00T00:00:00Z",
    "Tue, 04 Aug 2026 25:61:61 GMT", "2026-02-30T10:00:00Z", "Tue, 04 Aug 2026 23:59:60 GMT", "99999999999999999999",
)  # fmt: skip

RSS_HEADS = {
    "language": "<language>en-GB</language>",
    "language-odd": "<language>English</language><dc:language>de</dc:language>",
    "ttl": "<ttl>60</ttl>",
    "ttl-odd": "<ttl>often</ttl>",
    "skip": "<skipHours><hour>0</hour><hour>24</hour><hour>5</hour></skipHours><skipDays><day>Sunday</day></skipDays>",
    "sy": "<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>",
    "sy-odd": "<sy:updatePeriod>always</sy:updatePeriod><sy:updateFrequency>0.1</sy:updateFrequency>",
    "hub": '<atom:link rel="hub" href="https://hub.example/"/><atom:link rel="self" href="https://post.example/rss" '
    'type="application/rss+xml"/>',
    "image": "<image><url>https://post.example/a.png</url><title>Logo</title><link>https://post.example/x</link></image>",
    "itunes": '<itunes:owner><itunes:name>N</itunes:name></itunes:owner><itunes:category text="News"/>',
    "dates": "<lastBuildDate>Tue, 04 Aug 2026 10:00:00 GMT</lastBuildDate><pubDate>never</pubDate>",
    "mail": "<managingEditor>a@b.example (A)</managingEditor><webMaster>c@d.example</webMaster>",
    "second-title": "<title>Second</title>",
    "textinput": "<textInput><title>Search</title><name>q</name><link>https://post.example/s</link></textInput>",
    "all": "<generator>own</generator><docs>https://post.example</docs><copyright>all</copyright><rating>x</rating>"
    '<category>News</category><cloud domain="x" port="80"/>',
}  # fmt: skip

ATOM_ENTRIES = {
    "plain": entry(""),
    "twenty": "".join(entry(f"<content type='html'>{ESCAPED * 8}</content>", n) for n in range(20)),
    "html": entry(f"<content type='html'>{ESCAPED}</content>"),
    "html-cdata": entry(f"<content type='html'><![CDATA[{BODY}]]></content>"),
    "text": entry("<summary>1 &lt; 2 &amp; so on</summary><content type='text'>a &lt;b&gt; c</content>"),
    "xhtml": entry(
        "<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>One</p><p>Two &amp; <b>three</b></p></div></content>"
    ),
    "xhtml-title": entry("").replace(
        "<title>Roads reopen, day 1</title>",
        "<title type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>Roads <em>reopen</em></div></title>",
    ),
    "html-title": entry("").replace("<title>Roads", "<title type='html'>&lt;b&gt;Roads&lt;/b&gt;"),
    "src": entry("<content src='https://hill.example/1.html' type='text/html'/>"),
    "pdf": entry("<content type='application/pdf'>aGVsbG8=</content>"),
    "xml-content": entry("<content type='application/xml'><x>y</x></content>"),
    "author": entry("<author><name>A. Writer</name><email>a@b.example</email><uri>https://a.example</uri></author>"),
    "authors": entry("<author><name>A</name></author><author><name>B</name></author>"),
    "author-mail": entry("<author><email>a@b.example</email></author>"),
    "author-text": entry("<author>A. Writer</author>"),
    "author-mail-behind-creator": entry(
        '<dc:creator xmlns:dc="http://purl.org/dc/elements/1.1/">A</dc:creator>'
        "<author><name>B</name><email>b@b.example</email></author>"
    ),
    "contributor": entry("<contributor><name>C</name></contributor>"),
    "published": entry("<published>2026-08-03T10:00:00+02:00</published>"),
    "links": entry("<link rel='enclosure' href='https://hill.example/a.mp3'/><link rel='replies' href='https://hill.example/r'/>"),
    "link-first-other": "<entry><title>x</title><link rel='edit' href='https://hill.example/e'/>"
    "<link rel='alternate' type='text/html' href='https://hill.example/1'/><id>https://hill.example/id</id></entry>",
    "link-json": "<entry><title>x</title><link type='application/json' href='https://hill.example/1.json'/><id>u</id></entry>",
    "id-is-link": "<entry><title>x</title><id>https://hill.example/1</id></entry>",
    "relative": "<entry><title>x</title><link href='/1'/><id>u</id></entry>",
    "base": "<entry xml:base='https://hill.example/deep/'><title>x</title><link href='1'/><id>u</id></entry>",
    "lang": "<entry xml:lang='uk'><title>x</title><id>u</id><summary xml:lang='ru'>y</summary></entry>",
    "source": entry("<source><title>Other</title><id>urn:o</id><updated>2020-01-01T00:00:00Z</updated></source>"),
    "category": entry("<category term='aid' scheme='x' label='Aid'/>"),
    "rights": entry("<rights>all</rights>"),
    "two-summaries": entry("<summary>a</summary><summary>b</summary>"),
    "summary-after-content": entry("<content>long</content><summary>short</summary>"),
    "no-title": "<entry><id>u</id><summary>Only words.</summary></entry>",
    "empty": "<entry/><entry><title/><id/></entry>",
    "media": entry(
        "<m:group xmlns:m='http://search.yahoo.com/mrss/'><m:title>V</m:title><m:description>D</m:description></m:group>"
    ),
    "deep-xhtml": entry("<content type='xhtml'>" + "<div>" * 120 + "x" + "</div>" * 120 + "</content>"),
}  # fmt: skip

RDF_ITEMS = {
    "plain": '<item rdf:about="https://river.example/1"><title>Water rises</title><link>https://river.example/1</link>'
    "<description>In the valley</description><dc:date>2026-08-04T10:00:00Z</dc:date><dc:creator>A</dc:creator></item>",
    "no-about": "<item><title>Water rises</title><link>https://river.example/1</link></item>",
    "about-only": '<item rdf:about="https://river.example/1"><title>Water rises</title></item>',
    "image": '<image rdf:about="https://river.example/i"><title>Logo</title><url>https://river.example/i.png</url></image>'
    '<item rdf:about="https://river.example/1"><title>Water rises</title></item>',
    "content": '<item rdf:about="u"><title>x</title><content:encoded><![CDATA[' + BODY + "]]></content:encoded></item>",
}  # fmt: skip

JSON_FEED = (
    '{"version": "https://jsonfeed.org/version/1.1", "title": "Coast", "home_page_url": "https://coast.example/", '
    '"language": "en", "items": [%s]}'
)
JSON_ITEMS = {
    "html": '{"id": "1", "url": "https://coast.example/1", "title": "Ferries", "content_html": "<p>Back</p>", '
    '"date_published": "2026-08-04T10:00:00Z", "authors": [{"name": "A"}]}',
    "text": '{"id": 2, "content_text": "1 < 2", "summary": "s", "author": {"name": "B"}}',
    "link-only": '{"id": "https://coast.example/3"}',
    "odd": '{"id": null, "title": ["x"], "url": 5, "authors": "A", "tags": {}}, "no object", {"title": "good", "id": "4"}',
    "surrogate": '{"id": "\\ud800", "title": "half \\ud83d a character", "content_text": "x"}',
    "none": "",
}  # fmt: skip

HOSTILE = {
    "empty": b"",
    "blank": b" \n\t\r\n",
    "one-byte": b"<",
    "binary": bytes(range(256)) * 40,
    "zeros": bytes(10_000),
    "page": b"<!DOCTYPE html><html><head><link rel='alternate' type='application/rss+xml' href='/rss'></head></html>",
    "page-with-feed-inside": b"<html><body><pre>&lt;rss&gt;</pre></body></html>",
    "json": b'{"error": "not found"}',
    "json-broken": b'{"version": "https://jsonfeed.org/version/1", "items": [',
    "json-deep": b"[" * 200_000,
    "sitemap": b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>https://x.example</loc></url></urlset>',
    "opml": b'<opml version="2.0"><body><outline text="x"/></body></opml>',
    "soap": b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>',
    "gzip": gzip.compress(rss(item("")).encode(), mtime=0),
    "name-of-a-file": b"samples/reports.xml",
    "utf-7": b"+ADw-rss+AD4-",
    "laughs": (
        '<!DOCTYPE rss [<!ENTITY e0 "boom">' + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12)) + "]>"
        + rss("<item><title>&e11;</title></item>").partition("?>")[2]
    ).encode(),
    "quadratic": (
        '<!DOCTYPE rss [<!ENTITY a "' + "a" * 50_000 + '">]>' + rss("<item><title>" + "&a;" * 20_000 + "</title></item>").partition("?>")[2]
    ).encode(),
    "file-entity": ('<!DOCTYPE rss [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + rss("<item><title>a&f;b</title></item>").partition("?>")[2]).encode(),
    "doctype": ('<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://my.netscape.example/rss.dtd">' + rss(item("")).partition("?>")[2]).encode(),
    "attributes": rss("<item><title " + " ".join(f'a{n}="1"' for n in range(100_000)) + ">x</title></item>").encode(),
    "attributes-of-html": rss("<item><title>x</title><description>&lt;p " + " ".join(f"a{n}=1" for n in range(100_000)) + "&gt;</description></item>").encode(),
    "deep": rss("<item><title>x</title><description>" + "<b>" * 50_000 + "</b>" * 50_000 + "</description></item>").encode(),
    "deep-html": rss("<item><title>x</title><description><![CDATA[" + "<b>" * 100_000 + "]]></description></item>").encode(),
    "wide-html": rss("<item><title>x</title><description><![CDATA[" + "<p>a</p>" * 200_000 + "]]></description></item>").encode(),
    "long-cdata": rss("<item><title>x</title><description><![CDATA[" + "many words " * 800_000 + "]]></description></item>").encode(),
    "long-title": rss("<item><title>" + "t" * 2_000_000 + "</title></item>").encode(),
    "long-link": rss("<item><title>x</title><link>https://x.example/" + "a" * 1_000_000 + "</link></item>").encode(),
    "many-items": rss("<item><guid>g</guid><title>x</title></item>" * 60_000).encode(),
    "tiny-tags": rss("<item><title>x</title>" + "<a/>" * 2_400_000 + "</item>").encode(),
    "tiny-tags-closed-later": rss("<item><title>x</title>" + "<a>" * 60_000 + "</item>").encode(),
    "big-items": rss(("<item><title>x</title><description><![CDATA[" + "<p>words and words</p>" * 500 + "]]></description></item>") * 800).encode(),
    "many-namespaces": ("<rss version='2.0' " + " ".join(f'xmlns:n{n}="u{n}"' for n in range(5_000)) + "><channel><item><title>x</title></item></channel></rss>").encode(),
    "many-entities": rss("<item><title>" + "&eacute;" * 100_000 + "</title></item>").encode(),
    "many-ampersands": rss("<item><title>" + "&" * 500_000 + "</title></item>").encode(),
    "many-open-tags": rss("<item>" * 30_000).encode(),
    "unclosed-cdata": rss("<item><title><![CDATA[x" + "y" * 100_000).encode(),
    "comments": rss("<!-- - -->" * 100_000 + item("")).encode(),
    "null-charref": rss("<item><title>a&#0;b&#xD800;c&#x110000;d</title><guid>1</guid></item>").encode(),
    "long-date": rss("<item><title>x</title><pubDate>" + "9" * 100_000 + "</pubDate></item>").encode(),
    "spaces-date": rss("<item><title>x</title><pubDate>Tue, " + " " * 100_000 + "x</pubDate></item>").encode(),
    "xml-declaration-long": b"<?xml version='1.0' encoding='" + b"u" * 100_000 + b"'?><rss><channel/></rss>",
    "unknown-charset": rss(item("")).replace("utf-8", "x-no-such-charset").encode(),
    "html-entities-everywhere": rss("<item><title>x</title><description>" + "&amp;lt;" * 300_000 + "</description></item>").encode(),
}  # fmt: skip


def documents() -> Iterator[tuple[str, bytes]]:
    """Yield (name, body) of every document."""
    for name, body in _well_meant():
        yield f"good/{name}.xml", body.encode()
    for name, inner in JSON_ITEMS.items():
        yield f"good/json-{name}.json", (JSON_FEED % inner).encode()
    yield from ((f"charset/{name}.xml", body) for name, body in _charsets())
    yield from ((f"broken/{name}.xml", body) for name, body in _broken())
    yield from ((f"hostile/{name}.xml", body) for name, body in HOSTILE.items())


def _well_meant() -> Iterator[tuple[str, str]]:
    for name, inner in RSS_ITEMS.items():
        yield f"rss-{name}", rss(inner)
    for name, head in RSS_HEADS.items():
        yield f"rss-head-{name}", rss(item(""), head)
    for number, date in enumerate(DATES):
        yield (
            f"rss-date-{number}",
            rss(f"<item><title>x</title><pubDate>{date}</pubDate><guid>1</guid></item>"),
        )
        yield (
            f"atom-date-{number}",
            atom(f"<entry><title>x</title><id>u</id><updated>{date}</updated></entry>"),
        )
    for version in ("0.91", "0.92", "0.93", "0.94", "1.0", "2.0", "2.0.1", "", "9"):
        yield f"rss-version-{version or 'none'}", rss(item(""), version=version)
    for name, inner in ATOM_ENTRIES.items():
        yield f"atom-{name}", atom(inner)
    yield "atom-lang", atom(entry(""), attributes='xml:lang="pt-BR"')
    yield (
        "atom-prefixed",
        atom(entry(""))
        .replace("<", "<a:")
        .replace("<a:/", "</a:")
        .replace("<a:?", "<?")
        .replace("xmlns=", "xmlns:a="),
    )
    yield "atom-03", atom(entry("")).replace("http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#")
    yield "atom-no-namespace", atom(entry("")).replace(' xmlns="http://www.w3.org/2005/Atom"', "")
    yield (
        "atom-subtitle",
        atom(entry(""), "<subtitle>About hills</subtitle><icon>i</icon><logo>l</logo><rights>r</rights>"),
    )
    yield (
        "atom-author-of-feed",
        atom(entry(""), "<author><name>Desk</name></author><generator uri='x'>g</generator>"),
    )
    for name, inner in RDF_ITEMS.items():
        yield f"rdf-{name}", rdf(inner)
    yield (
        "rdf-090",
        rdf(RDF_ITEMS["no-about"]).replace(
            'http://purl.org/rss/1.0/"', 'http://my.netscape.com/rdf/simple/0.9/"', 1
        ),
    )
    yield "rss-namespaced", rss(item("")).replace("<rss ", '<rss xmlns="http://backend.userland.com/rss2" ')
    yield (
        "rss-claimed-prefix",
        rss(item("<dc:creator>A</dc:creator>")).replace(
            "purl.org/dc/elements/1.1/", "purl.org/dc/elements/1.2/"
        ),
    )
    yield "rss-lang", rss(item("")).replace("<channel>", "<channel xml:lang='de'>")
    yield (
        "rss-base",
        rss("<item><title>x</title><link>1</link></item>").replace(
            "<channel>", "<channel xml:base='https://a.example/b/'>"
        ),
    )
    yield "rss-items-outside", rss("").replace("</channel>", "</channel>" + item(""))
    yield "rss-no-channel", "<rss version='2.0'>" + item("") + "</rss>"
    yield "rss-two-channels", rss(item("")).replace("</rss>", "<channel>" + item("", 2) + "</channel></rss>")
    yield "rss-no-declaration", rss(item("")).partition("?>")[2]
    yield "rss-leading-space", " \n" + rss(item("")).partition("?>")[2]
    yield "rss-empty", rss("")
    yield "rss-no-title", rss(item("")).replace("<title>The Valley Post</title>", "")
    yield (
        "rss-markup-in-feed-title",
        rss(item("")).replace("The Valley Post", "The &lt;b&gt;Valley&lt;/b&gt;"),
    )
    yield "rss-not-namespaced-prefix", rss(item("")).replace(NAMESPACES, "")


def _charsets() -> Iterator[tuple[str, bytes]]:
    text = rss("<item><title>Київ — переговори</title><guid>1</guid></item>")
    western = rss("<item><title>Café à Genève</title><guid>1</guid></item>")
    for encoding in (
        "utf-8",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-8-sig",
        "cp1251",
        "koi8-r",
        "iso8859-5",
    ):
        yield f"{encoding}-declared", text.replace("utf-8", encoding).encode(encoding, "replace")
        yield f"{encoding}-declared-as-utf-8", text.encode(encoding, "replace")
    for encoding in ("latin-1", "cp1252", "mac-roman"):
        yield f"{encoding}-declared", western.replace("utf-8", encoding).encode(encoding, "replace")
        yield f"{encoding}-declared-as-utf-8", western.encode(encoding, "replace")
    yield "utf-8-declared-as-latin", text.replace("utf-8", "iso-8859-1").encode()
    yield "utf-8-declared-as-ascii", text.replace("utf-8", "us-ascii").encode()
    yield "utf-8-with-one-bad-byte", text.encode().replace(b"1</guid>", b"\xff1</guid>")
    yield (
        "gb2312",
        rss("<item><title>新闻</title><guid>1</guid></item>").replace("utf-8", "gb2312").encode("gb2312"),
    )
    yield (
        "shift-jis",
        rss("<item><title>ニュース</title><guid>1</guid></item>")
        .replace("utf-8", "shift_jis")
        .encode("shift_jis"),
    )


def _broken() -> Iterator[tuple[str, bytes]]:
    bodies = {
        "rss": rss(
            "".join(item(f"<content:encoded><![CDATA[{BODY}]]></content:encoded>", n) for n in range(3))
        ).encode(),
        "atom": atom(
            "".join(entry(f"<content type='html'>{ESCAPED}</content>", n) for n in range(3))
        ).encode(),
        "rdf": rdf(RDF_ITEMS["plain"] * 3).encode(),
        "json": (JSON_FEED % ", ".join(JSON_ITEMS[name] for name in ("html", "text", "link-only"))).encode(),
    }
    changes = {
        "bare-ampersand": (b"Talks", b"Tom & Jerry &"), "html-entity": (b"Talks", b"Caf&eacute;&nbsp;&mdash;"),
        "open-tag": (b"</title>", b"</titel>"), "no-end": (b"</channel>", b""), "control": (b"Talks", b"T\x01al\x0bks\x1f"),
        "nul": (b"Talks", b"Ta\x00lks"), "same-attribute": (b"isPermaLink=", b"isPermaLink='x' isPermaLink="),
        "unquoted": (b'isPermaLink="false"', b"isPermaLink=false"), "undeclared-prefix": (b"<guid", b"<foo:x/><guid"),
        "junk-before": (b"<?xml", b"junk <?xml"), "blank-before": (b"<?xml", b"\n\n<?xml"), "php-before": (b"<?xml", b"<b>Warning</b>: x<?xml"),
        "junk-after": (b"</rss>", b"</rss><script>x</script>"), "html-around": (b"<?xml", b"<html><body><?xml"),
        "cdata-open": (b"]]>", b""), "less-than": (b"Talks", b"1 < 2"), "bad-charref": (b"Talks", b"&#xFFFF; &#1; &#999999999;"),
    }  # fmt: skip
    for name, (old, new) in changes.items():
        yield f"rss-{name}", bodies["rss"].replace(old, new)
    for name, body in bodies.items():
        for tenth in range(1, 10):
            yield f"{name}-cut-at-{tenth}0", body[: len(body) * tenth // 10]
        for seed in range(6):
            yield f"{name}-noise-{seed}", _noisy(body, seed)


def _noisy(body: bytes, seed: int) -> bytes:
    """A few bytes changed, swapped or lost."""
    chance, noisy = random.Random(seed), bytearray(body)
    for _ in range(1 + seed * 3):
        at = chance.randrange(len(noisy))
        if chance.random() < 0.5:
            noisy[at] = chance.randrange(256)
        else:
            del noisy[at : at + chance.randrange(1, 30)]
    return bytes(noisy)


def write(folder: Path) -> int:
    """Write the documents as files; return how many."""
    count = 0
    for count, (name, body) in enumerate(documents(), 1):  # noqa: B007
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return count


if __name__ == "__main__":
    print(f"{write(Path(sys.argv[1]))} documents in {sys.argv[1]}")
