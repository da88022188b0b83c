"""Public addresses only: where feeds and webhooks may connect to.

Two gates. `check_url` refuses what can be seen from the URL alone, with words for whoever typed it.
`AddressGuard.refusal` is asked by `shared.http_client` of the address that is really being connected to, at that
moment: a name that resolves to an inner address, now or after a change in the DNS, gets no further than that.
"""

import re
import socket
import unicodedata
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, urlsplit, urlunsplit

import idna

from shared.public_addresses import Address, Network, is_opened, refusal_of

URL_LIMIT = 2048

# Services that answer to a stray HTTP request with something better left alone.
# fmt: off
_INNER_PORTS = {
    1080, 1433, 1521, 2049, 2181, 2375, 2376, 2379, 2380, 3128, 3306, 3389, 4369,
    5432, 5672, 5900, 5984, 5985, 6000, 6379, 6380, 6443, 6667, 7000, 7001, 8500,
    9042, 9092, 9100, 9200, 9300, 10250, 10255, 11211, 15672, 26379, 27017, 27018, 50070,
}
# fmt: on
_INNER_SUFFIXES = (".local", ".localdomain", ".internal", ".lan", ".home.arpa")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ANY_PORT = 9
# For documentation: no machine has it. Where it can be bound, all addresses can (ip_nonlocal_bind).
_NOBODYS = IPv4Address("192.0.2.1")
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))

_UNSAFE = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_HOST_AND_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_DOTS = str.maketrans("。．｡", "...")
_KEPT_IN_PATHS = "%/:=&?~#+!$,;'@()*[]|"


class ForbiddenURL(ValueError):
    """A URL that is never fetched nor posted to; the message says why, in words for whoever typed it."""


class AddressGuard:
    """Decides which addresses may be connected to: public ones, and the networks opened by name."""

    def __init__(self, allow: Sequence[Network] = ()) -> None:
        self._allow = tuple(allow)

    def check_url(self, url: str) -> str:
        """Return the URL normalised; raise ForbiddenURL. As the function, with this guard's networks."""
        return check_url(url, self._allow)

    def refusal(self, ip: str) -> str | None:
        """Return why this address may not be connected to, in words, or None if it may."""
        try:
            address = ip_address(ip)
        except ValueError:
            return f"{ip[:60]!r} is not an address"
        refusal = refusal_of(address, self._allow)
        if refusal is None and not is_opened(address, self._allow) and _is_own(address):
            return f"{address} is an address of this machine; TOCSIN_ALLOW_HOSTS opens networks"
        return refusal


def _is_own(address: Address) -> bool:
    """Whether this machine has the address: only then can a socket be bound to it, or does the way there begin at it.

    Where any address can be bound, the second alone tells; of a network's second address here only the first does.
    """
    return _begins_at(address) or (_can_bind(address) and not _can_bind(_NOBODYS))


def _begins_at(address: Address) -> bool:
    try:
        with socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
            # Nothing is sent by that.
            probe.connect((str(address), _ANY_PORT))
            return bool(ip_address(probe.getsockname()[0]) == address)
    except OSError:
        return False


def _can_bind(address: Address) -> bool:
    try:
        with socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def check_url(url: str, allow: Sequence[Network] = ()) -> str:
    """Return the URL normalised: lower-case ASCII host, no default port, no fragment; raise ForbiddenURL.

    Hosts given by number are judged in any spelling that some library would accept (2130706433, 0x7f.1,
    full-width digits). Names are not resolved here: `AddressGuard` judges what they lead to.
    """
    if len(url) > URL_LIMIT:
        raise ForbiddenURL(f"the address is longer than {URL_LIMIT} characters")
    if _UNSAFE.search(url):
        raise ForbiddenURL("the address holds a space, a line break or another character that no URL has")
    scheme, netloc, path, query = _split(url)
    host, digits = _host_and_port(netloc)
    written, address = _check_host(host, allow)
    port = _check_port(digits, scheme, free=address is not None and is_opened(address, allow))
    path, query = quote(path or "/", safe=_KEPT_IN_PATHS), quote(query, safe=_KEPT_IN_PATHS)
    normal = urlunsplit((scheme, written + port, path, query, ""))
    if len(normal) > URL_LIMIT:
        raise ForbiddenURL(f"the address is longer than {URL_LIMIT} characters once it is encoded")
    return normal


