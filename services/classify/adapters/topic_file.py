"""What a topic file may hold, checked key by key, and the Topic that it says."""

from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, field_validator
from pydantic_core import ErrorDetails

from services.classify.adapters.yaml_file import YamlFile
from services.classify.core.rulebook import MASK, Condition, Example, Rule, Status, Subtopic, Topic
from shared.matching.phrases import PhraseError, parts_of

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Line = Annotated[str, Field(pattern=r"\S")]
# For editors only: here `parts_of` looks at each phrase, and says better what is wrong.
_WRITTEN = r"^(?!.*(^|\s)\S{0,2}\*)(?!.*\*[^\s.,'’-]).*[^\s!-/:-@\[-`{-~]"
_SAID = "a phrase has at least one word; a * stands right after three letters or more of a word"
Phrase = Annotated[str, WithJsonSchema({"type": "string", "pattern": _WRITTEN, "patternErrorMessage": _SAID})]
Listed = Annotated[list[Phrase], Field(min_length=1, json_schema_extra={"uniqueItems": True})]
Phrases = dict[Language, Listed]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class ConditionPart(_Part):
    together: list[Name] = Field(min_length=1)
    """Groups of which a sentence has one phrase each: then it counts."""
    score: float = Field(gt=0, le=1000)
    """How much it counts."""
    without: list[Name] = []
    """Groups that spoil the sentence."""
    context: list[Name] = []
    """Groups that must be anywhere in the report."""
    no_context: list[Name] = []
    """Groups that must not be anywhere in the report."""


class ReportPart(_Part):
    title: str = ""
    text: str = ""


class TestsPart(_Part):
    match: list[ReportPart] = Field(min_length=1)
    """Reports, or their texts alone, that must match, or the rule does not load."""
    no_match: list[ReportPart] = Field(min_length=1)
    """Reports that must not."""

    @field_validator("match", "no_match", mode="before")
    @classmethod
    def _text_alone(cls, reports: object) -> object:
        if not isinstance(reports, list):
            return reports
        return [{"text": report} if isinstance(report, str) else report for report in reports]


class RulePart(_Part):
    id: str = Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_-]*)*$")
    """Never used again for something else."""
    version: int = Field(ge=1)
    """Raised with every change; then `tocsin topics lock`."""
    title: Line
    status: Status = "stable"
    """An experimental rule tags like any other; the topic's page says that it is being tried."""
    false_positives: list[Line] = []
    """What it is known to take for the topic, in plain words: the topic's page says so."""
    threshold: float = Field(default=10, gt=0, le=1000)
    """What the scores of its sentences have to reach, in a report of up to 200 words."""
    title_factor: float = Field(default=2, ge=1, le=10)
    """How much more the title counts than a sentence."""
    groups: dict[Name, Annotated[Phrases, Field(min_length=1)]] = Field(min_length=1)
    """By name, phrases by language; a * after three letters or more stands for any ending."""
    mask: Phrases = {}
    """Phrases that count for nothing and hide what shares a word with them: hearing aid."""
    conditions: list[ConditionPart] = Field(min_length=1)
    """Ways for a sentence to count; of those that hold the best one does."""
    tests: TestsPart


class SubtopicPart(_Part):
    id: Name
    title: Line
    words: Annotated[Phrases, Field(min_length=1)]
    """Phrases that make it this part, where the topic is spoken of."""
    tests: TestsPart


class TopicPart(_Part):
    topic: Name
    """Its id: in addresses, filters and tags."""
    title: Line
    description: Line
    """What it means, for those who follow it."""
    rules: list[RulePart] = Field(min_length=1)
    subtopics: list[SubtopicPart] = []


