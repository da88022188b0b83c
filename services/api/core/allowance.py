"""How much of something a source may still ask for, and the headers that say so."""

from collections.abc import Mapping
from typing import NamedTuple


class Limit(NamedTuple):
    """`most` within `seconds`; `words` say so to who has reached it, with {} for the number."""

    most: int
    seconds: int
    words: str


class Allowance(NamedTuple):
    """`most` requests of a kind within `seconds`; `left` of them now, all again in `reset` seconds."""

    kind: str
    most: int
    seconds: int
    left: int
    reset: int

    @property
    def headers(self) -> Mapping[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers-10."""
        return {
            "RateLimit-Policy": f'"{self.kind}";q={self.most};w={self.seconds}',
            "RateLimit": f'"{self.kind}";r={self.left};t={self.reset}',
        }
