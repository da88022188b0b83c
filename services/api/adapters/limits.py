"""Count what one source asks for within a window, in Redis, so that all api processes count together."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from services.api.core.problem import TooMany
from shared.bus import Bus
from shared.redis_client import at_once


class Limit(NamedTuple):
    """`most` within `seconds`; `words` say so to who has reached it, with {} for the number."""

    most: int
    seconds: int
    words: str

    def policy(self, kind: str) -> dict[str, str]:
        """Return the header that says it (draft-ietf-httpapi-ratelimit-headers-10)."""
        return {"RateLimit-Policy": f'"{kind}";q={self.most};w={self.seconds}'}


async def take(bus: Bus, kind: str, who: str, limit: Limit, cost: int = 1) -> Mapping[str, str]:
    """Count `cost`, return the headers that say what is left; raise TooMany if the limit was reached in its window."""
    key = bus.names.limit(kind, who)
    window = ("SET", key, 0, "EX", limit.seconds, "NX")
    _, count, ttl = await at_once(bus.redis, window, ("INCRBY", key, cost), ("TTL", key))
    left, reset = limit.most - count, max(1, ttl)
    headers = limit.policy(kind) | {"RateLimit": f'"{kind}";r={max(0, left)};t={reset}'}
    if left < 0:
        raise TooMany(limit.words.format(limit.most), reset, headers)
    return headers


def source_of(host: str) -> str:
    """Return what counts as one source of requests: an IPv4 address, or the /64 that an IPv6 address is in."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and not address.ipv4_mapped:
        return address.exploded[:19]
    return str(getattr(address, "ipv4_mapped", None) or address)
