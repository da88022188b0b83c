"""An entry made ours. Knows no clock and no store."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from services.ingest.core.change import fingerprint, page_name
from services.ingest.core.dates import pick_dates
from services.ingest.core.draft import Draft, Origin
from services.ingest.core.entry import Entry, ParsedFeed, Words
from services.ingest.core.language import detect_language, language_tag
from services.ingest.core.plain import cut, plain_line, plain_text, web_address
from shared.feeds import PUBLISHED, report_id, rfc3339

Source = dict[str, str | None]

TEXT_LIMIT = 200_000
TITLE_LIMIT = 500
SUMMARY_LIMIT = 500
AUTHOR_LIMIT = 200
LEAD_LIMIT = 120

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _Body(NamedTuple):
    title: str
    summary: str
    text: str
    notes: tuple[str, ...]


def to_draft(
    entry: Entry, feed: Origin, parsed: ParsedFeed, now: datetime, source: Source | None = None
) -> Draft | None:
    """Return the entry as a report of revision 1, None if it says nothing; `notes` on it say what was mended.

    `source` is what source_of returns, for who has it already.
    """
    body = _body(entry)
    dated = pick_dates(entry.published, entry.updated, now)
    url = web_address(entry.link)
    if not body.title and not url:
        return None
    notes = [*body.notes, dated.note]
    language = language_tag(entry.language or parsed.language)
    if not language and (language := detect_language(body.title, body.text)):
        notes.append("language: none given; told by the words")
    if entry.link and not url:
        notes.append("link: left out, for it is no http or https address")
    notes += [f"feed: {note}" for note in (parsed.mended, parsed.left_out) if note]
    report = {
        "id": report_id(feed.id, entry.key),
        "revision": 1,
        "changed": [],
        "url": url,
        "title": body.title,
        "summary": body.summary,
        "text": body.text,
        "language": language,
        "authors": list(dict.fromkeys(_authors(entry))),
        "published_at": rfc3339(dated.published),
        "updated_at": rfc3339(dated.updated) if dated.updated else None,
        "fetched_at": rfc3339(now),
        "source": source or source_of(feed, parsed),
        "notes": [note for note in notes if note],
    }
    return Draft(
        id=str(report["id"]),
        said=fingerprint(body.title, body.text, url),
        page=page_name(url),
        published_at=dated.published,
        dated=not (dated.note or "").startswith("date:"),
        event=_event(report),
    )


def _event(report: dict[str, Any]) -> bytes:
    """The event report.published.v1, as shared.events makes it: a test holds the two together."""
    event = {
        "specversion": "1.0",
        "id": f"{report['id']}.1",
        "source": "/tocsin/ingest",
        "time": report["fetched_at"],
        "subject": report["id"],
        "datacontenttype": "application/json",
        "type": PUBLISHED,
        "dataschema": f"/schemas/{PUBLISHED}.json",
        "data": {"report": report},
    }
    return _encode(event).encode()


def source_of(feed: Origin, parsed: ParsedFeed) -> Source:
    """Return the feed as its reports name it: by our title, else its own, else its host or file."""
    own_title = cut(plain_line(Words(parsed.title)), TITLE_LIMIT)
    return {
        "id": feed.id,
        "title": feed.title or own_title or feed.host or feed.url,
        "feed_url": feed.url,
        "home_url": web_address(parsed.home_url),
    }


def _body(entry: Entry) -> _Body:
    summary, notes = plain_text(entry.summary), []
    text = plain_text(entry.content) or summary
    title = plain_line(entry.title)
    if not title:
        title = cut(" ".join(text.split()), LEAD_LIMIT)
        notes.append("title: none given")
    if len(text) > TEXT_LIMIT:
        text = text[:TEXT_LIMIT].rstrip()
        notes.append(f"text: cut at {TEXT_LIMIT} characters")
    if len(title) > TITLE_LIMIT:
        title = cut(title, TITLE_LIMIT)
        notes.append(f"title: cut at {TITLE_LIMIT} characters")
    return _Body(title, cut(" ".join((summary or text).split()), SUMMARY_LIMIT), text, tuple(notes))


def _authors(entry: Entry) -> Iterator[str]:
    for name in entry.authors:
        line = cut(plain_line(Words(name)), AUTHOR_LIMIT)
        if line:
            yield line
