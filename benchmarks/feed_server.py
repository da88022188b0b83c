"""A server of many feeds, in a process of its own: `python -m benchmarks.feed_server FEEDS ENTRIES`.

It prints its port. Each feed is at /N.xml and has a host of its own (127.0.x.y all lead here), as it would be in the
world: pollers are polite by host. POST /mode?etag=0|1&bump=N changes how it answers; GET /hits tells what was asked.
"""

import random
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

from aiohttp import web

from benchmarks.material import SENTENCES

ENTRY = """<item><title>{title}</title><link>https://news.example/{feed}/{number}?a=1&amp;b=2</link>
<guid isPermaLink="false">{feed}-{number}</guid><pubDate>{date:%a, %d %b %Y %H:%M:%S} GMT</pubDate>
<dc:creator>A. Writer</dc:creator><category>Aid</category>
<description>{summary}</description><content:encoded><![CDATA[{body}]]></content:encoded></item>
"""
HEAD = """<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>Feed {feed}</title><link>https://news.example/{feed}</link>
<description>News {feed}</description><language>en</language>
"""


def address(port: int, feed: int) -> str:
    """Return the address of a feed."""
    return f"http://127.0.{1 + feed // 250}.{1 + feed % 250}:{port}/{feed}.xml"


def body_of(chance: random.Random) -> str:
    """Return about 2.7 kB of HTML."""
    paragraphs = (
        "<p>"
        + " ".join(chance.choice(SENTENCES) for _ in range(4))
        + ' <a href="https://news.example/x">more</a></p>'
        for _ in range(7)
    )
    return "\n".join(paragraphs)


class Feeds:
    """The documents, and what was asked."""

    def __init__(self, feeds: int, entries: int) -> None:
        self._entries = entries
        self._bump = 0
        self._etag = True
        self._documents: dict[int, bytes] = {}
        self.hits: Counter[str] = Counter()
        self._now = datetime.now(UTC)
        self._prepare(feeds)

    def _prepare(self, feeds: int) -> None:
        self._documents = {feed: self._document(feed) for feed in range(feeds)}

    def _document(self, feed: int) -> bytes:
        items = []
        for number in range(self._entries + self._bump - 1, self._bump - 1, -1):
            chance = random.Random(feed * 1000 + number)
            items.append(
                ENTRY.format(
                    feed=feed,
                    number=number,
                    title=chance.choice(SENTENCES)[:60],
                    summary=chance.choice(SENTENCES),
                    date=self._now - timedelta(minutes=(1000 - number)),
                    body=body_of(chance),
                )
            )
        return (HEAD.format(feed=feed) + "".join(items) + "</channel></rss>").encode()

    async def feed(self, request: web.Request) -> web.Response:
        """Answer a poll."""
        number = int(request.match_info["feed"])
        etag = f'"{self._bump}"'
        headers = {"ETag": etag} if self._etag else {}
        if self._etag and request.headers.get("If-None-Match") == etag:
            self.hits["304"] += 1
            return web.Response(status=304, headers=headers)
        self.hits["200"] += 1
        return web.Response(body=self._documents[number], headers=headers, content_type="application/rss+xml")

    async def mode(self, request: web.Request) -> web.Response:
        """Change how it answers from now on."""
        self._etag = request.query.get("etag", "1") == "1"
        bump = int(request.query.get("bump", self._bump))
        if bump != self._bump:
            self._bump = bump
            self._prepare(len(self._documents))
        self.hits.clear()
        return web.Response()

    async def count(self, _: web.Request) -> web.Response:
        """Tell what was asked since the last change."""
        return web.json_response(dict(self.hits))


def main() -> None:
    """Serve until killed."""
    feeds = Feeds(int(sys.argv[1]), int(sys.argv[2]))
    app = web.Application()
    app.router.add_get("/{feed}.xml", feeds.feed)
    app.router.add_post("/mode", feeds.mode)
    app.router.add_get("/hits", feeds.count)
    web.run_app(app, host="0.0.0.0", port=int(sys.argv[3]), print=None, handle_signals=True, access_log=None)


if __name__ == "__main__":
    main()
