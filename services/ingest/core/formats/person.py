"""The name of a person out of what RSS calls an author: a mail address, mostly with a name beside it."""

import re

_MAIL = re.compile(r"(?:mailto:)?[^\s<>()\[\],;:\"]+@[^\s<>()\[\],;:\"]+\.[^\s<>()\[\],;:\"]+")
_LONGEST = 1000


def person(written: str) -> str:
    """Return "Me" for `me@agency.example (Me)`, `Me <me@agency.example>` and `Me`; nothing for an address alone."""
    name, mails = _MAIL.subn("", written[:_LONGEST])
    if not mails:
        return written
    name = name.replace("()", "").replace("<>", "").replace("[]", "").strip(" ,;")
    return name[1:-1].strip() if name.startswith("(") and name.endswith(")") else name