def topic_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a topic file, for editors."""
    schema = TopicPart.model_json_schema()
    tests = schema["$defs"]["TestsPart"]["properties"]
    for listed in (tests["match"], tests["no_match"]):
        listed["items"] = {"anyOf": [{"type": "string"}, listed["items"]]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "/schemas/topic-rule.json",
        **schema,
        "title": "A topic of the rulebook and its rules",
    }


def topic_of(file: YamlFile) -> Topic | None:
    """The topic of a file; None if anything is wrong, which is then in `file.problems`."""
    if file.problems:
        return None
    try:
        part = TopicPart.model_validate(file.value)
    except ValidationError as e:
        for error in e.errors(include_url=False):
            file.report(error["loc"], _message(error))
        return None
    for number, rule in enumerate(part.rules):
        _check_rule(rule, number, file)
    for number, subtopic in enumerate(part.subtopics):
        _check_phrases(subtopic.words, ("subtopics", number, "words"), file)
    return None if file.problems else _topic(part)


def _check_rule(rule: RulePart, number: int, file: YamlFile) -> None:
    path = ("rules", number)
    for group, phrases in {**rule.groups, MASK: rule.mask}.items():
        where = (*path, MASK) if group == MASK else (*path, "groups", group)
        _check_phrases(phrases, where, file)
    _check_names(rule, path, file)


def _check_phrases(phrases: dict[str, list[str]], path: tuple[str | int, ...], file: YamlFile) -> None:
    for language, listed in phrases.items():
        for position, phrase in enumerate(listed):
            _check_phrase(phrase, listed[:position], (*path, language, position), file)


def _check_phrase(phrase: str, before: list[str], path: tuple[str | int, ...], file: YamlFile) -> None:
    try:
        parts_of(phrase)
    except PhraseError as e:
        file.report(path, str(e))
    if phrase in before:
        file.report(path, f"{phrase!r} is in this list twice; keep one")


def _check_names(rule: RulePart, path: tuple[str | int, ...], file: YamlFile) -> None:
    named = set()
    for number, condition in enumerate(rule.conditions):
        groups = [*condition.together, *condition.without, *condition.context, *condition.no_context]
        for group in groups:
            if group not in rule.groups:
                file.report(
                    (*path, "conditions", number), f"no group {group!r}{_suggestion(group, rule.groups)}"
                )
        named.update(groups)
    for group in rule.groups.keys() - named:
        file.report((*path, "groups", group), f"no condition names the group {group!r}; use it or remove it")
    if MASK in rule.groups:
        file.report((*path, "groups", MASK), "mask stands beside groups, not among them")


def _topic(part: TopicPart) -> Topic:
    return Topic(
        id=part.topic,
        title=part.title,
        description=" ".join(part.description.split()),
        rules=tuple(map(_rule, part.rules)),
        subtopics=tuple(map(_subtopic, part.subtopics)),
    )


def _subtopic(part: SubtopicPart) -> Subtopic:
    return Subtopic(part.id, part.title, _phrases(part.words), _examples(part.tests))


def _examples(part: TestsPart) -> tuple[Example, ...]:
    listed = [(report, True) for report in part.match] + [(report, False) for report in part.no_match]
    return tuple(Example(report.title, report.text, expected) for report, expected in listed)


def _rule(part: RulePart) -> Rule:
    return Rule(
        id=part.id,
        version=part.version,
        title=part.title,
        groups={group: _phrases(phrases) for group, phrases in part.groups.items()},
        mask=_phrases(part.mask),
        conditions=tuple(map(_condition, part.conditions)),
        status=part.status,
        false_positives=tuple(part.false_positives),
        threshold=part.threshold,
        title_factor=part.title_factor,
        examples=_examples(part.tests),
    )


def _phrases(listed: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {language: tuple(phrases) for language, phrases in listed.items()}


def _condition(part: ConditionPart) -> Condition:
    return Condition(
        together=tuple(part.together),
        score=part.score,
        without=tuple(part.without),
        context=tuple(part.context),
        no_context=tuple(part.no_context),
    )


_PARTS: dict[str, type[_Part]] = {
    "rules": RulePart,
    "subtopics": SubtopicPart,
    "conditions": ConditionPart,
    "tests": TestsPart,
    "match": ReportPart,
    "no_match": ReportPart,
}
_MESSAGES = {
    "missing": "{key!r} is missing",
    "string_type": "{key!r} must be text; put it in quotes",
    "list_type": "{key!r} must be a list: [a, b] or lines that begin with -",
    "dict_type": "{key!r} must be keys with values, like `en: [a, b]`",
    "model_type": "{key!r} must be keys with values",
    "int_type": "{key!r} must be a whole number",
    "float_type": "{key!r} must be a number",
    "too_short": "{key!r} is empty; write at least one entry, or remove it",
    "string_pattern_mismatch": "{value!r} does not fit here; it must look like {pattern}",
}


def _message(error: ErrorDetails) -> str:
    key = next(
        (part for part in reversed(error["loc"]) if isinstance(part, str) and part != "[key]"), "the file"
    )
    if error["type"] == "extra_forbidden":
        known = _keys_around(error["loc"])
        return f"unknown key {key!r}{_suggestion(str(key), known)}"
    pattern = error.get("ctx", {}).get("pattern", "")
    if not str(error["input"]).strip():
        return f"{key!r} is empty"
    template = _MESSAGES.get(error["type"])
    if template is None:
        return f"{key!r}: {error['msg'].lower()}"
    return template.format(key=key, value=error["input"], pattern=pattern)


def _keys_around(path: tuple[str | int, ...]) -> Any:
    names = (part for part in reversed(path[:-1]) if isinstance(part, str))
    return _PARTS.get(next(names, ""), TopicPart).model_fields


def _suggestion(wrong: str, known: Any) -> str:
    close = get_close_matches(wrong, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known here: {', '.join(sorted(known))}"
