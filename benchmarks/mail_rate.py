"""Mails a second, each written and sent to a raw SMTP sink, against bare aiosmtplib that sends ready bytes over as
many kept connections."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import aiosmtplib
import uvloop

from benchmarks.material import make_report, wait_for
from services.notify.channels.email import SmtpChannel
from services.notify.channels.mail_templates import load_templates
from services.notify.core.channel import MailMessage
from services.notify.core.letter import Letter
from services.notify.core.mail import write_mail
from services.notify.core.mail_words import write_letter
from shared.endpoints import EmailEndpoint
from shared.events import Story, TaggedReport
from shared.links import Links
from shared.redis_server import free_port
from shared.subscriptions import Filter, Matched, Subscription

MAILS, READERS, CONNECTIONS = 4_000, 100, 20
SENDER = "tocsin@example.net"


class Sink(asyncio.Protocol):
    """As little of a mail server as there can be."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._pending, self._in_mail = transport, b"", False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (end := self._pending.find(b"\r\n.\r\n" if self._in_mail else b"\r\n")) >= 0:
            if self._in_mail:
                self._pending, self._in_mail = self._pending[end + 5 :], False
                self._transport.write(b"250 taken\r\n")
                continue
            line, self._pending = self._pending[:end], self._pending[end + 2 :]
            self._in_mail = line.upper() == b"DATA"
            self._transport.write(b"354 go on\r\n" if self._in_mail else b"250 ok\r\n")


async def serve(port: int) -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


@contextmanager
def mail_sink() -> Iterator[int]:
    """The port of a sink in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.mail_rate", str(port)])
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def reader(number: int, now: datetime) -> Subscription:
    """A subscriber, with words of one's own on every mail."""
    channel = EmailEndpoint(type="email", address=f"duty{number}@example.org")
    wish = {"filter": Filter(query="families"), "channel": channel, "created_at": now, "changed_at": now}
    return Subscription(id=f"sub_{number:024x}", name=f"Desk {number}", token_hash="", **wish)


def told_of(number: int, now: datetime) -> tuple[TaggedReport, Matched]:
    """A report, and why it is wanted."""
    report = make_report(number, now)
    tagged = TaggedReport(report=report, story=Story(id=report.id, position=1, sources=1), rulebook="b")
    return tagged, Matched((), ())


class Desk:
    """Writes mails as notify does: a letter for each report, a mail for each reader."""

    def __init__(self) -> None:
        self._now, self._templates = datetime.now(UTC), load_templates()
        self._links = Links("https://alerts.example", b"k" * 32)
        self._letters: dict[int, tuple[TaggedReport, Letter]] = {}
        self.readers = [reader(number, self._now) for number in range(READERS)]

    def mail(self, number: int) -> tuple[MailMessage, EmailEndpoint]:
        """Return one mail, and to whom it goes."""
        about, to = number // READERS, self.readers[number % READERS]
        if about not in self._letters:
            tagged, matched = told_of(about, self._now)
            letter = write_letter("report", to, tagged, matched, links=self._links, templates=self._templates)
            self._letters[about] = tagged, letter
        tagged, letter = self._letters[about]
        content = write_mail(
            letter,
            "report",
            to,
            tagged.story.id,
            links=self._links,
            mail_from=f"Tocsin <{SENDER}>",
            message_id=f"dlv_{number:024x}",
            date=self._now,
        )
        assert isinstance(to.channel, EmailEndpoint)
        return MailMessage(f"dlv_{number:024x}", content, SENDER), to.channel


async def ours(port: int) -> float:
    """Return mails a second, each written and sent."""
    channel, desk, left = SmtpChannel(f"smtp://127.0.0.1:{port}"), Desk(), MAILS

    async def send() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await channel.send(*desk.mail(left))

    # The templates are read once, by the first.
    desk.mail(0)
    started = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    elapsed = time.perf_counter() - started
    await channel.close()
    return MAILS / elapsed


async def bare(port: int, content: bytes) -> float:
    """Return mails a second of aiosmtplib alone, the bytes ready."""
    left = MAILS

    async def send() -> None:
        nonlocal left
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port) as smtp:
            while left > 0:
                left -= 1
                await smtp.sendmail(SENDER, ["duty@example.org"], content)

    started = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return MAILS / (time.perf_counter() - started)


def measure() -> tuple[str, float, float]:
    """Return what was measured, ours and the yardstick's rate."""
    with mail_sink() as port:
        yardstick = uvloop.run(bare(port, Desk().mail(0)[0].content))
        return "mails, written and sent / bare aiosmtplib", uvloop.run(ours(port)), yardstick


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
