"""What one rulebook gains and loses against another, over reports."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.classify.core.rulebook import Rulebook
from services.classify.core.tag import find_tags
from shared.events import Tag


class Readable(Protocol):
    """A report as far as tags depend on it."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def language(self) -> str | None: ...


@dataclass(slots=True)
class Difference:
    """The reports of a topic that only one of the two tags, each with the tag that the other does not give."""

    gained: list[tuple[Readable, Tag]] = field(default_factory=list)
    lost: list[tuple[Readable, Tag]] = field(default_factory=list)


def differences(reports: Iterable[Readable], ours: Rulebook, theirs: Rulebook) -> Mapping[str, Difference]:
    """Return the difference by topic, topics in their order; none for a topic on which both agree."""
    found: dict[str, Difference] = defaultdict(Difference)
    for report in reports:
        new, old = _tags(report, ours), _tags(report, theirs)
        for topic in new.keys() - old.keys():
            found[topic].gained.append((report, new[topic]))
        for topic in old.keys() - new.keys():
            found[topic].lost.append((report, old[topic]))
    return dict(sorted(found.items()))


def words_of(tag: Tag) -> str:
    """Return the words of a tag's evidence, each once, on one line."""
    return ", ".join(dict.fromkeys(" ".join(piece.text.split()) for piece in tag.evidence))


def _tags(report: Readable, rulebook: Rulebook) -> dict[str, Tag]:
    return {tag.topic: tag for tag in find_tags(report.title, report.text, report.language, rulebook)}
