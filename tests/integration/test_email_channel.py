"""Mail to a real SMTP server on this machine, and to a folder."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from services.notify.channels.email import OutboxChannel, Relay, RelayURLError, SmtpChannel
from services.notify.core.channel import DeliveryError, MailMessage, Sent
from shared.endpoints import EmailEndpoint
from tests.message_builders import mail_bytes, make_subscription, make_tagged, received
from tests.raw_server import raw_server

SELF_SIGNED = Path(__file__).with_name("self_signed.pem")
ENDPOINT = EmailEndpoint(type="email", address="duty@example.org")


class Postbox:
    """A mail server's mind: keeps what it takes, and refuses what it is told to."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.sessions: list[SMTP] = []
        self.encrypted: list[bool] = []
        self.logins: list[LoginPassword] = []
        self.refuse_recipient = ""
        self.refuse_mail = ""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_recipient:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse_mail:
            return self.refuse_mail
        self.taken.append(envelope)
        self.sessions.append(server)
        self.encrypted.append(session.ssl is not None)
        return "250 queued as 42"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.logins.append(data)
        return AuthResult(success=data == LoginPassword(b"me@x", b"p:w/d"), handled=False)


@asynccontextmanager
async def mail_server(
    postbox: Postbox, tls: ssl.SSLContext | None = None, **options: object
) -> AsyncIterator[int]:
    """Run the server; yields its port. `tls` is spoken from the start."""
    loop = asyncio.get_running_loop()
    protocols: list[SMTP] = []

    def make_protocol() -> SMTP:
        protocols.append(SMTP(postbox, hostname="mail.example", loop=loop, **options))
        return protocols[-1]

    server = await loop.create_server(make_protocol, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for protocol in protocols:
            if protocol.transport:
                protocol.transport.abort()
        await asyncio.sleep(0.01)


@pytest.fixture
def certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SELF_SIGNED)
    return context


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine believes the certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(SELF_SIGNED))


SENDER_ADDRESS = "tocsin@example.net"


def message(delivery_id: str = "dlv_1") -> MailMessage:
    return MailMessage(delivery_id, mail_bytes(make_tagged(title="Автобуси leave Berezivka")), SENDER_ADDRESS)


async def send(url: str, timeout: float = 5) -> Sent:
    channel = SmtpChannel(url, timeout=timeout)
    try:
        return await channel.send(message(), ENDPOINT)
    finally:
        await channel.close()


async def failure(url: str, timeout: float = 5) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await send(url, timeout)
    return caught.value


async def test_a_mail_server_gets_the_mail_as_it_was_written() -> None:
    postbox = Postbox()
    async with mail_server(postbox) as port:
        sent = await send(f"smtp://127.0.0.1:{port}")
    (envelope,) = postbox.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("tocsin@example.net", ["duty@example.org"])
    assert isinstance(envelope.content, bytes)
    mail = received(envelope.content)
    assert mail["Subject"] == "[displacement] Автобуси leave Berezivka"
    assert mail["Message-ID"] == "<dlv_1@example.net>"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert (sent.status, sent.detail) == (250, "queued as 42")


async def test_the_link_to_unsubscribe_survives_the_way() -> None:
    postbox = Postbox()
    async with mail_server(postbox) as port:
        await send(f"smtp://127.0.0.1:{port}")
    assert postbox.taken[0].content == message().content


@pytest.mark.parametrize(
    ("answer", "permanent"), [("550 no such mailbox", True), ("450 come back later", False)]
)
async def test_a_refused_recipient_is_final_if_the_server_says_so(answer: str, permanent: bool) -> None:
    postbox = Postbox()
    postbox.refuse_recipient = answer
    async with mail_server(postbox) as port:
        error = await failure(f"smtp://127.0.0.1:{port}")
    assert str(error) == f"the mail server answered {answer[:3]}: {answer[4:]}"
    assert (error.permanent, error.status) == (permanent, int(answer[:3]))


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        ("550 5.1.1 no such user", True),
        ("550 5.1.10 no mail for this domain", True),
        ("550 5.2.1 receiving mail at a rate that prevents more", False),
        ("550 5.2.2 full", False),
        ("550 5.7.1 not from you", False),
        ("550 5.1.15 who knows", False),
        ("550 no such user", False),
        ("450 5.1.1 strange", False),
    ],
)
async def test_a_recipient_that_there_is_not_is_gone(answer: str, gone: bool) -> None:
    postbox = Postbox()
    postbox.refuse_recipient = answer
    async with mail_server(postbox) as port:
        assert (await failure(f"smtp://127.0.0.1:{port}")).gone is gone


