"""Where messages go: a webhook, a mail address, a chat room. Pure."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared.webhook_keys import Scheme

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,60}")
# What we write ourselves, and what belongs to the connection rather than the message (RFC 9110, 7.6.1).
_OUR_HEADERS = {
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "expect",
    "cookie",
    "connection",
    "keep-alive",
}
_OUR_HEADERS |= {"te", "trailer", "transfer-encoding", "upgrade"}
_OUR_PREFIXES = ("webhook-", "content-", "proxy-")


class Strict(BaseModel):
    """What somebody outside writes: what is not known in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class WebhookEndpoint(Strict):
    """An address that is sent a signed POST."""

    type: Literal["webhook"]
    url: str = Field(max_length=2048, examples=["https://example.org/tocsin"])
    headers: dict[str, str] = Field(
        default={}, max_length=10, description="Sent with each post, e.g. an Authorization; shown to nobody."
    )
    signature: Scheme = Field(
        default="v1",
        description="v1: HMAC-SHA256 with a shared secret. v1a: ed25519, verified with a public key.",
    )

    @field_validator("headers")
    @classmethod
    def _allowed(cls, value: dict[str, str]) -> dict[str, str]:
        for name, content in value.items():
            ours = name.lower() in _OUR_HEADERS or name.lower().startswith(_OUR_PREFIXES)
            if ours or not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name[:60]!r} is no header that may be added")
            if len(content) > 1000 or not content.isprintable():
                raise ValueError(f"the header {name[:60]!r} holds a line break or more than 1000 characters")
        return value


class EmailEndpoint(Strict):
    """A mail address."""

    type: Literal["email"]
    address: str = Field(max_length=254, examples=["duty@example.org"])


ChatService = Literal["slack", "msteams", "discord", "telegram", "matrix", "ntfy", "mattermost", "rocketchat"]
# Those that run on hosts of their own are told apart by them; the others on any public host.
CHAT_HOSTS: Mapping[str, tuple[str, ...]] = {
    "slack": ("hooks.slack.com", "hooks.slack-gov.com"),
    "msteams": (".webhook.office.com", ".logic.azure.com", ".api.powerplatform.com"),
    "discord": ("discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"),
    "telegram": ("api.telegram.org",),
}
_NEEDS_ROOM = ("telegram", "matrix")
# Whoever knows the rest of their addresses can write there.
_SECRET_PATHS = ("slack", "msteams", "discord", "mattermost", "rocketchat")
KEPT = "…"
"""What stands for a secret that is kept and shown to nobody."""


class ChatEndpoint(Strict):
    """A chat service's incoming webhook, or a room of it."""

    type: Literal["chat"]
    service: ChatService
    url: str = Field(
        default="https://api.telegram.org",
        max_length=2048,
        description="Its incoming webhook; for matrix the homeserver, for ntfy the topic's address.",
    )
    token: str = Field(
        default="", max_length=500, description="telegram: of the bot; matrix, ntfy: for access."
    )
    room: str = Field(default="", max_length=300, description="telegram: the chat's id; matrix: the room's.")

    @model_validator(mode="after")
    def _complete(self) -> "ChatEndpoint":
        parts = urlsplit(self.url)
        host, hosts = (parts.hostname or "").lower(), CHAT_HOSTS.get(self.service)
        if hosts and not (parts.scheme == "https" and any(_is_of(host, each) for each in hosts)):
            raise ValueError(f"a {self.service} address begins with https:// and is at {' or '.join(hosts)}")
        if self.service in _NEEDS_ROOM and not (self.token and self.room):
            raise ValueError(f"{self.service} needs a token and a room")
        if not self.token.isprintable() or not self.room.isprintable():
            raise ValueError("the token or the room holds a line break")
        return self


def _is_of(host: str, allowed: str) -> bool:
    return host.endswith(allowed) if allowed.startswith(".") else host == allowed


MAIL = "mail"
Endpoint = Annotated[WebhookEndpoint | EmailEndpoint | ChatEndpoint, Field(discriminator="type")]


def turn_of(endpoint: Endpoint) -> str:
    """Return what those share who wait for each other: where it goes; for all mails the relay."""
    if isinstance(endpoint, WebhookEndpoint):
        return endpoint.url
    if isinstance(endpoint, ChatEndpoint):
        return f"{endpoint.url} {endpoint.token} {endpoint.room}"
    return MAIL


def is_same(one: Endpoint, other: Endpoint) -> bool:
    """Return whether both lead to one place: a mailbox is the same in capitals."""
    if isinstance(one, EmailEndpoint) and isinstance(other, EmailEndpoint):
        return one.address.casefold() == other.address.casefold()
    return one == other


def shown(endpoint: Endpoint) -> dict[str, Any]:
    """Return the endpoint as its owner sees it: of headers only the names, nothing that lets one write to a chat."""
    view = endpoint.model_dump(mode="json")
    if isinstance(endpoint, WebhookEndpoint):
        view["headers"] = dict.fromkeys(endpoint.headers, KEPT)
    if isinstance(endpoint, ChatEndpoint):
        view["token"] = KEPT if endpoint.token else ""
        if endpoint.service in _SECRET_PATHS:
            view["url"] = f"{urlsplit(endpoint.url).scheme}://{urlsplit(endpoint.url).netloc}/{KEPT}"
    return view


def address_of(endpoint: Endpoint) -> str:
    """Return where it goes: the mail address, or the URL."""
    return endpoint.address if isinstance(endpoint, EmailEndpoint) else endpoint.url
