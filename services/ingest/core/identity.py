"""Who an entry is within its feed. Knows no store."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from services.ingest.core.entry import Entry
from services.ingest.core.meaning import same_page

# A page of its own, behind the host: "/2026/08/04/talks", "/flood-in-velin", "/story?id=7"; not "/", "/alerts.html".
_OWN_PAGE = re.compile(r"[^/?#]*[/?][^#]*?(?:\d|[^/-]-[^/-]+-|=)")


def with_keys(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries with their identity set, each identity once.

    1. guid, else link, else a hash of title and text. An address counts without scheme and tracking.
    2. A guid that several entries of the document share is told apart by the link, then by the title.
    3. What is still the same is the same entry given twice: the first one stays.
    """
    keys = [same_page(entry.id or entry.link or "") or _hash(entry) for entry in entries]
    for detail in (_link, _title):
        counts = Counter(keys)
        keys = [
            f"{key}\n{detail(entry)}" if counts[key] > 1 else key
            for key, entry in zip(keys, entries, strict=True)
        ]
    firsts: dict[str, Entry] = {}
    for key, entry in zip(keys, entries, strict=True):
        firsts.setdefault(key, entry._replace(key=key))
    return tuple(firsts.values())


def is_own_page(url: str) -> bool:
    """Return whether an address looks like that of one report, rather than of a site or a list."""
    return bool(_OWN_PAGE.match(same_page(url)))


def _link(entry: Entry) -> str:
    return same_page(entry.link or "")


def _title(entry: Entry) -> str:
    return entry.title.value


def _hash(entry: Entry) -> str:
    words = entry.content or entry.summary
    text = f"{entry.title.value}\n{words.value if words else ''}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
