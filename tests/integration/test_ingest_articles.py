"""Article texts from the pages that entries link to."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web
from pydantic import SecretStr

from services.ingest.adapters.articles import Articles
from services.ingest.adapters.parser import Parser
from services.ingest.core.feed import Feed
from shared.events import Report
from tests.builders import make_report
from tests.polling import Site, local_fetcher

SENTENCES = " ".join(
    f"On day {n} the envoys met again in the valley and spoke of the roads." for n in range(12)
)
PAGE = f"""<!doctype html><html><head><title>Talks</title></head><body><nav><a href="/">Home</a></nav>
<main><article><h1>Talks resume</h1><p>{SENTENCES}</p><p>A second paragraph says what comes next for the people.</p>
</article></main><footer>All rights reserved</footer><script>alert(1)</script></body></html>"""


class Pages(Site):
    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/article":
            return web.Response(text=PAGE, content_type="text/html")
        if request.path == "/empty":
            return web.Response(text="<html></html>", content_type="text/html")
        return web.Response(status=404)


@pytest.fixture
async def site() -> AsyncIterator[Pages]:
    async with Pages() as site:
        yield site


@pytest.fixture
async def articles() -> AsyncIterator[Articles]:
    async with local_fetcher() as fetcher, Parser(workers=1) as parser:
        yield Articles(fetcher, parser)


def report(url: str | None) -> Report:
    return make_report(url=url, text="Short.", fetched_at=datetime.now(UTC))


FEED = Feed(url="https://feeds.example/rss", full_text=True)


async def test_the_article_is_taken_and_nothing_around_it(articles: Articles, site: Site) -> None:
    done = await articles.complete(FEED, report(site.url("/article")))
    assert SENTENCES in done.text
    assert "\n\nA second paragraph" in done.text
    assert "alert" not in done.text
    assert "All rights" not in done.text
    assert done.notes[-1] == "full text: from the page"


@pytest.mark.parametrize(
    ("path", "note"),
    [("/gone", "there is nothing at this address (404)"), ("/empty", "no article is found on the page")],
)
async def test_a_page_that_gives_none_leaves_the_report_as_it_was(
    articles: Articles, site: Site, path: str, note: str
) -> None:
    done = await articles.complete(FEED, report(site.url(path)))
    assert (done.text, done.notes[-1]) == ("Short.", f"full text: not to be had ({note})")


async def test_a_page_that_is_not_public_is_not_fetched(articles: Articles) -> None:
    done = await articles.complete(FEED, report("http://10.0.0.1/"))
    assert "forbidden" in done.notes[-1] or "public" in done.notes[-1]
    assert (await articles.complete(FEED, report(None))).notes == report(None).notes


async def test_what_is_secret_stays_with_the_feeds_own_host(articles: Articles, site: Site) -> None:
    url = site.url("/article")
    secrets = {"username": "u", "password": SecretStr("p"), "full_text": True}
    await articles.complete(Feed(url="https://feeds.example/", **secrets), report(url))
    await articles.complete(Feed(url=site.url("/rss"), **secrets), report(url))
    assert ["Authorization" in request.headers for request in site.requests] == [False, True]
