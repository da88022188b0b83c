"""Reports from ReliefWeb's API, version 2 (https://apidoc.reliefweb.int/)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from services.ingest.core.dates import read_date
from services.ingest.core.entry import MAX_AUTHORS, Entry, ParsedFeed, UnreadableDocument, Words
from services.ingest.core.formats.json_object import objects, read_json, text

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
    answer = read_json(body, "ReliefWeb's answer is")
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise UnreadableDocument("ReliefWeb's answer has no data: is the url that of /v2/reports?")
    rows = objects(answer, "data")
    entries = [_entry(row, row["fields"]) for row in rows if isinstance(row.get("fields"), dict)]
    return ParsedFeed(
        title="ReliefWeb",
        home_url="https://reliefweb.int/",
        entries=tuple(entries),
    )


def _entry(row: Mapping[str, Any], fields: Mapping[str, Any]) -> Entry:
    dates = fields["date"] if isinstance(fields.get("date"), dict) else {}
    html = text(fields, "body-html")
    return Entry(
        id=text(row, "id") or None,
        link=text(fields, "url_alias") or text(fields, "url") or None,
        title=Words(text(fields, "title"), html=False),
        content=Words(html) if html else Words(text(fields, "body"), html=False),
        authors=tuple(
            text(source, "shortname") or text(source, "name") for source in objects(fields, "source")
        )[:MAX_AUTHORS],
        published=read_date(text(dates, "created")),
        updated=read_date(text(dates, "changed")),
        language=next((text(language, "code") for language in objects(fields, "language")), None),
    )
