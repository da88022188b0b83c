"""Hands mail to a relay by SMTP, or, where there is none, writes it to a folder."""

import asyncio
import os
import re
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib

from services.notify.core.channel import DeliveryError, MailMessage, Sent, one_line
from shared.subscriptions import EmailEndpoint

TIMEOUT_SECONDS = 20.0
ACCEPTED = 250

_PORTS = {"smtp": 25, "smtps": 465}
_UNSAFE_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


class RelayURLError(ValueError):
    """TOCSIN_SMTP_URL cannot be read. The message says what would be right, and never holds the URL."""


@dataclass(frozen=True, slots=True)
class Relay:
    """The mail server that takes our mail."""

    host: str
    port: int
    implicit_tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> "Relay":
        """Read `smtp://user:pass@host:port` or `smtps://…`; raise RelayURLError."""
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError as e:
            raise RelayURLError("the mail server's URL cannot be read; is its port a number?") from e
        if parts.scheme not in _PORTS or not parts.hostname:
            raise RelayURLError("the mail server's URL is like smtp://user:password@host:587 or smtps://host")
        username = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "smtps", username, password)


class SmtpChannel:
    """Carries a mail to a relay: TLS from the start with smtps, STARTTLS if the relay offers it with smtp."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._relay = Relay.of(url)
        self._timeout = timeout

    async def send(self, message: MailMessage, endpoint: EmailEndpoint) -> Sent:
        """Return when the relay has taken the mail; raise DeliveryError otherwise.

        Final is only what the relay says for good of this recipient or this mail. A sender or a password that
        it refuses is for the operator to mend, so the mail is tried again.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(message.mail, endpoint.address)
        except (aiosmtplib.SMTPException, OSError, ValueError) as e:
            raise _delivery_error(e, self._timeout) from e

    async def _send(self, mail: EmailMessage, address: str) -> Sent:
        relay = self._relay
        _, answer = await aiosmtplib.send(
            mail.as_bytes(),
            sender=parseaddr(str(mail["From"]))[1],
            recipients=[address],
            hostname=relay.host,
            port=relay.port,
            username=relay.username,
            password=relay.password,
            use_tls=relay.implicit_tls,
            # Encryption that nobody asked for may be unproven; a password wants a server that proves itself.
            validate_certs=relay.implicit_tls or relay.password is not None,
            timeout=self._timeout,
        )
        return Sent(ACCEPTED, one_line(answer))


class OutboxChannel:
    """Writes each mail to a folder as `<delivery id>.eml`: for installations without a mail server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path_of(self, message_id: str) -> Path:
        """Return where the mail with this id is written. The name never leaves the folder."""
        return self._folder / f"{_UNSAFE_IN_NAMES.sub('_', message_id)[:100] or '_'}.eml"

    async def send(self, message: MailMessage, endpoint: EmailEndpoint) -> Sent:
        """Return when the file is there, whole; raise DeliveryError if it cannot be written."""
        path = self.path_of(message.id)
        try:
            await asyncio.to_thread(_write_whole, path, message.mail.as_bytes())
        except OSError as e:
            raise DeliveryError(f"cannot write {path}: {e.strerror}") from e
        return Sent(None, f"written to {path} instead of sent to {endpoint.address}")


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_bytes(content)
    os.replace(draft, path)


def _delivery_error(error: Exception, timeout: float) -> DeliveryError:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPResponseException):
        about_this_mail = isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
        reason = f"the mail server answered {error.code}: {one_line(error.message)}"
        return DeliveryError(reason, permanent=about_this_mail and error.code >= 500, status=error.code)
    if isinstance(error, TimeoutError):
        return DeliveryError(f"the mail server took longer than {timeout:g} s")
    if isinstance(error, ssl.SSLError):
        return DeliveryError(
            f"no secure connection to the mail server: {one_line(error.reason or str(error))}"
        )
    return DeliveryError(f"cannot hand the mail over: {one_line(str(error))}")
