"""The rulebook from a folder of topic files. A rule loads only if its own tests pass."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from services.classify.adapters.gazetteer_file import load_gazetteer
from services.classify.adapters.topic_file import topic_of
from services.classify.adapters.yaml_file import Place, Problem, YamlFile, read_yaml
from services.classify.core.rulebook import Example, Rule, Rulebook, Topic, compile_rulebook, fingerprint
from services.classify.core.tag import find_all, holds
from shared.catalogue import Quality, RuleSummary, SubtopicSummary, TopicSummary
from shared.settings import SettingsError

SHIPPED = Path(__file__).parent.parent / "topics"
QUALITY = "quality.json"
LOCK = "versions.lock"
LARGEST = 1_000_000
"""Bytes of one topic file."""


class RulebookError(SettingsError):
    """One or more topic files are wrong. `problems` and the message name each, as "file:line: what"."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


def load_rulebook(folder: Path | None = None) -> Rulebook:
    """The rulebook of a folder's *.yaml files, or the shipped one; raise RulebookError with every problem."""
    files, topics = _read_topics(SHIPPED if folder is None else folder)
    rulebook = compile_rulebook(topics.values(), load_gazetteer())
    for file in files:
        _run_tests(file, topics[file.name], rulebook)
    _raise_problems(files)
    return rulebook


def check_versions(folder: Path | None = None) -> None:
    """Raise RulebookError for each rule that differs from the folder's lock file; one without a lock file is right."""
    folder = SHIPPED if folder is None else folder
    if not (folder / LOCK).exists():
        return
    locked = _read_lock(folder / LOCK)
    files, topics = _read_topics(folder)
    for file in files:
        for number, rule in enumerate(topics[file.name].rules):
            if problem := _compare(rule, fingerprint(topics[file.name], rule), locked.get(rule.id)):
                file.report(("rules", number, "version"), problem)
    _raise_problems(files)


def write_versions(folder: Path | None = None) -> Path:
    """Write the folder's lock file from its rules as they are; return its path."""
    folder = SHIPPED if folder is None else folder
    _, topics = _read_topics(folder)
    rules = {
        rule.id: _Locked(version=rule.version, sha256=fingerprint(topic, rule)).model_dump()
        for topic in topics.values()
        for rule in topic.rules
    }
    (folder / LOCK).write_text(json.dumps(rules, indent=2, sort_keys=True) + "\n")
    return folder / LOCK


class _Locked(BaseModel):
    version: int
    sha256: str


