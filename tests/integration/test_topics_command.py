"""`tocsin topics` as an operator runs it, on folders and a real Redis."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.topics import topics
from services.classify.adapters.rulebook_files import RulebookError, catalogue, load_rulebook
from shared.bus import Bus
from shared.names import Names
from tests.builders import make_report, make_tagged, store_reports
from tests.unit.test_rulebook import RULE


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two rulebooks, the first one that of the settings; only the second knows a deluge."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder, text in ((ours, RULE), (theirs, RULE.replace("inundation", "deluge"))):
        folder.mkdir()
        (folder / "floods.yaml").write_text(text)
    monkeypatch.setenv("TOCSIN_TOPICS_DIR", str(ours))
    return ours, theirs


def run(*arguments: str, status: int = 0, typed: str = "") -> str:
    result = CliRunner().invoke(topics, arguments, input=typed)
    assert result.exit_code == status, result.output
    return result.output


def test_check_counts_what_it_ran_and_locks_what_it_finds(folders: tuple[Path, Path]):
    counted, unmeasured = run("check").splitlines()
    assert counted.startswith("1 topics, 1 rules, 2 tests passed; rulebook ")
    assert unmeasured.startswith("not measured as they are now: floods;")
    run("lock")
    (folders[0] / "floods.yaml").write_text(RULE.replace("inundation", "deluge"))
    result = CliRunner().invoke(topics, ["check"])
    assert isinstance(result.exception, RulebookError)
    assert "floods.yaml:6: floods.rivers has changed since version 1" in str(result.exception)
    assert "floods.rivers" in run("list", "--dir", str(folders[1]))


def test_the_figures_of_a_folder_of_ones_own_are_kept_beside_it(folders: tuple[Path, Path]):
    reports = folders[0] / "labelled.jsonl"
    lines = [("A mill flooded", ["floods"]), ("High water again", ["floods"]), ("A dry day", [])]
    rows = (
        json.dumps({"id": number, "title": title, "topics": known})
        for number, (title, known) in enumerate(lines)
    )
    reports.write_text("\n".join(rows))
    assert "precision 1.00, recall 0.50, 2 reports" in run("measure", str(reports))
    assert "not measured" not in run("check")
    [topic] = catalogue(load_rulebook(folders[0]), folders[0])
    assert topic.quality
    assert (topic.quality.recall, topic.quality.reports) == (0.5, 3)


def test_diff_of_lines_says_what_is_gained_and_lost(folders: tuple[Path, Path]):
    # A line separator of Unicode may stand in a JSON string as it is.
    lines = [
        {"id": 1, "title": "A deluge\u2028in the hills"},
        {"id": 2, "title": "Inundation of the plain"},
        {"id": 3, "title": "The river flooded a mill"},
    ]
    reports = folders[0] / "reports.jsonl"
    reports.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    output = run("diff", "--against", str(folders[1]), "--reports", str(reports)).splitlines()
    assert output[0].startswith("3 reports; rulebook ")
    assert output[1:] == [
        "floods: 1 gained, 1 lost",
        "  + 2 Inundation of the plain [Inundation]",
        "  - 1 A deluge in the hills [deluge]",
    ]
    wrong = run("diff", "--against", str(folders[1]), "--reports", "-", typed='{"id": 1}\n[]\n', status=1)
    assert "line 2: Input should be an object" in wrong


def test_diff_looks_at_the_stored_reports(
    folders: tuple[Path, Path], redis_url: str, names: Names, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TOCSIN_REDIS_URL", redis_url)
    monkeypatch.setenv("TOCSIN_KEY_PREFIX", names.prefix)

    async def store() -> None:
        bus = Bus(redis_url, names, "test")
        titles = ("A deluge in the valley", "A dry summer")
        await store_reports(bus, [make_tagged(make_report(title=title)) for title in titles])
        await bus.close()

    asyncio.run(store())
    output = run("diff", "--against", str(folders[1]))
    assert output.startswith("2 reports; ")
    assert "floods: 0 gained, 1 lost" in output
    assert "A deluge in the valley [deluge]" in output
