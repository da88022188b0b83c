"""Every example of every message is valid by its published schema, and read by our models without loss."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from shared.events import PUBLISHED, TAGGED, ReportPublished, ReportTagged

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*/*.json"))
MODELS: dict[str, type[BaseModel]] = {PUBLISHED: ReportPublished, TAGGED: ReportTagged}


def validator(event_type: str) -> Draft202012Validator:
    schema = json.loads((ROOT / "docs" / "schemas" / f"{event_type}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_example_is_valid_by_the_schema(path: Path) -> None:
    validator(path.parent.name).validate(json.loads(path.read_text()))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_example_is_read_without_loss(path: Path) -> None:
    text = path.read_text()
    event = MODELS[path.parent.name].model_validate_json(text)
    assert within(json.loads(text), json.loads(event.model_dump_json()))


def within(said: Any, kept: Any) -> bool:
    """Whether all that was said is kept; fields that were added to the message since may be there as well."""
    if isinstance(said, dict):
        return isinstance(kept, dict) and all(
            name in kept and within(said[name], kept[name]) for name in said
        )
    if isinstance(said, list):
        return isinstance(kept, list) and len(said) == len(kept) and all(map(within, said, kept))
    return bool(said == kept)


def test_an_unknown_field_is_left_alone() -> None:
    event = json.loads(EXAMPLES[0].read_text())
    event["data"]["report"]["mood"] = "calm"
    validator(EXAMPLES[0].parent.name).validate(event)
    MODELS[EXAMPLES[0].parent.name].model_validate(event)
