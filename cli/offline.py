"""`tocsin parse` and `tocsin tag`: what the services do, on files, without Redis."""

import asyncio
import json
import re
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from cli.lines import Sample, read_line
from cli.session import fail
from services.classify.adapters.rulebook_files import load_rulebook
from services.classify.core.tag import find_all
from services.classify.settings import ClassifySettings
from services.ingest.adapters.fetcher import FetchError
from services.ingest.adapters.one_feed import read_reports
from services.ingest.core.entry import UnreadableDocument
from services.ingest.settings import IngestSettings
from shared.settings import load


def parse(target: Annotated[str, typer.Argument(help="A feed: a file, or an http(s) address.")]) -> None:
    """Print the reports of a feed, one JSON object a line, as ingest would publish them. Needs no Redis."""
    try:
        reports = asyncio.run(read_reports(target, load(IngestSettings), datetime.now(UTC)))
    except ValidationError as e:
        problem = str(e.errors(include_input=False)[0]["msg"]).removeprefix("Value error, ")
        fail(f"{without_password(target)!r}: {problem}")
    except (FetchError, UnreadableDocument) as e:
        fail(f"{target}: {e.reason}")
    notes = {note.removeprefix("feed: ") for report in reports for note in report.notes}
    for note in (note for note in notes if "entries left out" in note):
        print(f"tocsin: {target}: {note}", file=sys.stderr)
    for report in reports:
        print(report.model_dump_json())


def without_password(address: str) -> str:
    """Return an address as it may be printed."""
    return re.sub(r"(?<=://)[^/?#]*@", "…@", address)


def tag() -> None:
    """Tag reports: JSON lines {id, title, text, language?} in, {id, topics, tags, countries} out. Needs no Redis.

    For example: tocsin tag < reports.jsonl > tagged.jsonl
    """
    rulebook, wrong = load_rulebook(load(ClassifySettings).topics_dir), False
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            report = read_line(Sample, line, number)
        except ValueError as e:
            print(f"tocsin: {e}", file=sys.stderr)
            wrong = True
            continue
        found = find_all(report.title, report.text, report.language, rulebook)
        answer = {
            "id": json.loads(line.removeprefix("\ufeff"))["id"],  # a number stays one
            "topics": list(found.topics),
            "tags": [tag.model_dump(mode="json") for tag in found.tags],
            "countries": [country.model_dump(mode="json") for country in found.countries],
        }
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    if wrong:
        raise typer.Exit(1)
