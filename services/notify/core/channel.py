"""What a channel is given, what it gives back and how it fails. The callers never look at status codes."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from shared.endpoints import ChatEndpoint, EmailEndpoint, WebhookEndpoint

Message = TypeVar("Message", contravariant=True)
Endpoint = TypeVar("Endpoint", contravariant=True)


# Thousands are made in a second; a frozen one takes three times as long.
@dataclass(slots=True)
class WebhookMessage:
    """A body to post. `id` is the same at every attempt; `secrets` sign it, the newest first."""

    id: str
    body: bytes
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class MailMessage:
    """A mail that is ready to go, and who sends it. `id` is the delivery's."""

    id: str
    content: bytes
    sender: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """What is told: a headline, some lines, and where to read on. `id` is the delivery's."""

    id: str
    title: str
    lines: tuple[str, ...]
    link: str


class Sent(NamedTuple):
    """How a delivery went well: the receiver's status, a line for the log, and whether it wants no more."""

    status: int | None
    detail: str
    enough: bool = False


class DeliveryError(Exception):
    """An attempt failed; the message says why, for the subscriber's log.

    permanent: no use in trying again. gone: the endpoint wants nothing any more. overloaded: it has too much to do.
    status: what the receiver answered, if it did. retry_after: seconds that it asked for.
    only_this: the way is open, and only this message was not taken. unwanted: the receiver wants this one never.
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        status: int | None = None,
        retry_after: float | None = None,
        gone: bool = False,
        overloaded: bool = False,
        only_this: bool = False,
        unwanted: bool = False,
    ) -> None:
        super().__init__(reason)
        self.permanent = permanent or gone or unwanted
        self.status = status
        self.retry_after = retry_after
        self.gone = gone
        self.overloaded = overloaded
        self.only_this = only_this or unwanted
        self.unwanted = unwanted


class Channel(Protocol[Message, Endpoint]):
    """Carries one message to one endpoint."""

    async def send(self, message: Message, endpoint: Endpoint) -> Sent:
        """Return when delivered; raise DeliveryError otherwise."""


ChatSender = Channel[ChatMessage, ChatEndpoint]
WebhookSender = Channel[WebhookMessage, WebhookEndpoint]
MailSender = Channel[MailMessage, EmailEndpoint]


def one_line(text: str, limit: int = 200) -> str:
    """Return a receiver's words as one line, safe in a log: no control characters, at most `limit` long."""
    printable = "".join(character if character.isprintable() else " " for character in text[: 4 * limit])
    line = " ".join(printable.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
