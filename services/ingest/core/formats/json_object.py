"""Values out of JSON that may be anything: what is not of the kind that is asked for counts as not there."""

import json
from collections.abc import Mapping
from typing import Any

from services.ingest.core.entry import UnreadableDocument


def read_json(body: bytes, what: str) -> Any:
    """Return what is in a document of JSON; raise UnreadableDocument, which says what it looked like."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as e:
        raise UnreadableDocument(f"{what} not JSON ({str(e)[:100]})") from e


def objects(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects in a list."""
    value = holder.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(holder: Mapping[str, Any], name: str) -> str:
    """Return a string; a number as one, for ids are often numbers against the rules.

    JSON can hold halves of characters, which nothing after it can write: they become question marks.
    """
    value = holder.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**30 else ""
    return value.encode(errors="replace").decode().strip() if isinstance(value, str) else ""
