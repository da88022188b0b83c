"""Stories in Redis: which story a report belongs to, decided and written in one script."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from services.classify.core.figures import Figures
from services.classify.core.sketch import sketch_of
from shared.bus import Bus
from shared.events import Report, Story
from shared.matching.text import Text

WEEK = 7 * 86400
DAY = 86400
_SCRIPT = (Path(__file__).parent / "scripts" / "join_story.lua").read_text()

Question = tuple[Sequence[str], Sequence[str | int]]
"""The keys and arguments of the script, for one report."""
Answer = Any


class StoryIndex:
    """Gives each report its story; a report that is asked for again keeps the one it has.

    What is asked for at the same time goes to Redis together, in the order in which it was asked for.
    """

    def __init__(self, bus: Bus, retention_seconds: int, *, window_seconds: int = WEEK) -> None:
        """Needs no connection yet; the bus has one when a report comes."""
        self._bus = bus
        self._registered: Any = None
        self._lives = (window_seconds, max(retention_seconds, window_seconds) + DAY)
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def join(self, report: Report, figures: Figures | None = None, words: Text | None = None) -> Story:
        """The story of a report: that of the nearest report of the last seven days, or a new one of its own.

        With `figures`, that of a translation if no report of its language is near; `words` if it is cut already.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._question(report, figures, words), answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        story, position, sources = await answer
        return Story(id=story.decode(), position=position, sources=sources)

    def _question(self, report: Report, figures: Figures | None, words: Text | None) -> Question:
        names = self._bus.names
        if words is None or not report.text:
            words = Text.of(report.title, report.text or report.summary)
        sketch = sketch_of(words)
        met = figures.keys if figures else ()
        keys = [names.report(report.id), *map(names.story_band, sketch.bands), *map(names.story_figures, met)]
        about: list[str | int] = [report.id, report.source.id, sketch.value, sketch.agreement]
        about += [*self._lives, names.report(""), names.story(""), len(sketch.bands)]
        if figures:
            about += [figures.language, _enclosed(figures.topics), _enclosed(figures.countries)]
        return keys, about

    async def _ask(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            for (_, waiting), answer in zip(
                asked, await self._answers([each for each, _ in asked]), strict=True
            ):
                if waiting.done():
                    continue
                if isinstance(answer, RedisError):
                    waiting.set_exception(answer)
                else:
                    waiting.set_result(answer)

    async def _answers(self, questions: Sequence[Question]) -> Sequence[Answer | RedisError]:
        pipe = self._bus.redis.pipeline(transaction=False)
        try:
            for keys, args in questions:
                await self._script()(keys=keys, args=args, client=pipe)
            return list(await pipe.execute(raise_on_error=False))
        except RedisError as e:
            return [e] * len(questions)

    def _script(self) -> Any:
        if self._registered is None:
            self._registered = self._bus.redis.register_script(_SCRIPT)
        return self._registered


def _enclosed(words: Iterable[str]) -> str:
    return "," + "".join(f"{word}," for word in words)
