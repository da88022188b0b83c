"""Settings of classify."""

from pathlib import Path

from shared.settings import ServiceSettings


class ClassifySettings(ServiceSettings):
    """`topics_dir` replaces the rulebook that ships with Tocsin."""

    topics_dir: Path | None = None
