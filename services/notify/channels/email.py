"""Hands mail to a relay by SMTP, or, where there is none, writes it to a folder."""

import asyncio
import os
import re
import ssl
from pathlib import Path

import aiosmtplib

from services.notify.channels.smtp_pool import Relay, RelayURLError, SmtpPool
from services.notify.core.channel import DeliveryError, MailMessage, Sent, one_line
from shared.endpoints import EmailEndpoint

TIMEOUT_SECONDS = 20.0
ACCEPTED = 250
TOO_BIG = 552

# No such mailbox or domain, moved away, takes no mail at all (RFC 3463, 3.2; RFC 7505). Not 5.2.1: some say that of one
# that gets too many at once.
_NO_SUCH_ADDRESS = re.compile(r"5\.1\.([12346]|10)\b")
# The relay is closing, or lets nobody in for now; its own state, or that of its network (RFC 3463, 3.4 and 3.5).
_RELAY_CODES = (421, 454)
_RELAY_STATE = re.compile(r"4\.[34]\.\d")
_UNSAFE_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")

__all__ = ["OutboxChannel", "Relay", "RelayURLError", "SmtpChannel"]


class SmtpChannel:
    """Carries a mail to a relay, over connections that are kept."""

    def __init__(
        self, url: str, *, timeout: float = TIMEOUT_SECONDS, password_in_clear: bool = False
    ) -> None:
        self._pool = SmtpPool(Relay.of(url), timeout, password_in_clear=password_in_clear)

    async def send(self, message: MailMessage, endpoint: EmailEndpoint) -> Sent:
        """Return when the relay has taken the mail; raise DeliveryError otherwise.

        Final is only what the relay says for good of this recipient or this mail; a recipient that there is not is
        gone. A sender or a password that it refuses is for the operator to mend, so the mail is tried again.
        """
        options = () if endpoint.address.isascii() else ("SMTPUTF8", "BODY=8BITMIME")
        try:
            answer = await self._pool.send(message.content, message.sender, endpoint.address, options)
        except (aiosmtplib.SMTPException, OSError, ValueError) as e:
            raise _delivery_error(e) from e
        return Sent(ACCEPTED, one_line(answer))

    async def greet(self) -> None:
        """Connect to the relay and log in, as for a mail; raise DeliveryError if that fails."""
        try:
            await self._pool.greet()
        except (aiosmtplib.SMTPException, OSError, ValueError) as e:
            raise _delivery_error(e) from e

    async def close(self) -> None:
        """Close the kept connections."""
        await self._pool.close()


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
            await asyncio.to_thread(_write_whole, path, message.content)
        except OSError as e:
            raise DeliveryError(f"cannot write {path}: {e.strerror}") from e
        return Sent(None, f"written to {path} instead of sent to {endpoint.address}")


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_bytes(content)
    os.replace(draft, path)


def _delivery_error(error: Exception) -> DeliveryError:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        words = one_line(error.message)
        about_this_mail = _is_about_this_mail(error, words)
        is_gone = isinstance(error, aiosmtplib.SMTPRecipientRefused) and _NO_SUCH_ADDRESS.match(words)
        return DeliveryError(
            f"the mail server answered {error.code}: {words}",
            permanent=about_this_mail and error.code >= 500,
            status=error.code,
            only_this=about_this_mail,
            gone=bool(is_gone) and error.code >= 500,
        )
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return DeliveryError(
            "the mail server does not take addresses with such letters", permanent=True, only_this=True
        )
    if isinstance(error, TimeoutError):
        return DeliveryError("the mail server did not answer in time")
    if isinstance(error, ssl.SSLError):
        return DeliveryError(
            f"no secure connection to the mail server: {one_line(error.reason or str(error))}"
        )
    return DeliveryError(f"cannot hand the mail over: {one_line(str(error))}")


def _is_about_this_mail(error: aiosmtplib.SMTPResponseException, words: str) -> bool:
    """Whether another mail may well be taken, and not the relay is in trouble."""
    if isinstance(error, aiosmtplib.SMTPSenderRefused):
        return error.code == TOO_BIG
    if not isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError):
        return False
    return error.code not in _RELAY_CODES and not _RELAY_STATE.match(words)