def _split(url: str) -> tuple[str, str, str, str]:
    try:
        parts = urlsplit(url)
    except ValueError as e:
        raise ForbiddenURL("the part of the address with the host cannot be read") from e
    if parts.scheme not in _DEFAULT_PORTS:
        raise ForbiddenURL("the address must begin with http:// or https://")
    if "@" in parts.netloc:
        raise ForbiddenURL("the address must not hold a user name or a password")
    return parts.scheme, parts.netloc, parts.path, parts.query


def _host_and_port(netloc: str) -> tuple[str, str]:
    found = _HOST_AND_PORT.fullmatch(netloc)
    if not found:
        raise ForbiddenURL("after the host may stand a colon and the number of a port, nothing else")
    host = unicodedata.normalize("NFKC", found[1].translate(_DOTS)).lower().rstrip(".")
    if not host:
        raise ForbiddenURL("the address names no host")
    return host, found[2] or ""


def _check_host(host: str, allow: Sequence[Network]) -> tuple[str, Address | None]:
    """The host as it goes into the URL, and its address if it is given by number, or is localhost."""
    address = _bracketed(host) if host.startswith("[") else _numeric(host)
    if address is None:
        name = _ascii_name(host)
        return name, _check_name(name, allow)
    refusal = refusal_of(address, allow)
    if refusal:
        raise ForbiddenURL(refusal)
    return (f"[{address}]" if address.version == 6 else str(address)), address


def _bracketed(host: str) -> Address:
    """The address in the brackets; as IPv4 what IPv6 maps, which Pythons write in two ways."""
    try:
        if "%" in host:
            raise ValueError("a scope id names an interface of this machine")
        address = IPv6Address(host[1:-1])
        return address.ipv4_mapped or address
    except ValueError as e:
        raise ForbiddenURL("what stands in brackets is not an IPv6 address") from e


def _numeric(host: str) -> Address | None:
    """The address behind 2130706433, 0x7f.1, 017700000001, 127.1; None for a name.

    As inet_aton reads it: up to four parts, octal or hexadecimal by prefix, the last one fills the rest.
    """
    parts = host.split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return None
    try:
        *heads, last = [_number(part) for part in parts]
        if len(parts) > 4 or any(head > 255 for head in heads) or last >= 256 ** (4 - len(heads)):
            raise ValueError("out of range")
    except ValueError as e:
        raise ForbiddenURL(f"{host[:60]!r} looks like an IPv4 address but is none") from e
    return IPv4Address(sum(head << (24 - 8 * place) for place, head in enumerate(heads)) + last)


def _number(part: str) -> int:
    if len(part) > 20 or not _NUMBER.fullmatch(part):
        raise ValueError("not a number")
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8 if len(part) > 1 and part.startswith("0") else 10)


def _ascii_name(host: str) -> str:
    try:
        name = host if host.isascii() else idna.encode(host, uts46=True).decode("ascii").rstrip(".")
    except (idna.IDNAError, UnicodeError) as e:
        raise ForbiddenURL(f"{host[:60]!r} is not the name of a host") from e
    labels = name.split(".")
    if (
        len(name) > 253
        or not all(_LABEL.fullmatch(label) for label in labels)
        or _NUMBER.fullmatch(labels[-1])
    ):
        raise ForbiddenURL(f"{host[:60]!r} is not the name of a host")
    return name


def _check_name(name: str, allow: Sequence[Network]) -> Address | None:
    """None if the name may be tried, the loopback address if it is localhost and that is open."""
    if name == "localhost" or name.endswith(".localhost"):
        opened = [address for address in _LOOPBACK if is_opened(address, allow)]
        if opened:
            return opened[0]
        raise ForbiddenURL(f"{name} is this machine, not a public address; TOCSIN_ALLOW_HOSTS opens networks")
    if not allow and ("." not in name or name.endswith(_INNER_SUFFIXES)):
        raise ForbiddenURL(f"{name} is a name inside a private network; TOCSIN_ALLOW_HOSTS opens networks")
    return None


def _check_port(digits: str, scheme: str, *, free: bool) -> str:
    """The port as it goes into the URL: empty for the scheme's own."""
    port = int(digits) if digits else _DEFAULT_PORTS[scheme]
    if not 0 < port < 65_536:
        raise ForbiddenURL(f"there is no port {port}")
    usual = port in (80, 443) or (port >= 1024 and port not in _INNER_PORTS)
    if not usual and not free:
        raise ForbiddenURL(f"port {port} is not one of feeds and webhooks; use 443, 80 or another above 1023")
    return "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
