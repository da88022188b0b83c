"""What comes back from a request: an answer, or why there is none."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

Kind = Literal[
    "refused", "dns", "connect", "certificate", "tls", "timeout", "size", "closed", "encoding", "protocol"
]


class HttpError(Exception):
    """There is no answer. `kind` is what to go by; the message is in words and holds nothing of the request."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Headers(Mapping[str, str]):
    """The headers of an answer; names in any case. One that is repeated is a list with commas (RFC 9110 5.3)."""

    def __init__(self, head: bytes) -> None:
        self._values: dict[str, str] = {}
        for line in _last_block(head):
            name, colon, value = line.partition(":")
            if colon:
                key, value = name.strip().lower(), value.strip()
                known = self._values.get(key)
                self._values[key] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _last_block(head: bytes) -> list[str]:
    """The lines of the last answer's head: others before it are interim ones, what follows are trailers."""
    blocks = head.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n\n")
    return next((block.split("\n")[1:] for block in reversed(blocks) if block.startswith("HTTP/")), [])


class Answer(NamedTuple):
    """What came back: `head` as it came, the body decompressed."""

    status: int
    head: bytes
    body: bytes

    @property
    def headers(self) -> Headers:
        """Read anew at each use."""
        return Headers(self.head)
