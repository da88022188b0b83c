"""Fetching from a real server, good, rude and hostile."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from services.ingest.adapters.fetcher import Fetched, Fetcher, FetchError, Validators
from services.ingest.adapters.host_slots import HostSlots
from services.ingest.core.feed import Feed
from shared.address_guard import AddressGuard
from shared.http_handle import HttpError
from shared.http_handle import Kind as HttpKind
from tests.polling import Site

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
BODY = b"<rss version='2.0'><channel><title>News</title></channel></rss>"
LIMIT = 200_000


class Answering(Site):
    """A server that answers as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.says: Answer = self.give(BODY)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        return await self.says(request)

    def give(self, body: bytes = b"", status: int = 200, **headers: str) -> Answer:
        async def answer(_: web.Request) -> web.Response:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.Response(body=body, status=status, headers=named)

        return answer


@pytest.fixture
async def site() -> AsyncIterator[Answering]:
    async with Answering() as site:
        yield site


def make_fetcher(allow: str = "127.0.0.0/8", timeout: float = 5, root: Path = Path()) -> Fetcher:
    return Fetcher(
        AddressGuard([ip_network(allow)] if allow else []),
        HostSlots(pause=0),
        "https://tocsin.example/about",
        files_root=root,
        timeout=timeout,
        max_bytes=LIMIT,
        clock=lambda: NOW,
    )


async def fetch(url: str, validators: Validators = Validators(), **options: object) -> Fetched:
    async with make_fetcher(**options) as fetcher:  # type: ignore[arg-type]
        return await fetcher.fetch(Feed(url=url), validators)


async def failure_of(url: str, **options: object) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await fetch(url, **options)  # type: ignore[arg-type]
    return caught.value


async def test_a_document_comes_with_its_validators(site: Answering) -> None:
    site.says = site.give(
        BODY,
        ETag='W/"odd value"',
        Last_Modified="yesterday, more or less",
        Cache_Control="max-age=60",
        Content_Type="application/rss+xml",
    )
    fetched = await fetch(site.url())
    assert (fetched.status, fetched.body, fetched.url) == (200, BODY, site.url())
    assert fetched.validators == Validators('W/"odd value"', "yesterday, more or less")
    assert (fetched.max_age, fetched.content_type) == (60, "application/rss+xml")


async def test_validators_are_sent_back_to_the_letter(site: Answering) -> None:
    site.says = site.give(status=304, ETag='"new"')
    fetched = await fetch(site.url(), Validators('W/"odd value"', "yesterday, more or less"))
    [request] = site.requests
    assert request.headers["If-None-Match"] == 'W/"odd value"'
    assert request.headers["If-Modified-Since"] == "yesterday, more or less"
    assert fetched == Fetched(304, b"", site.url(), Validators('"new"', "yesterday, more or less"))


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, "hard", "wants a password"),
        (403, "soft", "refuses us"),
        (404, "soft", "nothing at this address"),
        (410, "soft", "says that the feed is gone"),
        (429, "temporary", "less often"),
        (500, "temporary", "has a fault"),
        (304, "soft", "no document"),
        (202, "soft", "202 without a document"),
        (204, "soft", "204 without a document"),
    ],
)
async def test_an_answer_without_document_is_a_named_failure(
    site: Answering, status: int, kind: str, words: str
) -> None:
    site.says = site.give(status=status)
    failure = await failure_of(site.url())
    assert (failure.kind, failure.status) == (kind, status)
    assert words in failure.reason


@pytest.mark.parametrize("header", ["120", "Tue, 04 Aug 2026 12:02:00 GMT"])
async def test_retry_after_is_passed_on(site: Answering, header: str) -> None:
    site.says = site.give(status=503, Retry_After=header)
    assert (await failure_of(site.url())).retry_after == 120


@pytest.mark.parametrize("kind", get_args(HttpKind))
async def test_whatever_goes_wrong_with_http_has_words_and_a_fault(kind: HttpKind) -> None:
    failure = make_fetcher()._explain(HttpError(kind, "what libcurl says"))
    assert (bool(failure.reason), bool(failure.fault)) == (True, True)


async def test_what_exceeds_a_limit_of_ours_is_named_with_it(site: Answering) -> None:
    site.says = site.give(b"x" * (LIMIT + 1))
    failure = await failure_of(site.url())
    assert (failure.kind, failure.reason) == ("hard", "it is larger than 0.2 MB")
    site.says = lambda _: asyncio.sleep(60, web.Response())
    failure = await failure_of(site.url(), timeout=0.3)
    assert (failure.kind, failure.reason) == ("temporary", "it did not finish within 0.3 seconds")


def going(place: str, status: int = 301) -> web.Response:
    return web.Response(status=status, headers={"Location": place})


