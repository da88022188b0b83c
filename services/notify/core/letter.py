"""A mail as bytes: what is the same for many is encoded once, with gaps for what is not.

Bodies are quoted-printable (RFC 2045, 6.7). Before and after a gap the line ends softly, so that pieces that were
encoded each by itself make one text.
"""

import re
from binascii import b2a_qp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.header import Header
from functools import lru_cache
from html import escape

SOFT_BREAK = b"=\r\n"
Pieces = tuple[bytes | str, ...]
"""Encoded text; each second one is the name of a gap."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What all who get a mail are told. Its subject may have a gap, too."""

    subject: str
    text: Pieces
    html: Pieces


def pieces(body: str, mark: str) -> Pieces:
    """Return a body ready to be filled. A gap is written as `gap` does."""
    parts = re.split(rf"{mark}-(\w+)-", body)
    return tuple(part if number % 2 else _encoded(part) for number, part in enumerate(parts))


def gap(mark: str, name: str) -> str:
    """Return what stands in a body for something to be filled in. Nobody who writes a body's words may guess `mark`."""
    return f"{mark}-{name}-"


def written(
    headers: Sequence[tuple[str, str]], subject: str, letter: Letter, values: Mapping[str, str], boundary: str
) -> bytes:
    """Return the mail. Raise ValueError if a header holds a line break; the subject is folded here."""
    if any("\r" in value or "\n" in value for value in (subject, *(value for _, value in headers))):
        raise ValueError("a header holds a line break")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    border = f'"=_{boundary}"'
    parts = (
        f"{head}{_subject(subject)}MIME-Version: 1.0\r\n"
        f"Content-Type: multipart/alternative; boundary={border}\r\n\r\n",
        _opening(boundary, "plain"),
        _filled(letter.text, _gaps(tuple(values.items()))),
        _opening(boundary, "html"),
        _filled(letter.html, _gaps(tuple((name, escape(value)) for name, value in values.items()))),
        f"\r\n--=_{boundary}--\r\n",
    )
    return b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)


def _opening(boundary: str, subtype: str) -> str:
    # "=_" cannot stand in quoted-printable text.
    return (
        f'\r\n--=_{boundary}\r\nContent-Type: text/{subtype}; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )


def _filled(body: Pieces, gaps: Mapping[str, bytes]) -> bytes:
    return b"".join([part if isinstance(part, bytes) else gaps[part] for part in body])


# Text and HTML differ only where something had to be escaped.
@lru_cache(2)
def _gaps(values: tuple[tuple[str, str], ...]) -> Mapping[str, bytes]:
    return {name: SOFT_BREAK + _encoded(value) + SOFT_BREAK for name, value in values}


def _encoded(text: str) -> bytes:
    # With one more character at its end there is room for the soft break, which is neither encoded nor too far right.
    plain = f"{text}\x01".replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    return b2a_qp(plain)[: -len(b"=01")].replace(b"\n", b"\r\n")


@lru_cache(256)
def _subject(text: str) -> str:
    # The standard library's newer way loses spaces between words of different scripts.
    folded = Header(text, "us-ascii" if text.isascii() else "utf-8", header_name="Subject")
    return f"Subject: {folded.encode(linesep=chr(13) + chr(10))}\r\n"
