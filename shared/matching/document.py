"""A report as conditions see it: its words, and what is known of it beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.events import Evidence
from shared.matching.text import Text

Facts = Mapping[str, tuple[Evidence, ...]]
"""By key (`topic:aid`), the words that speak for it."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text and the facts of its report. A topic's subtopics make the topic itself hold."""

    text: Text
    facts: Facts = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        text: Text,
        *,
        topics: Mapping[str, Sequence[Evidence]] | None = None,
        countries: Mapping[str, Sequence[Evidence]] | None = None,
        language: str | None = None,
        source: str | None = None,
    ) -> "Document":
        """The document of a tagged report: topics and countries (ISO 3166) with their evidence."""
        facts: dict[str, tuple[Evidence, ...]] = {}
        for topic, evidence in (topics or {}).items():
            for name in {topic, topic.partition("/")[0]}:
                key = topic_key(name)
                facts[key] = (*facts.get(key, ()), *evidence)
        facts |= {country_key(country): tuple(evidence) for country, evidence in (countries or {}).items()}
        if language:
            facts[language_key(language)] = ()
        if source:
            facts[source_key(source)] = ()
        return cls(text, facts)


def topic_key(topic: str) -> str:
    return f"topic:{topic.lower()}"


def country_key(country: str) -> str:
    return f"country:{country.upper()}"


def language_key(language: str) -> str:
    """Of the language itself: en-GB is en."""
    return f"language:{language.partition('-')[0].lower()}"


def source_key(source: str) -> str:
    return f"source:{source}"
