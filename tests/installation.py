"""A whole Tocsin: four real processes, a real Redis, and servers for feeds, mail and webhooks around them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import aiohttp
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from shared import redis_server
from shared.redis_server import free_port
from tests.processes import FeedServer, Services, WebhookSink, until, write_feeds


class Mailbox:
    """An SMTP server's memory."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        mail = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"

    def about(self, words: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if words in str(mail["subject"])]


@dataclass
class Installation:
    """A running Tocsin and what is around it."""

    services: Services
    feeds: FeedServer
    sink: WebhookSink
    mailbox: Mailbox
    api: str
    redis_port: int


@asynccontextmanager
async def installed(folder: Path, feeds_listed: int = 1) -> AsyncIterator[Installation]:
    """Four services as processes in this folder, with a Redis and the servers of their world; ended at the end."""
    redis = redis_server.start(folder / "redis")
    feeds, sink, mailbox = FeedServer(), WebhookSink(), Mailbox()
    smtp = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    smtp.start()
    await feeds.start()
    await sink.start()
    write_feeds(folder / "feeds.toml", [feeds.url(number) for number in range(feeds_listed)])
    port = free_port()
    environment = {
        "TOCSIN_REDIS_URL": redis.url,
        "TOCSIN_HTTP_PORT": str(port),
        "TOCSIN_ALLOW_HOSTS": "127.0.0.0/8",
        "TOCSIN_POLL_INTERVAL_MIN": "0.5",
        "TOCSIN_SMTP_URL": f"smtp://127.0.0.1:{smtp.port}",
        "TOCSIN_MAILS_PER_HOUR": "1000",
        "TOCSIN_MAIL_FROM": "Tocsin <alerts@tocsin.example>",
    }
    services = Services(folder, environment)
    services.start("ingest", "classify", "notify", "api")
    installation = Installation(services, feeds, sink, mailbox, f"http://127.0.0.1:{port}", redis.port)
    try:
        await until(lambda: _ready(installation))
        yield installation
    finally:
        services.end()
        smtp.stop()
        await feeds.stop()
        await sink.stop()
        redis.stop()


async def _ready(tocsin: Installation) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{tocsin.api}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


def links_in(mail: EmailMessage) -> list[str]:
    """Return the addresses in a mail's text, in its order."""
    body = mail.get_body(("plain",))
    assert body is not None
    return re.findall(r"https?://\S+", body.get_content())
