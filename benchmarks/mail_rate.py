"""Mails a second, from ready mails to a raw SMTP sink, against bare aiosmtplib with as many kept connections."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage

import aiosmtplib
import uvloop

from benchmarks.material import make_report
from services.notify.channels.email import SmtpChannel
from services.notify.channels.mail_templates import load_templates
from services.notify.core.channel import MailMessage
from services.notify.core.mail import build_mail
from shared.events import Story, TaggedReport
from shared.redis_server import free_port
from shared.subscriptions import EmailEndpoint, Filter, Links, Matched, Subscription

MAILS, CONNECTIONS = 3_000, 20
ADDRESS = "duty@example.org"


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
        while not _listens(port):
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ready_mail() -> EmailMessage:
    """A mail as a subscriber gets it."""
    now = datetime.now(UTC)
    report = make_report(1, now)
    channel = EmailEndpoint(type="email", address=ADDRESS)
    wish = {"filter": Filter(query="families"), "channel": channel, "created_at": now, "changed_at": now}
    subscription = Subscription(id="sub_bench", token_hash="", **wish)
    tagged = TaggedReport(report=report, story=Story(id=report.id, position=1, sources=1), rulebook="b")
    return build_mail(
        "report",
        subscription,
        tagged,
        Matched((), ()),
        links=Links("https://alerts.example", b"k"),
        mail_from="Tocsin <tocsin@example.net>",
        message_id="dlv_1",
        date=now,
        templates=load_templates(),
    )


async def ours(port: int, mail: EmailMessage) -> float:
    """Return mails a second of the channel, each mail serialised when it is sent."""
    channel, left = SmtpChannel(f"smtp://127.0.0.1:{port}"), MAILS
    endpoint = EmailEndpoint(type="email", address=ADDRESS)

    async def send() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await channel.send(MailMessage("dlv_1", mail), endpoint)

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
                await smtp.sendmail("tocsin@example.net", [ADDRESS], content)

    started = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return MAILS / (time.perf_counter() - started)


def measure() -> tuple[str, float, float]:
    """Return what was measured, ours and the yardstick's rate."""
    mail = ready_mail()
    with mail_sink() as port:
        yardstick = uvloop.run(bare(port, mail.as_bytes()))
        return "mails / bare aiosmtplib", uvloop.run(ours(port, mail)), yardstick


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