@pytest.mark.parametrize(
    ("first", "second", "moved"), [(301, 308, "/c?x=1"), (301, 302, "/b"), (302, 301, None), (307, 307, None)]
)
async def test_it_has_moved_as_far_as_every_redirect_says_so(
    site: Answering, first: int, second: int, moved: str | None
) -> None:
    async def answer(request: web.Request) -> web.Response:
        ways = {"/a": going("/b", first), "/b": going("/c?x=1", second)}
        return ways.get(request.path) or web.Response(body=BODY)

    site.says = answer
    fetched = await fetch(site.url("/a"))
    assert (fetched.url, fetched.moved_to) == (site.url("/c?x=1"), site.url(moved) if moved else None)


async def test_a_feeds_own_headers_go_to_its_own_host_only(site: Answering) -> None:
    elsewhere = site.url("/else").replace("127.0.0.1", "localhost")

    async def answer(request: web.Request) -> web.Response:
        ways = {"/here": going("/there"), "/there": going(elsewhere)}
        return ways.get(request.path) or web.Response(body=BODY)

    site.says = answer
    feed = Feed(
        url=site.url("/here"), username="me", password=SecretStr("pw"), headers={"X-Key": SecretStr("k")}
    )
    async with make_fetcher() as fetcher:
        await fetcher.fetch(feed)
    sent = [(request.headers.get("Authorization"), request.headers.get("X-Key")) for request in site.requests]
    assert sent == [("Basic bWU6cHc=", "k"), ("Basic bWU6cHc=", "k"), (None, None)]


async def test_a_robot_check_is_named(site: Answering) -> None:
    site.says = site.give(status=403, cf_mitigated="challenge")
    failure = await failure_of(site.url())
    assert (failure.fault, failure.reason) == ("wall", "it lets no robots in, and takes us for one (403)")


async def test_a_form_is_sent_and_a_refusal_named(site: Answering) -> None:
    site.says = site.give(b"no such topic", status=400)
    async with make_fetcher() as fetcher:
        with pytest.raises(FetchError, match="400: no such topic"):
            await fetcher.post(site.url("/hub"), {"hub.mode": "subscribe"})
        site.says = site.give(status=202)
        await fetcher.post(site.url("/hub"), {"hub.mode": "subscribe"})


async def test_a_certificate_that_nobody_vouches_for_is_refused_unless_the_feed_allows_it() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parent / "self_signed.pem")
    app = web.Application()
    app.router.add_get("/rss", Answering().give(BODY))
    server = TestServer(app, host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context)
    url = str(server.make_url("/rss"))
    assert (await failure_of(url)).fault == "certificate"
    async with make_fetcher() as fetcher:
        assert (await fetcher.fetch(Feed(url=url, tls="insecure"))).body == BODY
    await server.close()


async def test_a_redirect_in_a_circle_ends(site: Answering) -> None:
    site.says = site.give(status=302, Location="/rss")
    assert (await failure_of(site.url())).reason == "it redirects more than 5 times"
    assert len(site.requests) == 6


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "http://[::ffff:a00:1]/",
        "http://a:b@example.org/",
    ],
)
async def test_a_redirect_to_a_forbidden_address_is_refused(site: Answering, target: str) -> None:
    site.says = site.give(status=302, Location=target)
    failure = await failure_of(site.url())
    assert failure.kind == "hard"
    assert failure.reason.startswith("it redirects to a forbidden address: ")


async def test_inner_addresses_are_refused_before_anything_is_sent(site: Answering) -> None:
    failure = await failure_of(site.url(), allow="")
    assert (failure.kind, site.requests) == ("hard", [])
    assert "not a public address" in failure.reason


async def test_a_file_is_read_relative_to_its_list(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(BODY)
    fetched = await fetch("a.xml", root=tmp_path)
    assert (fetched.status, fetched.body, fetched.url) == (200, BODY, "a.xml")


async def test_a_file_that_is_missing_or_too_large_is_named(tmp_path: Path) -> None:
    (tmp_path / "big.xml").write_bytes(b"x" * (LIMIT + 1))
    assert "no such file" in (await failure_of("missing.xml", root=tmp_path)).reason
    assert "larger than" in (await failure_of("big.xml", root=tmp_path)).reason


async def test_a_host_is_asked_once_at_a_time_and_after_a_pause() -> None:
    slots, at_host, most, starts = HostSlots(pause=0.05), 0, 0, []

    async def visit(host: str) -> None:
        nonlocal at_host, most
        async with slots.turn(host):
            starts.append(asyncio.get_running_loop().time())
            at_host += 1
            most = max(most, at_host)
            await asyncio.sleep(0)
            at_host -= 1

    await asyncio.gather(*[visit("a.example") for _ in range(4)])
    assert most == 1
    assert all(later - earlier >= 0.045 for earlier, later in pairwise(starts))


async def test_hosts_do_not_wait_for_each_other() -> None:
    slots = HostSlots(pause=60)
    async with asyncio.timeout(5), slots.turn("a.example"), slots.turn("b.example"):
        pass
