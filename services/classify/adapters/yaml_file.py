"""A YAML file as plain values, and the line that each of them stands on."""

from dataclasses import dataclass, field
from typing import Any

import yaml

DEEPEST = 12
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Place = tuple[str | int, ...]
"""The way to a value: keys and positions."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong on a line of a file, and what would be right."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(slots=True)
class YamlFile:
    """What was read. `value` is worth something only if there are no problems."""

    name: str
    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: Place) -> int:
        """The line of a value, or of the nearest thing around it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def report(self, path: Place, message: str) -> None:
        """Note a problem with the value at this path."""
        self.problems.append(Problem(self.name, self.line_of(path), message))


def read_yaml(name: str, text: str) -> YamlFile:
    """The file's values and lines; never raises, what is wrong is in `problems`."""
    file = YamlFile(name)
    try:
        node = None if _is_refused(file, text) else yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as e:
        file.problems.append(Problem(name, _line_of(e, text), _problem(e)))
        return file
    if node is not None:
        file.value = _value(node, (), file)
    elif not file.problems:
        file.report((), "the file is empty")
    return file


def _is_refused(file: YamlFile, text: str) -> bool:
    # Aliases can make a small file enormous, nesting can exhaust the stack: neither gets as far as a tree.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if getattr(event, "anchor", None) is not None:
            message = "anchors and aliases (& and *) are not read; a phrase that begins with one needs quotes"
        elif depth > DEEPEST:
            message = f"nested deeper than {DEEPEST} levels"
        else:
            continue
        file.problems.append(Problem(file.name, _line(event.start_mark), message))
        return True
    return False


def _value(node: yaml.Node, path: Place, file: YamlFile) -> Any:
    file.lines.setdefault(path, _line(node.start_mark))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, file)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, number), file) for number, item in enumerate(node.value)]
    return _scalar(node, path, file)


def _mapping(node: yaml.MappingNode, path: Place, file: YamlFile) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _scalar(key_node, path, file) if isinstance(key_node, yaml.ScalarNode) else None
        line = _line(key_node.start_mark)
        if not isinstance(key, str):
            file.problems.append(Problem(file.name, line, "a key must be text; put it in quotes"))
        elif key in values:
            file.problems.append(Problem(file.name, line, f"{key!r} is here twice; keep one"))
        else:
            file.lines[(*path, key)] = line
            values[key] = _value(value_node, (*path, key), file)
    return values


def _scalar(node: yaml.Node, path: Place, file: YamlFile) -> Any:
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    # The library trusts what a tag promises: "!!float ''" is an IndexError, "!!bool maybe" a KeyError.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError):
        file.report(
            path, f"cannot read {node.value!r:.60} as {node.tag.rpartition(':')[2]}; put it in quotes"
        )
        return None


def _line(mark: Any) -> int:
    return mark.line + 1 if mark is not None else 1


def _line_of(error: yaml.YAMLError, text: str) -> int:
    # A character that no YAML may hold has no mark, but a place in bytes.
    before = text.encode()[: getattr(error, "position", 0)]
    mark = getattr(error, "problem_mark", None)
    return _line(mark) if mark is not None else before.count(b"\n") + 1


_REMEDIES = {
    "cannot start any token": "put it in quotes",
    "mapping values": "put a value with a colon in it in quotes",
    "a tab": "indent with spaces",
    "another document": "one file is one topic; take the --- away, or make another file",
}


def _problem(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    remedy = next((f"; {remedy}" for words, remedy in _REMEDIES.items() if words in problem), "")
    return f"not YAML: {problem.removeprefix('but ')}{remedy}"
