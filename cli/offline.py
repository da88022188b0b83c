"""`tocsin parse` and `tocsin tag`: what the services do, on files, without Redis."""

import asyncio
import json
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import IO

from pydantic import ValidationError

from cli.lines import Sample, read_line
from shared.settings import load


def parse_feed(target: str) -> int:
    """Print the reports of a feed; return 1 if it cannot be fetched or read."""
    from services.ingest.adapters.fetcher import FetchError
    from services.ingest.adapters.one_feed import read_reports
    from services.ingest.core.entry import UnreadableDocument
    from services.ingest.settings import IngestSettings

    try:
        reports = asyncio.run(read_reports(target, load(IngestSettings), datetime.now(UTC)))
    except ValidationError as e:
        problem = str(e.errors(include_input=False)[0]["msg"]).removeprefix("Value error, ")
        print(f"tocsin: {without_password(target)!r}: {problem}", file=sys.stderr)
        return 1
    except (FetchError, UnreadableDocument) as e:
        print(f"tocsin: {target}: {e.reason}", file=sys.stderr)
        return 1
    for note in sorted({note for report in reports for note in report.notes if note.startswith("feed: ")}):
        print(f"tocsin: {target}: {note.removeprefix('feed: ')}", file=sys.stderr)
    for report in reports:
        print(report.model_dump_json())
    return 0


def without_password(address: str) -> str:
    """Return an address as it may be printed."""
    return re.sub(r"(?<=://)[^/?#]*@", "…@", address)


def tag_lines(lines: Iterable[str], out: IO[str]) -> int:
    """Tag each line; a line that cannot be read is named on standard error, and the status is then 1."""
    from services.classify.adapters.rulebook_files import RulebookError, load_rulebook
    from services.classify.core.tag import find_all
    from services.classify.settings import ClassifySettings

    try:
        rulebook = load_rulebook(load(ClassifySettings).topics_dir)
    except RulebookError as e:
        print(f"tocsin: {e}", file=sys.stderr)
        return 1
    status = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            report = read_line(Sample, line, number)
        except ValueError as e:
            print(f"tocsin: {e}", file=sys.stderr)
            status = 1
            continue
        found = find_all(report.title, report.text, report.language, rulebook)
        answer = {
            "id": json.loads(line.removeprefix("\ufeff"))["id"],  # a number stays one
            "topics": list(found.topics),
            "tags": [tag.model_dump(mode="json") for tag in found.tags],
            "countries": [country.model_dump(mode="json") for country in found.countries],
        }
        out.write(json.dumps(answer, ensure_ascii=False) + "\n")
    return status
