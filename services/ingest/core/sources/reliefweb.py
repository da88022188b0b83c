"""Reports from ReliefWeb's API, version 2 (https://apidoc.reliefweb.int/)."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from services.ingest.core.dates import read_date
from services.ingest.core.entry import MAX_AUTHORS, MAX_ENTRIES, Entry, ParsedFeed, UnreadableDocument, Words

_FIELDS = (
    "title",
    "body-html",
    "url_alias",
    "date.created",
    "date.changed",
    "source.shortname",
    "source.name",
    "language.code",
)


def api_address(url: str, appname: str) -> str:
    """Return the address to ask: the operator's query, with the newest 50 reports and the fields that we read."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    given = {name.partition("[")[0] for name, _ in query}
    query.append(("appname", appname))
    if "limit" not in given:
        query.append(("limit", "50"))
    if not given & {"preset", "sort"}:
        query.append(("sort[]", "date.created:desc"))
    query += [("fields[include][]", name) for name in _FIELDS]
    return urlunsplit(parts._replace(query=urlencode(query, safe="[]:,")))


def read_reliefweb(body: bytes) -> ParsedFeed:
    """Return the reports of an answer; raise UnreadableDocument."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise UnreadableDocument(f"ReliefWeb's answer is not JSON ({str(e)[:100]})") from e
    rows = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise UnreadableDocument("ReliefWeb's answer has no data: is the url that of /v2/reports?")
    entries = [
        _entry(row, row["fields"]) for row in rows if isinstance(row, dict) and _is_object(row.get("fields"))
    ]
    return ParsedFeed(
        title="ReliefWeb",
        home_url="https://reliefweb.int/",
        entries=tuple(entries[:MAX_ENTRIES]),
        left_out=max(0, len(entries) - MAX_ENTRIES),
    )


def _entry(row: Mapping[str, Any], fields: Mapping[str, Any]) -> Entry:
    dates = fields["date"] if _is_object(fields.get("date")) else {}
    html = _text(fields, "body-html")
    return Entry(
        id=_text(row, "id") or None,
        link=_text(fields, "url_alias") or _text(fields, "url") or None,
        title=Words(_text(fields, "title"), html=False),
        content=Words(html) if html else Words(_text(fields, "body"), html=False),
        authors=tuple(
            _text(source, "shortname") or _text(source, "name") for source in _list(fields, "source")
        )[:MAX_AUTHORS],
        published=read_date(_text(dates, "created")),
        updated=read_date(_text(dates, "changed")),
        language=next((_text(language, "code") for language in _list(fields, "language")), None),
    )


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _list(fields: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = fields.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    text = str(value) if isinstance(value, str | int) else ""
    return text if text.isascii() else text.encode(errors="replace").decode()
