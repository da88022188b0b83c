"""Connections to a mail relay that are kept for the next mail, made and broken off by its rules."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import aiosmtplib

KEPT_SECONDS = 30.0
TAKING_SECONDS = 120.0
RESET_SECONDS = 2.0
CLOSING = 421
MAILS_EACH = 100
PORTS = {"smtp": 25, "smtps": 465}


class RelayURLError(ValueError):
    """TOCSIN_SMTP_URL cannot be read. The message says what would be right, and never holds the URL."""


class PasswordInClear(aiosmtplib.SMTPException):
    """The relay offers no encryption, and a password was about to be sent to it."""


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
        if parts.scheme not in PORTS or not parts.hostname:
            raise RelayURLError("the mail server's URL is like smtp://user:password@host:587 or smtps://host")
        username = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.hostname, port or PORTS[parts.scheme], parts.scheme == "smtps", username, password)


@dataclass(slots=True)
class _Line:
    smtp: aiosmtplib.SMTP
    used_at: float
    mails: int = 0


class SmtpPool:
    """Sends over kept connections; as many are open as mails are under way.

    TLS from the start with smtps, STARTTLS if the relay offers it with smtp; with a password it must, and must prove
    who it is, unless `password_in_clear`.
    """

    def __init__(self, relay: Relay, timeout: float, *, password_in_clear: bool = False) -> None:
        self._relay, self._timeout, self._password_in_clear = relay, timeout, password_in_clear
        self._idle: list[_Line] = []
        # Making one for each connection reads the list of authorities each time.
        self._trust = ssl.create_default_context() if relay.implicit_tls or relay.password else None

    async def send(self, mail: bytes, sender: str, recipient: str, options: Sequence[str]) -> str:
        """Return the relay's answer; raise what aiosmtplib does, or TimeoutError.

        A kept connection that the relay has closed meanwhile, or takes no more mails by, is replaced: nothing of the
        mail was given away until then.
        """
        async with asyncio.timeout(self._timeout):
            line = self._kept() or await self._connect()
            try:
                await self._address(line, len(mail), sender, recipient, options)
            except (
                aiosmtplib.SMTPServerDisconnected,
                aiosmtplib.SMTPSenderRefused,
                aiosmtplib.SMTPRecipientRefused,
                ConnectionError,
            ) as e:
                is_answer = isinstance(e, aiosmtplib.SMTPRecipientRefused) and e.code != CLOSING
                if is_answer or not line.mails:
                    raise
                line = await self._connect()
                await self._address(line, len(mail), sender, recipient, options)
        try:
            # Once it is given away, to give up would be to send it again (RFC 5321, 4.5.3.2.6).
            async with asyncio.timeout(self._timeout + TAKING_SECONDS):
                _, answer = await line.smtp.data(mail, timeout=None)
        except aiosmtplib.SMTPDataError as e:
            self._part_or_keep(line, e)
            raise
        except BaseException:
            line.smtp.close()
            raise
        self._keep(line)
        return answer

    async def greet(self) -> None:
        """Connect as for a mail, and part; raise what aiosmtplib does, or TimeoutError."""
        async with asyncio.timeout(self._timeout):
            self._keep(await self._connect())
        await self.close()

    async def close(self) -> None:
        """Say goodbye on every connection."""
        while self._idle:
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await self._idle.pop().smtp.quit()

    async def _address(
        self, line: _Line, size: int, sender: str, recipient: str, options: Sequence[str]
    ) -> None:
        smtp, encoding = line.smtp, "utf-8" if "SMTPUTF8" in options else "ascii"
        try:
            if "SMTPUTF8" in options and not smtp.supports_extension("smtputf8"):
                raise aiosmtplib.SMTPNotSupported("SMTPUTF8 is not supported by this server")
            announced = [f"SIZE={size}"] if smtp.supports_extension("size") else []
            await smtp.mail(sender, options=[*announced, *options], encoding=encoding)
            await smtp.rcpt(recipient, encoding=encoding)
        except aiosmtplib.SMTPRecipientRefused as e:
            await self._reset(line)
            self._part_or_keep(line, e)
            raise
        except BaseException:
            smtp.close()
            raise

    async def _reset(self, line: _Line) -> None:
        try:
            async with asyncio.timeout(RESET_SECONDS):
                await line.smtp.rset()
        except (aiosmtplib.SMTPException, OSError):
            # The relay has said what it says of this mail.
            line.smtp.close()
        except BaseException:
            line.smtp.close()
            raise

    def _part_or_keep(self, line: _Line, refusal: aiosmtplib.SMTPResponseException) -> None:
        if refusal.code == CLOSING:
            line.smtp.close()
        elif line.smtp.is_connected:
            # It answered, so the connection is well.
            self._keep(line)

    async def _connect(self) -> _Line:
        relay = self._relay
        smtp = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            use_tls=relay.implicit_tls,
            start_tls=True if self._must_encrypt() else None,
            tls_context=self._trust,
            # Encryption that nobody asked for may be unproven.
            validate_certs=self._trust is not None,
            timeout=self._timeout,
        )
        try:
            await smtp.connect()
            # What it can do is asked before a mail is begun; some know only the older greeting.
            if smtp.is_ehlo_or_helo_needed:
                with suppress(aiosmtplib.SMTPHeloError):
                    await smtp.ehlo()
            if smtp.is_ehlo_or_helo_needed:
                await smtp.helo()
            if relay.username is not None and relay.password is not None:
                await smtp.login(relay.username, relay.password)
        except BaseException as e:
            smtp.close()
            if isinstance(e, aiosmtplib.SMTPException) and "STARTTLS extension not supported" in str(e):
                raise PasswordInClear("it offers no encryption, and the password is not sent in clear") from e
            raise
        return _Line(smtp, time.monotonic())

    def _must_encrypt(self) -> bool:
        relay = self._relay
        return bool(relay.password) and not relay.implicit_tls and not self._password_in_clear

    def _kept(self) -> _Line | None:
        now = time.monotonic()
        while self._idle:
            line = self._idle.pop()
            if line.smtp.is_connected and now - line.used_at < KEPT_SECONDS and line.mails < MAILS_EACH:
                return line
            line.smtp.close()
        return None

    def _keep(self, line: _Line) -> None:
        line.used_at, line.mails = time.monotonic(), line.mails + 1
        self._idle.append(line)
