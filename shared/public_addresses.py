"""Which addresses are public, and what the others are. Knows no network but the lists below."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# `ipaddress` calls several of these global (multicast, NAT64, 6to4, site-local), hence a list of our own.
_INNER_NETWORKS: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "an address inside a carrier's network"),
        ("127.0.0.0/8", "a loopback address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "an address for protocol assignments"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a 6to4 relay address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a benchmarking address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4-compatible address"),
        ("::ffff:0:0:0/96", "an IPv4-translated address"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("2001::/32", "a Teredo address"),
        ("2001::/23", "an address for protocol assignments"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "a 6to4 address"),
        ("3fff::/20", "a documentation address"),
        ("5f00::/16", "a segment routing address"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")


def refusal_of(address: Address, allow: Sequence[Network]) -> str | None:
    """Return why an address may not be connected to, in words, or None if it may."""
    if is_opened(address, allow):
        return None
    inner = unmapped(address)
    kind = kind_of(inner)
    if kind is None:
        return None
    written = str(address) if inner == address else f"{address} ({inner})"
    return f"{written} is not a public address but {kind}; TOCSIN_ALLOW_HOSTS opens networks"


def is_opened(address: Address, allow: Sequence[Network]) -> bool:
    """Return whether one of the networks opened by name holds the address."""
    return any(address in network or unmapped(address) in network for network in allow)


def unmapped(address: Address) -> Address:
    """Return the IPv4 address that the kernel would connect to, if it hides in an IPv6 one (::ffff:…)."""
    return getattr(address, "ipv4_mapped", None) or address


def kind_of(address: Address) -> str | None:
    """Return what an address is if it is not public, with its article; None for a public one."""
    for network, kind in _INNER_NETWORKS:
        if address in network:
            return kind
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return "an address outside the public range"
    return None if address.is_global else "an address for special use"
