"""Reports of the same happening share a story, on a real Redis."""

import asyncio
import json
from itertools import combinations
from pathlib import Path

from redis.exceptions import ResponseError

from services.classify.adapters.rulebook_files import load_rulebook
from services.classify.adapters.story_index import StoryIndex
from services.classify.core.figures import Figures, figures_of
from services.classify.core.tag import tag_report
from shared.bus import Bus
from shared.events import Report, Source, Story
from tests.builders import make_report

TEXT = "Rescuers pulled forty people from the river near Albrück on Tuesday after a ferry struck a sandbank in fog."


def ferry(feed: str, **more: object) -> Report:
    source = Source(id=feed, title=feed, feed_url=f"https://{feed}.example.org/feed")
    values: dict[str, object] = {"title": "Ferry runs aground, forty rescued", "text": TEXT, "source": source}
    return make_report(**(values | more))  # type: ignore[arg-type]


def seen(story: Story) -> tuple[str, int, int]:
    return story.id, story.position, story.sources


async def test_reports_of_the_same_happening_share_a_story_across_feeds(bus: Bus):
    index, first = StoryIndex(bus), ferry("one")
    stories = [
        await index.join(report)
        for report in (first, ferry("two"), ferry("one", title="Ferry aground: forty rescued"))
    ]
    assert [seen(story) for story in stories] == [(first.id, 1, 1), (first.id, 2, 2), (first.id, 3, 2)]


async def test_a_single_report_is_a_story_of_one(bus: Bus):
    other = make_report(
        title="Bridge opens in Albrück", text="The mayor cut the ribbon and thanked the builders."
    )
    index = StoryIndex(bus)
    await index.join(ferry("one"))
    assert seen(await index.join(other)) == (other.id, 1, 1)


async def test_a_revision_stays_in_its_story_whatever_it_says_now(bus: Bus):
    index, first, second = StoryIndex(bus), ferry("one"), ferry("two")
    await index.join(first)
    await index.join(second)
    changed = second.model_copy(
        update={"revision": 2, "title": "Correction of the tide tables", "text": "None was hurt."}
    )
    assert seen(await index.join(changed)) == (first.id, 2, 2)


async def test_a_report_that_is_read_again_is_not_counted_again(bus: Bus):
    index, report = StoryIndex(bus), ferry("one")
    assert await index.join(report) == await index.join(report)


async def test_reports_without_words_do_not_meet(bus: Bus):
    index = StoryIndex(bus)
    reports = [ferry(feed, title="", text="") for feed in ("one", "two")]
    assert [(await index.join(report)).id for report in reports] == [report.id for report in reports]


async def test_a_story_of_long_ago_is_not_found(bus: Bus):
    index, late = StoryIndex(bus, window_seconds=1), ferry("two")
    await index.join(ferry("one"))
    async with asyncio.timeout(10):
        while await bus.redis.keys(bus.names.story_band("*")):
            await asyncio.sleep(0.05)
    assert (await index.join(late)).id == late.id


async def test_reports_at_the_same_moment_are_one_story(bus: Bus):
    index, reports = StoryIndex(bus), [ferry(f"feed{n}") for n in range(20)]
    stories = await asyncio.gather(*map(index.join, reports))
    assert len({story.id for story in stories}) == 1
    assert [story.position for story in stories] == list(range(1, 21))


async def test_one_that_fails_fails_alone(bus: Bus):
    index, reports = StoryIndex(bus), [ferry(f"feed{n}") for n in range(3)]
    await bus.redis.set(bus.names.report(reports[1].id), "not a hash")
    first, second, third = await asyncio.gather(*map(index.join, reports), return_exceptions=True)
    assert isinstance(first, Story)
    assert isinstance(second, ResponseError)
    assert isinstance(third, Story)


SWAP = Figures("en", ("2026-03-14:185",), ("negotiations",), ("UA",))


async def test_a_translation_with_the_same_figures_joins_the_story(bus: Bus):
    index, first = StoryIndex(bus), ferry("one")
    second = ferry("two", title="Додому повернулися 185 військових", text="Серед них захисники Маріуполя.")
    await index.join(first, SWAP)
    story = await index.join(second, SWAP._replace(language="uk", topics=(), countries=("RU", "UA")))
    assert seen(story) == (first.id, 2, 2)


async def test_the_same_figures_in_the_same_language_on_another_topic_or_elsewhere_are_another_story(
    bus: Bus,
):
    index = StoryIndex(bus)
    await index.join(ferry("one"), SWAP)
    for title, others in {
        "Harbour museum opens its doors": SWAP,
        "Growers expect a poor apple season": SWAP._replace(language="uk", topics=("aid",)),
        "Cyclists finish the mountain stage": SWAP._replace(language="uk", countries=("SD",)),
    }.items():
        alone = make_report(title=title, text="")
        assert (await index.join(alone, others)).id == alone.id


async def test_translations_meet_and_what_is_near_stays_apart(bus: Bus):
    """44 happenings of one day, many of them in the same city, told in two languages or more."""
    file = Path(__file__).parent.parent / "unit/labelled/translations.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    index, rulebook, told = StoryIndex(bus), load_rulebook(), []
    for row in rows:
        report = make_report(title=row["title"], text=row["text"], language=row["language"])
        story = await index.join(report, figures_of(tag_report(report, rulebook)))
        told.append((row["happening"], row["language"], story.id))
    pairs = [(one, other) for one, other in combinations(told, 2) if one[1] != other[1]]
    true = [one[2] == other[2] for one, other in pairs if one[0] == other[0]]
    false = [one[2] == other[2] for one, other in pairs if one[0] != other[0]]
    assert len(true) >= 40
    assert len(false) >= 200
    assert sum(true) >= 0.5 * len(true)
    assert not any(false)
