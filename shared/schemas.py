"""Write docs/schemas from the event models, or check that they are current.

Usage: python -m shared.schemas [--check] FOLDER
"""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from shared.digest import DigestReady
from shared.events import (
    FEED_HEALTH,
    PUBLISHED,
    TAGGED,
    FeedHealthChanged,
    ReportPublished,
    ReportTagged,
)

MODELS: dict[str, type[BaseModel]] = {
    PUBLISHED: ReportPublished,
    TAGGED: ReportTagged,
    FEED_HEALTH: FeedHealthChanged,
    # Not an event: what a webhook is sent.
    "digest.ready": DigestReady,
}


def schema_of(event_type: str) -> str:
    """Return the JSON Schema (2020-12) of an event type, as text."""
    schema = MODELS[event_type].model_json_schema(mode="serialization")
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"/schemas/{event_type}.json",
        **schema,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    [folder] = [Path(argument) for argument in arguments if argument != "--check"]
    stale = []
    for event_type in MODELS:
        path, text = folder / f"{event_type}.json", schema_of(event_type)
        if check and (not path.exists() or path.read_text() != text):
            stale.append(path)
        elif not check:
            path.write_text(text)
    for path in stale:
        print(f"{path} is not what the models say; run `make schemas`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
