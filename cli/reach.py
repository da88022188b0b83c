"""Try what Tocsin has to reach: Redis, the mail server, names, feeds, a webhook. Nothing is left behind."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from redis.exceptions import AuthenticationError, RedisError, ResponseError

from cli.finding import Finding, readable
from services.api.settings import ApiSettings
from services.ingest.settings import IngestSettings
from services.notify.settings import NotifySettings
from shared.redis_client import RedisClient, make_client, on_every_master
from shared.settings import ServiceSettings

SECONDS = 10.0
CLOCKS_APART = 5.0
OLDEST_REDIS = (6, 2)
FEEDS_AT_ONCE = 8
FEEDS_NAMED = 10
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


async def try_everything(webhook: str | None) -> list[Finding]:
    """Return what was found, in the order of a report's way. `webhook` is a URL to post a test to."""
    asked = await asyncio.gather(
        _all(_redis()), _all(_names()), _all(_feeds()), _all(_mail()), _all(_webhook(webhook))
    )
    return [finding for found in asked for finding in found]


async def _all(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in findings]


async def _redis() -> AsyncIterator[Finding]:
    settings = readable(ServiceSettings)
    if settings.redis_url is None:
        detail = "not set: `tocsin run` starts a Redis of its own; a service by itself needs it"
        yield Finding("TOCSIN_REDIS_URL", None, detail)
        return
    try:
        async with (
            asyncio.timeout(SECONDS),
            make_client(settings.redis_url.get_secret_value(), tries=0) as client,
        ):
            for about in await on_every_master(client, "INFO"):
                for finding in _server(about):
                    yield finding
            async for finding in _written(client, f"{settings.key_prefix}check"):
                yield finding
    except AuthenticationError:
        yield Finding("TOCSIN_REDIS_URL", False, "Redis refuses the user or the password")
    except ResponseError as e:
        yield Finding("TOCSIN_REDIS_URL", False, f"Redis answers, but refuses to work for us: {str(e)[:100]}")
    except (RedisError, OSError, TimeoutError, ValueError) as e:
        detail = f"does not answer ({type(e).__name__}); is Redis up, are host and port right?"
        yield Finding("TOCSIN_REDIS_URL", False, detail)


