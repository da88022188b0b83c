"""What the value of a setting may look like, in words for whoever typed it. No message holds the value."""

import re
from collections.abc import Callable
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

Network = IPv4Network | IPv6Network

_SCHEME = re.compile(r"([a-z][a-z0-9+]{0,15})://")


def shape_of(value: object) -> str:
    """Return what a value looks like without saying it: "a number", "12 characters"."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if len(text.splitlines()) > 1:
        return f"{len(text.splitlines())} lines"
    if re.fullmatch(r"[+-]?\d+(\.\d+)?", text):
        return "a number"
    if found := _SCHEME.match(text):
        return f"an address that begins with {found[1]}://"
    return f"{len(text)} characters" if text else "empty"


def _address(text: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    wanted = f"must be an address like {example}"
    if not text.isprintable() or " " in text:
        raise ValueError(f"{wanted}, without spaces and line breaks")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as e:
        raise ValueError(f"{wanted}; its host or port cannot be read") from e
    if parts.scheme not in schemes:
        raise ValueError(f"{wanted}; it begins with {' or '.join(f'{each}://' for each in schemes)}")
    if not parts.hostname or port == 0:
        raise ValueError(f"{wanted}; it names a host, and a port from 1 to 65535 if any")
    return parts


def _redis_url(value: SecretStr) -> SecretStr:
    from shared.redis_client import read_url  # Whoever has no Redis does without its client.

    text = value.get_secret_value()
    if text.startswith("unix://"):
        return value
    if text.partition("://")[0].partition("+")[2]:
        read_url(text)
        return value
    parts = _address(text, ("redis", "rediss"), "redis://host:6379/0")
    if parts.path.strip("/") and not parts.path.strip("/").isdigit():
        raise ValueError("must end in the number of a database, e.g. redis://host:6379/0")
    return value


def _smtp_url(value: SecretStr) -> SecretStr:
    parts = _address(value.get_secret_value(), ("smtp", "smtps"), "smtp://user:password@host:587")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("must have both a user and a password, or neither; write @ in them as %40")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "must end with the host and port; write /, ? and # in a password as %2F, %3F and %23"
        )
    return value


def web_address(text: str) -> str:
    """Return an http(s) address of a site, without the slash at its end; raise ValueError."""
    parts = _address(text, ("http", "https"), "https://alerts.example.org")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("must be an address like https://alerts.example.org, with no user, ? or #")
    return text.rstrip("/")


def _sender(text: str) -> str:
    address = parseaddr(text)[1]
    name, _, host = address.rpartition("@")
    if not text.isprintable() or not name or not host or " " in address:
        raise ValueError("must be a mail address, e.g. Tocsin <alerts@example.org>")
    return text


def _token(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable():
        raise ValueError("must be one line of ASCII: it is sent in a header")
    return value


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}|\{[A-Za-z0-9_.-]{1,60}\}[A-Za-z0-9_.:-]{0,60}", text):
        raise ValueError("must be letters, digits and . _ - :, e.g. tocsin: (for Redis Cluster {tocsin}:)")
    return text


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_network(part.strip()) for part in value.split(",") if part.strip())


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as e:
        raise ValueError("must be networks with commas between, e.g. 10.1.0.0/16,127.0.0.0/8") from e


def _proxies(text: str) -> str:
    if text != "*":
        _networks(text)
    return text


def _optional(check: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: check(text) if text else text


RedisURL = Annotated[SecretStr, AfterValidator(_redis_url)]
SmtpURL = Annotated[SecretStr, AfterValidator(_smtp_url)]
WebAddress = Annotated[str, AfterValidator(_optional(web_address))]
"""Empty where it may be left out."""
Sender = Annotated[str, AfterValidator(_sender)]
Token = Annotated[SecretStr, AfterValidator(_token)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
Proxies = Annotated[str, AfterValidator(_proxies)]