@pytest.mark.parametrize(
    ("answer", "of_this_mail"),
    [
        ("450 4.2.0 greylisted", True),
        ("451 4.7.1 come back later", True),
        ("421 4.7.0 too busy", False),
        ("451 4.3.0 queue file write error", False),
        ("452 4.3.1 insufficient storage", False),
        ("454 Throttling failure: Maximum sending rate exceeded", False),
    ],
)
async def test_a_relay_in_trouble_says_nothing_of_a_mail(answer: str, of_this_mail: bool) -> None:
    for where in ("refuse_recipient", "refuse_mail"):
        postbox = Postbox()
        setattr(postbox, where, answer)
        async with mail_server(postbox) as port:
            error = await failure(f"smtp://127.0.0.1:{port}")
        assert (error.only_this, error.permanent, error.status) == (of_this_mail, False, int(answer[:3]))


class Clerk:
    """A mail server by hand: answers each command as told, and counts."""

    def __init__(self, **answers: str) -> None:
        self.answers = {"EHLO": "250 clerk", "DATA": "354 go on", "QUIT": "221 bye", **answers}
        self.heard: list[str] = []
        self.mails_each = 1000
        self.left = asyncio.Event()
        self.answer_of: dict[str, Callable[[], str]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mails, text = 0, False
        writer.write(b"220 clerk\r\n")
        while raw := await reader.readline():
            line = raw.decode().rstrip("\r\n")
            verb = "." if text and line == "." else "" if text else line[:4].upper()
            text = (text and verb != ".") or verb == "DATA"
            if not verb:
                continue
            self.heard.append(verb)
            mails += verb == "MAIL"
            answer = self.answer_of.get(verb, lambda of=verb: self.answers.get(of, "250 OK"))()
            if verb == "MAIL" and mails > self.mails_each:
                answer = "452 4.5.3 too many messages in this connection"
            if answer == "hang":
                await reader.read()
                self.left.set()
                return
            if answer == "drop":
                writer.close()
                return
            writer.write(answer.encode() + b"\r\n")


@asynccontextmanager
async def channel_to(clerk: Clerk, timeout: float = 5) -> AsyncIterator[SmtpChannel]:
    async with raw_server(clerk.serve) as port:
        channel = SmtpChannel(f"smtp://127.0.0.1:{port}", timeout=timeout)
        yield channel
        await channel.close()


async def test_a_connection_that_takes_no_more_mails_is_replaced_at_once() -> None:
    clerk = Clerk()
    clerk.mails_each = 2
    async with channel_to(clerk) as channel:
        for number in range(6):
            await channel.send(message(f"dlv_{number}"), ENDPOINT)
    assert (clerk.heard.count("."), clerk.heard.count("EHLO")) == (6, 3)


async def test_a_connection_that_closes_before_the_mail_was_given_away_is_replaced() -> None:
    clerk = Clerk()
    async with channel_to(clerk) as channel:
        await channel.send(message(), ENDPOINT)
        refusals = iter(["421 4.3.2 closing", "250 OK"])
        clerk.answer_of["RCPT"] = lambda: next(refusals)
        await channel.send(message("dlv_2"), ENDPOINT)
    assert (clerk.heard.count("."), clerk.heard.count("EHLO")) == (2, 2)


async def test_a_mail_that_may_have_been_taken_is_not_sent_again_at_once() -> None:
    clerk = Clerk()
    async with channel_to(clerk) as channel:
        await channel.send(message(), ENDPOINT)
        clerk.answers["."] = "drop"
        with pytest.raises(DeliveryError):
            await channel.send(message("dlv_2"), ENDPOINT)
    assert clerk.heard.count(".") == 2


async def test_a_relay_may_think_long_about_a_mail_that_it_has() -> None:
    asked = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in ("220 x", "250 x", "250 x", "250 x", "354 x"):
            writer.write(answer.encode() + b"\r\n")
            await reader.readline()
        await reader.readuntil(b"\r\n.\r\n")
        await asked.wait()
        writer.write(b"250 queued\r\n")
        await reader.read()

    async with raw_server(slow) as port:
        sending = asyncio.ensure_future(send(f"smtp://127.0.0.1:{port}", timeout=0.3))
        _, waits = await asyncio.wait([sending], timeout=0.6)
        assert waits, "longer than any other answer may take"
        asked.set()
        assert (await sending).detail == "queued"


async def test_an_answer_stands_though_the_relay_says_nothing_more() -> None:
    clerk = Clerk(RCPT="550 5.1.1 no such user", RSET="hang")
    async with channel_to(clerk, timeout=30) as channel:
        with pytest.raises(DeliveryError) as caught:
            await channel.send(message(), ENDPOINT)
        assert caught.value.gone
        # Nobody could say what the next mail would be told there.
        await asyncio.wait_for(clerk.left.wait(), 10)


async def test_a_relay_that_knows_only_the_older_greeting_is_served() -> None:
    clerk = Clerk(EHLO="502 unknown")
    async with raw_server(clerk.serve) as port:
        await send(f"smtp://127.0.0.1:{port}")
    assert clerk.heard[:2] == ["EHLO", "HELO"]


async def test_a_mail_that_is_too_big_says_nothing_of_the_relay() -> None:
    async with raw_server(Clerk(MAIL="552 5.3.4 too big").serve) as port:
        error = await failure(f"smtp://127.0.0.1:{port}")
    assert (error.permanent, error.only_this, error.gone) == (True, True, False)


@pytest.mark.parametrize(("answer", "permanent"), [("554 looks like spam", True), ("451 disk full", False)])
async def test_a_refused_mail_is_final_if_the_server_says_so(answer: str, permanent: bool) -> None:
    postbox = Postbox()
    postbox.refuse_mail = answer
    async with mail_server(postbox) as port:
        assert (await failure(f"smtp://127.0.0.1:{port}")).permanent is permanent


async def test_starttls_is_used_when_offered(certificate: ssl.SSLContext) -> None:
    postbox = Postbox()
    async with mail_server(postbox, tls_context=certificate) as port:
        await send(f"smtp://127.0.0.1:{port}")
    assert postbox.encrypted == [True]


async def test_smtps_speaks_tls_from_the_start_and_wants_proof(certificate: ssl.SSLContext) -> None:
    postbox = Postbox()
    async with mail_server(postbox, tls=certificate) as port:
        error = await failure(f"smtps://127.0.0.1:{port}")
    assert "certificate" in str(error)
    assert not error.permanent
    assert postbox.taken == []


async def test_smtps_works_with_a_certificate_that_is_trusted(
    certificate: ssl.SSLContext, trusted: None
) -> None:
    postbox = Postbox()
    async with mail_server(postbox, tls=certificate) as port:
        await send(f"smtps://localhost:{port}")
    assert len(postbox.taken) == 1


async def test_a_password_is_not_given_to_a_server_that_proves_nothing(certificate: ssl.SSLContext) -> None:
    postbox = Postbox()
    options = {"tls_context": certificate, "authenticator": postbox.authenticate}
    async with mail_server(postbox, **options) as port:
        await failure(f"smtp://me%40x:p%3Aw%2Fd@localhost:{port}")
    assert postbox.logins == []


async def test_the_password_in_the_url_is_used(certificate: ssl.SSLContext, trusted: None) -> None:
    postbox = Postbox()
    options = {"tls_context": certificate, "authenticator": postbox.authenticate, "auth_required": True}
    async with mail_server(postbox, **options) as port:
        await send(f"smtp://me%40x:p%3Aw%2Fd@localhost:{port}")
    assert len(postbox.taken) == 1


async def test_a_refused_password_is_the_operators_to_mend(
    certificate: ssl.SSLContext, trusted: None
) -> None:
    postbox = Postbox()
    options = {"tls_context": certificate, "authenticator": postbox.authenticate, "auth_required": True}
    async with mail_server(postbox, **options) as port:
        error = await failure(f"smtp://me%40x:hunter2@localhost:{port}")
    assert (error.permanent, error.status) == (False, 535)
    assert "hunter2" not in str(error)


async def test_connections_are_kept_for_the_next_mail_and_replaced_when_the_relay_closed_them() -> None:
    postbox = Postbox()
    async with mail_server(postbox) as port:
        channel = SmtpChannel(f"smtp://127.0.0.1:{port}", timeout=5)
        for number in range(3):
            await channel.send(message(f"dlv_{number}"), ENDPOINT)
        sessions = {id(session) for session in postbox.sessions}
        assert len(sessions) == 1
        postbox.sessions[-1].transport.close()
        await channel.send(message("dlv_9"), ENDPOINT)
        await channel.close()
    assert len(postbox.taken) == 4


async def test_a_password_is_never_sent_in_clear_unless_that_is_set() -> None:
    postbox = Postbox()
    options = {"authenticator": postbox.authenticate, "auth_require_tls": False}
    async with mail_server(postbox, **options) as port:
        error = await failure(f"smtp://me%40x:p%3Aw%2Fd@127.0.0.1:{port}")
        assert "not sent in clear" in str(error)
        assert (postbox.logins, error.permanent) == ([], False)
        channel = SmtpChannel(f"smtp://me%40x:p%3Aw%2Fd@127.0.0.1:{port}", timeout=5, password_in_clear=True)
        await channel.send(message(), ENDPOINT)
        await channel.close()
    assert len(postbox.logins) == 1


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_an_address_of_any_letters_reaches_a_relay_that_takes_them(
    certificate: ssl.SSLContext, trusted: None, scheme: str
) -> None:
    postbox, anywhere = Postbox(), "пошта@xn--e1afmkfd.example"
    mail = MailMessage("dlv_1", mail_bytes(None, "test", make_subscription(anywhere)), SENDER_ADDRESS)
    to = EmailEndpoint(type="email", address=anywhere)
    tls = certificate if scheme == "smtps" else None
    async with mail_server(postbox, tls=tls, enable_SMTPUTF8=True) as port:
        channel = SmtpChannel(f"{scheme}://localhost:{port}", timeout=5)
        await channel.send(mail, to)
        await channel.close()
    assert postbox.taken[0].rcpt_tos == [anywhere]
    async with mail_server(Postbox()) as port:
        channel = SmtpChannel(f"smtp://127.0.0.1:{port}", timeout=5)
        with pytest.raises(DeliveryError, match="such letters") as caught:
            await channel.send(mail, to)
        await channel.close()
    assert caught.value.permanent


async def test_no_mail_server_is_tried_again(unused_tcp_port: int) -> None:
    error = await failure(f"smtp://127.0.0.1:{unused_tcp_port}")
    assert str(error).startswith("cannot hand the mail over")
    assert not error.permanent


async def test_a_mail_server_that_says_nothing_is_left_at_the_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(silent) as port:
        error = await failure(f"smtp://127.0.0.1:{port}", timeout=0.3)
    assert str(error) == "the mail server did not answer in time"


async def test_a_mail_server_that_speaks_something_else_is_tried_again() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        await reader.read()

    async with raw_server(babble) as port:
        assert not (await failure(f"smtp://127.0.0.1:{port}")).permanent


async def test_the_outbox_holds_the_mail_whole(tmp_path: Path) -> None:
    sent = await OutboxChannel(tmp_path / "outbox").send(message(), ENDPOINT)
    (path,) = (tmp_path / "outbox").iterdir()
    assert path.name == "dlv_1.eml"
    assert received(path.read_bytes())["Subject"] == "[displacement] Автобуси leave Berezivka"
    assert str(path) in sent.detail


async def test_a_second_try_writes_the_same_file(tmp_path: Path) -> None:
    channel = OutboxChannel(tmp_path)
    for _ in range(2):
        await channel.send(message(), ENDPOINT)
    assert [path.name for path in tmp_path.iterdir()] == ["dlv_1.eml"]


@pytest.mark.parametrize(
    "delivery_id", ["../../etc/passwd", "/etc/passwd", "..", ".", "", "a\x00b", "a/b\\c", "x" * 900]
)
async def test_no_id_leaves_the_outbox(tmp_path: Path, delivery_id: str) -> None:
    await OutboxChannel(tmp_path / "outbox").send(message(delivery_id), ENDPOINT)
    (path,) = tmp_path.rglob("*.eml")
    assert path.parent == tmp_path / "outbox"


async def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file where the folder should be")
    with pytest.raises(DeliveryError, match="cannot write") as caught:
        await OutboxChannel(tmp_path / "outbox").send(message(), ENDPOINT)
    assert not caught.value.permanent


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("smtp://mail.example", Relay("mail.example", 25, False)),
        ("smtp://u:p%40@mail.example:587", Relay("mail.example", 587, False, "u", "p@")),
        ("smtps://mail.example", Relay("mail.example", 465, True)),
        ("smtp://[::1]:1025", Relay("::1", 1025, False)),
    ],
)
def test_a_mail_servers_url_is_read(url: str, relay: Relay) -> None:
    assert Relay.of(url) == relay


@pytest.mark.parametrize(
    "url", ["", "mail.example", "http://mail.example", "smtp://", "smtp://u:hunter2@h:port", "smtp://[::1"]
)
def test_a_mail_servers_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(RelayURLError) as caught:
        Relay.of(url)
    assert "hunter2" not in str(caught.value)


def test_a_relay_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(Relay.of("smtp://u:hunter2@mail.example"))
