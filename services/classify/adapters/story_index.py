"""Stories in Redis: which story a report belongs to, decided and written in one script."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from services.classify.core.figures import Figures
from services.classify.core.sketch import NEAR, sketch_of
from services.classify.core.traits import HOURS, traits_of
from shared.bus import Bus
from shared.events import Report, Story
from shared.matching.text import Text
from shared.together import Together, script

WEEK = 7 * 86400
_SCRIPT = script((Path(__file__).parent / "scripts" / "join_story.lua").read_text())

Question = tuple[Sequence[str], Sequence[str | int]]
"""The keys and arguments of the script, for one report."""


class StoryIndex:
    """Gives each report its story; a report that is asked for again keeps the one it has.

    What is asked for at the same time goes to Redis together, in the order in which it was asked for.
    """

    def __init__(self, bus: Bus, *, window_seconds: int = WEEK) -> None:
        """Needs no connection yet; the bus has one when a report comes."""
        self._bus = bus
        self._together = Together(bus.redis)
        # A report that is kept no more cannot be compared with.
        self._lives = (min(window_seconds, bus.kept_seconds), bus.kept_seconds)

    async def join(
        self,
        report: Report,
        figures: Figures | None = None,
        words: Text | None = None,
        countries: Iterable[str] = (),
    ) -> Story:
        """The story of a report: that of the nearest report of the last seven days, or a new one of its own.

        With `figures`, that of a translation if no report of its language is near; `words` if it is cut already;
        `countries` are those that it is about.
        """
        keys, about = self._question(report, figures, words, countries)
        story, position, sources = await self._together.run(_SCRIPT, keys, about)
        return Story(id=story.decode(), position=position, sources=sources)

    def _question(
        self, report: Report, figures: Figures | None, words: Text | None, countries: Iterable[str]
    ) -> Question:
        names = self._bus.names
        if words is None or not report.text:
            words = Text.of(report.title, report.text or report.summary)
        sketch = sketch_of(words)
        traits = traits_of(report.title, report.text or report.summary, report.published_at, countries)
        met = figures.keys if figures else ()
        keys = [names.report(report.id), *map(names.story_band, sketch.bands), *map(names.story_figures, met)]
        about: list[str | int] = [report.id, report.source.id, sketch.value, sketch.agreement]
        about += [*self._lives, names.report(""), names.story(""), len(sketch.bands)]
        about += [traits.written, NEAR, HOURS]
        if figures:
            about += [figures.language, _enclosed(figures.topics), _enclosed(figures.countries)]
        return keys, about


def _enclosed(words: Iterable[str]) -> str:
    return "," + "".join(f"{word}," for word in words)