def _read_lock(path: Path) -> dict[str, _Locked]:
    try:
        return TypeAdapter(dict[str, _Locked]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as e:
        problem = Problem(
            str(path), 1, "not what `tocsin topics lock` writes; take it back, or run that again"
        )
        raise RulebookError([problem]) from e


def _compare(rule: Rule, content: str, locked: _Locked | None) -> str | None:
    if locked is None:
        return f"{rule.id} is not in {LOCK}; run `tocsin topics lock`"
    if (locked.version, locked.sha256) == (rule.version, content):
        return None
    if rule.version <= locked.version:
        return (
            f"{rule.id} has changed since version {locked.version}; raise its version to {locked.version + 1}"
        )
    return f"{rule.id} version {rule.version} is not what {LOCK} says; run `tocsin topics lock`"


def catalogue(rulebook: Rulebook, folder: Path | None = None) -> tuple[TopicSummary, ...]:
    """Each topic as subscribers see it, in the rulebook's order; its quality if just its rules were measured.

    The figures are those of its folder, and for a topic that has none there the shipped ones.
    """
    measured = _measured(SHIPPED) | (_measured(folder) if folder else {})
    return tuple(_summary(topic, measured.get(topic.id)) for topic in rulebook.topics)


class Measured(BaseModel):
    """The figures of a topic, and the fingerprints of the rules that they are of."""

    rules: list[str]
    quality: Quality


MEASURED = TypeAdapter(dict[str, Measured])


def fingerprints(topic: Topic) -> list[str]:
    """Those of a topic's rules, in their order."""
    return [fingerprint(topic, rule) for rule in topic.rules]


def _measured(folder: Path) -> dict[str, Measured]:
    try:
        return MEASURED.validate_json((folder / QUALITY).read_bytes())
    except (OSError, ValidationError):
        # Figures of another release, perhaps: none is better than no rulebook.
        return {}


def write_quality(qualities: Mapping[str, Quality], rulebook: Rulebook, folder: Path | None = None) -> Path:
    """Write the figures of each topic beside its rules, and which rules they are of; return the file's path."""
    measured = {
        topic.id: Measured(rules=fingerprints(topic), quality=qualities[topic.id])
        for topic in rulebook.topics
    }
    path = (folder or SHIPPED) / QUALITY
    path.write_bytes(MEASURED.dump_json(measured, indent=2) + b"\n")
    return path


def _summary(topic: Topic, measured: Measured | None) -> TopicSummary:
    is_current = measured is not None and measured.rules == fingerprints(topic)
    return TopicSummary(
        id=topic.id,
        title=topic.title,
        description=topic.description,
        languages=topic.languages,
        rules=tuple(RuleSummary.model_validate(rule, from_attributes=True) for rule in topic.rules),
        subtopics=tuple(SubtopicSummary(id=topic.path(each), title=each.title) for each in topic.subtopics),
        quality=measured.quality if measured and is_current else None,
    )


def _read_topics(folder: Path) -> tuple[list[YamlFile], dict[str, Topic]]:
    """The files, and each one's topic by the file's name; raise RulebookError if anything cannot be read."""
    files = _read_folder(folder)
    topics = {file.name: topic for file in files if (topic := topic_of(file)) is not None}
    _check_ids(files, topics)
    _raise_problems(files)
    return files, topics


def topic_paths(folder: Path) -> list[Path]:
    """The topic files of a folder, by name; without hidden ones, which editors leave beside them."""
    return sorted(path for path in folder.glob("[!.]*") if path.suffix.lower() in (".yaml", ".yml"))


def _read_folder(folder: Path) -> list[YamlFile]:
    if paths := topic_paths(folder):
        return [_read(path) for path in paths]
    problem = (
        "no topic file here; a rulebook needs at least one .yaml" if folder.is_dir() else "no such folder"
    )
    raise RulebookError([Problem(str(folder), 1, problem)])


def _read(path: Path) -> YamlFile:
    file = YamlFile(str(path))
    try:
        if path.exists() and not path.is_file():
            file.report((), "not a file; a pipe or a folder cannot be read as one")
            return file
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            file.report((), f"larger than {LARGEST:,} bytes; split the topic's rules into fewer phrases")
            return file
        return read_yaml(str(path), content.decode())
    except OSError as e:
        file.report((), f"cannot be read: {e.strerror}")
    except UnicodeDecodeError as e:
        file.problems.append(
            Problem(file.name, content[: e.start].count(b"\n") + 1, "not UTF-8; save it as UTF-8")
        )
    return file


def _check_ids(files: list[YamlFile], topics: dict[str, Topic]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for file in files:
        if file.name not in topics:
            continue
        topic = topics[file.name]
        ids: list[tuple[Place, str, str]] = [(("topic",), "topic", topic.id)]
        ids += [(("rules", n, "id"), "rule", rule.id) for n, rule in enumerate(topic.rules)]
        ids += [
            (("subtopics", n, "id"), "subtopic", topic.path(each)) for n, each in enumerate(topic.subtopics)
        ]
        for path, kind, name in ids:
            place = f"{file.name}:{file.line_of(path)}"
            if (first := seen.setdefault((kind, name), place)) != place:
                file.report(path, f"the {kind} {name!r} is already at {first}; give this one another id")


def _run_tests(file: YamlFile, topic: Topic, rulebook: Rulebook) -> None:
    for number, rule in enumerate(topic.rules):

        def rule_holds(example: Example, rule: Rule = rule) -> bool:
            return holds(rule, example.title, example.text, rulebook)

        _run(file, ("rules", number), rule.id, rule.examples, rule_holds)
    for number, subtopic in enumerate(topic.subtopics):
        path = topic.path(subtopic)

        def is_tagged(example: Example, path: str = path) -> bool:
            return path in find_all(example.title, example.text, None, rulebook).topics

        _run(file, ("subtopics", number), path, subtopic.examples, is_tagged)


def _run(
    file: YamlFile, where: Place, name: str, examples: Iterable[Example], holds_for: Callable[[Example], bool]
) -> None:
    counts = {True: 0, False: 0}
    for example in examples:
        position = counts[example.expected]
        counts[example.expected] += 1
        if holds_for(example) is not example.expected:
            kind = "match" if example.expected else "no_match"
            file.report((*where, "tests", kind, position), _failure(name, example))


def _failure(rule: str, example: Example) -> str:
    said = "should match and does not" if example.expected else "should not match and does"
    words = f"{example.title} {example.text}".strip()
    return f"{rule}: {said}: {words[:80]!r}; change the rule, or this test"


def _raise_problems(files: list[YamlFile]) -> None:
    if problems := [problem for file in files for problem in file.problems]:
        raise RulebookError(problems)
