"""Stories in Redis: which story a report belongs to, decided and written in one script."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from services.classify.core.figures import Figures
from services.classify.core.sketch import sketch_of
from shared.bus import Bus
from shared.events import Report, Story

WEEK = 7 * 86400
DAY = 86400
_SCRIPT = (Path(__file__).parent / "scripts" / "join_story.lua").read_text()


class StoryIndex:
    """Gives each report its story; a report that is asked for again keeps the one it has."""

    def __init__(self, bus: Bus, retention_seconds: int, *, window_seconds: int = WEEK) -> None:
        """Needs no connection yet; the bus has one when a report comes."""
        self._bus = bus
        self._registered: Any = None
        self._lives = (window_seconds, max(retention_seconds, window_seconds) + DAY)

    async def join(self, report: Report, figures: Figures | None = None) -> Story:
        """The story of a report: that of the nearest report of the last seven days, or a new one of its own.

        With `figures`, that of a translation if no report of its language is near.
        """
        names = self._bus.names
        sketch = sketch_of(report.title, report.text or report.summary)
        met = figures.keys if figures else ()
        keys = [names.report(report.id), *map(names.story_band, sketch.bands), *map(names.story_figures, met)]
        args = [report.id, report.source.id, sketch.value, sketch.agreement, *self._lives]
        args += [names.report(""), names.story(""), len(sketch.bands)]
        if figures:
            args += [figures.language, _enclosed(figures.topics), _enclosed(figures.countries)]
        story, position, sources = await self._script()(keys=keys, args=args)
        return Story(id=story.decode(), position=position, sources=sources)

    def _script(self) -> Any:
        if self._registered is None:
            self._registered = self._bus.redis.register_script(_SCRIPT)
        return self._registered


def _enclosed(words: Iterable[str]) -> str:
    return "," + "".join(f"{word}," for word in words)