def _server(about: Mapping[str, Any]) -> Iterator[Finding]:
    """What one server says of itself."""
    version = str(about["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        yield Finding("redis", False, f"version {version} is too old: it must be 6.2 or newer")
    yield Finding("TOCSIN_REDIS_URL", True, f"version {version} answers")
    policy = about.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield Finding(
            "redis", False, f"maxmemory-policy is {policy}: reports would be lost; it must be noeviction"
        )
    if not about.get("aof_enabled"):
        yield Finding(
            "redis", None, "keeps no append-only file: a restart of Redis loses what came since its last dump"
        )
    if not about.get("maxmemory"):
        yield Finding(
            "redis", None, "has no maxmemory: full, the machine would kill it; at a limit it only says so"
        )


async def _written(client: RedisClient, key: str) -> AsyncIterator[Finding]:
    await client.set(key, b"", ex=1)
    yield Finding("TOCSIN_REDIS_URL", True, "can be written")
    (seconds, micro), *_ = await on_every_master(client, "TIME")
    apart = time.time() - seconds - micro / 1e6
    if abs(apart) > CLOCKS_APART:
        yield Finding("clock", False, f"this machine and Redis are {apart:+.0f} s apart: set both by NTP")


async def _names() -> AsyncIterator[Finding]:
    """Look up the names of our own settings; those of feeds are looked up when they are asked."""
    for setting, host in _named_hosts():
        try:
            async with asyncio.timeout(SECONDS):
                await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
            yield Finding("DNS", True, f"{host} of {setting} is known")
        except (OSError, TimeoutError, UnicodeError):
            yield Finding(
                "DNS", False, f"{host} of {setting} is not known; is it spelt right, does DNS answer here?"
            )


def _named_hosts() -> list[tuple[str, str]]:
    api, notify = readable(ApiSettings), readable(NotifySettings)
    addresses = [("TOCSIN_PUBLIC_URL", api.public_url), ("TOCSIN_WEBSUB_HUB", api.websub_hub)]
    if notify.smtp_url:
        addresses.append(("TOCSIN_SMTP_URL", notify.smtp_url.get_secret_value()))
    hosts = [(setting, urlsplit(address).hostname) for setting, address in addresses]
    return [(setting, host) for setting, host in hosts if host]


async def _feeds() -> AsyncIterator[Finding]:
    from services.ingest.adapters.feed_list import FeedFileError, read_feed_list
    from services.ingest.adapters.fetcher import FetchError
    from services.ingest.adapters.one_feed import fetcher_of
    from services.ingest.core.feed import Feed

    settings = readable(IngestSettings)
    try:
        feeds = [feed for feed in read_feed_list(settings.feeds_file) if feed.enabled]
    except FeedFileError:
        return
    if not feeds:
        return
    slots = asyncio.Semaphore(FEEDS_AT_ONCE)

    async def failure_of(feed: Feed) -> str | None:
        async with slots:
            try:
                await fetcher.fetch(feed)
            except FetchError as e:
                return e.reason
        return None

    # The fetcher's own patience does not count the wait for a turn at a host that has many feeds.
    patience = settings.model_copy(update={"fetch_timeout": SECONDS})
    async with fetcher_of(patience, settings.feeds_file.parent) as fetcher:
        reasons = await asyncio.gather(*map(failure_of, feeds))
    answers = list(zip(feeds, reasons, strict=True))
    failures = [(feed, reason) for feed, reason in answers if reason]
    # One may be down; where not one of those on the network answers, it is this machine.
    away = [reason for feed, reason in answers if not feed.is_file]
    good = None in (away or reasons)
    yield Finding("feeds", good, f"{len(feeds) - len(failures)} of {len(feeds)} answer")
    for feed, reason in failures[:FEEDS_NAMED]:
        yield Finding("feeds", None, f"{feed.name}: {reason}")
    if len(failures) > FEEDS_NAMED:
        yield Finding("feeds", None, f"and {len(failures) - FEEDS_NAMED} more")


async def _mail() -> AsyncIterator[Finding]:
    from services.notify.channels.email import SmtpChannel
    from services.notify.core.channel import DeliveryError

    settings = readable(NotifySettings)
    if settings.smtp_url is None:
        folder = (settings.data_dir / "outbox").absolute()
        yield Finding("TOCSIN_SMTP_URL", None, f"not set: mails are written to {folder} instead of sent")
        return
    url, in_clear = settings.smtp_url.get_secret_value(), settings.smtp_password_in_clear
    try:
        await SmtpChannel(url, timeout=SECONDS, password_in_clear=in_clear).greet()
        yield Finding(
            "TOCSIN_SMTP_URL", True, "the mail server answers" + (" and lets us in" if "@" in url else "")
        )
    except DeliveryError as e:
        yield Finding("TOCSIN_SMTP_URL", False, str(e))
    if settings.public_url.startswith(("http://127.", "http://localhost")):
        yield Finding(
            "TOCSIN_PUBLIC_URL", None, "links in mails lead to this machine only; set it to your address"
        )


async def _webhook(url: str | None) -> AsyncIterator[Finding]:
    from services.notify.channels.webhook import WebhookChannel
    from services.notify.core.channel import DeliveryError, WebhookMessage
    from shared.address_guard import AddressGuard
    from shared.endpoints import WebhookEndpoint

    settings = readable(NotifySettings)
    if proxies := [name for name in os.environ if name.lower() in _PROXIES]:
        detail = f"{', '.join(sorted(proxies))}: not used; feeds and webhooks go out directly"
        yield Finding("proxy", None, detail)
    if url is None:
        yield Finding("webhook", None, "not tried: `tocsin check --webhook URL` posts a test to one of yours")
        return
    body = b'{"type":"tocsin.check","data":{}}'
    try:
        endpoint = WebhookEndpoint(type="webhook", url=url)
        async with WebhookChannel(
            AddressGuard(settings.allow_hosts), lambda: datetime.now(UTC), deadline=SECONDS
        ) as out:
            sent = await out.send(WebhookMessage(id="check", body=body, secrets=()), endpoint)
        yield Finding("webhook", True, f"answered {sent.status}")
    except (DeliveryError, ValueError) as e:
        yield Finding("webhook", False, str(e).splitlines()[0])
