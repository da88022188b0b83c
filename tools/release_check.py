"""Is this tree fit for a release? `make release-check` runs it; every finding at once, exit status 1 if there is one.

Looked at: nothing uncommitted; one version everywhere; the changelog names it; schemas break nothing that the last
release promised; every command that the documents name exists.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import typer.main

ROOT = Path(__file__).parent.parent
DOCS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", *(str(path) for path in Path("docs").glob("*.md")))


def main() -> int:
    """Print what is wrong."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    found = [*_uncommitted(), *_changelog(version), *_schemas(), *_commands()]
    for line in found:
        print(line, file=sys.stderr)
    print(f"release-check: {version}: {len(found) or 'nothing'} wrong")
    return 1 if found else 0


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout


def _uncommitted() -> Iterator[str]:
    if changed := _git("status", "--porcelain"):
        yield f"not committed: {', '.join(line[3:] for line in changed.splitlines())}"


def _changelog(version: str) -> Iterator[str]:
    newest = re.search(r"^## (\S+) - (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    if newest is None or newest[1] != version:
        yield f"CHANGELOG.md does not begin with {version}, which pyproject.toml names"
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", newest[2]):
        yield f"CHANGELOG.md: {version} has no date, it says {newest[2]!r}"


def _schemas() -> Iterator[str]:
    """Schemas only ever gain optional fields; a breaking change is a new stream."""
    tag = _git("describe", "--tags", "--abbrev=0", "--match", "v*").strip()
    for path in sorted((ROOT / "docs" / "schemas").glob("*.v*.json")) if tag else ():
        before = _git("show", f"{tag}:docs/schemas/{path.name}")
        if before:
            yield from _broken(path.name, json.loads(before), json.loads(path.read_text()))


def _broken(where: str, old: dict[str, object], new: dict[str, object]) -> Iterator[str]:
    """What a reader of the old schema could miss in the new one."""
    old_fields, new_fields = _fields(old), _fields(new)
    for name, kind in old_fields.items():
        if name not in new_fields:
            yield f"{where}: {name} is gone"
        elif new_fields[name] != kind:
            yield f"{where}: {name} was {kind}, and is {new_fields[name]}"


def _fields(schema: dict[str, object], prefix: str = "") -> dict[str, str]:
    """Every property of a schema and its definitions, with what it may be."""
    fields: dict[str, str] = {}
    for name, part in dict(schema.get("properties", {})).items():  # type: ignore[call-overload]
        shape = {key: part[key] for key in ("type", "$ref", "anyOf", "items", "enum") if key in part}
        fields[f"{prefix}{name}"] = json.dumps(shape, sort_keys=True)
    for name, part in dict(schema.get("$defs", {})).items():  # type: ignore[call-overload]
        fields |= _fields(part, f"{name}.")
    return fields


def _commands() -> Iterator[str]:
    """`tocsin …` and `make …` in the documents, against those that exist."""
    from cli import main as command

    command._add_groups()
    group = typer.main.get_command(command.app)
    known = {name: set(getattr(each, "commands", {})) for name, each in group.commands.items()}  # type: ignore[attr-defined]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCS:
        text = (ROOT / path).read_text()
        for name, more in re.findall(
            r"(?:^\s+|`)tocsin ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", text, re.MULTILINE
        ):
            if name not in known or (more and known[name] and more not in known[name]):
                yield f"{path}: there is no `tocsin {name} {more}`"
        for name in re.findall(r"(?:^\s+|`)make ([a-z-]+)", text, re.MULTILINE):
            if name not in targets:
                yield f"{path}: there is no `make {name}`"


if __name__ == "__main__":
    sys.exit(main())
