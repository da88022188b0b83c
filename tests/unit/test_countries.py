"""Which countries a report is about: the shipped gazetteer on reports of our own, and the rules it follows."""

import hashlib
import json
from pathlib import Path

import pytest

from services.classify.adapters.gazetteer_file import FILE, load_gazetteer
from services.classify.core.countries import needed
from services.classify.core.rulebook import Rulebook, compile_rulebook
from services.classify.core.tag import find_all
from shared.events import Country

LABELLED = [
    json.loads(line) for line in (Path(__file__).parent / "labelled/countries.jsonl").read_text().splitlines()
]
SOURCES = Path(__file__).parent.parent.parent / "tools/gazetteer"
FILLER = "The council met and spoke of other things for a while. " * 60


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return compile_rulebook([], load_gazetteer())


def countries(rulebook: Rulebook, title: str, text: str = "") -> list[Country]:
    return list(find_all(title, text, None, rulebook).countries)


def codes(rulebook: Rulebook, title: str, text: str = "") -> set[str]:
    return {country.code for country in countries(rulebook, title, text)}


def test_on_labelled_reports_precision_is_95_percent_and_recall_90(rulebook: Rulebook):
    found = [(codes(rulebook, row["title"], row["text"]), set(row["countries"])) for row in LABELLED]
    hits = sum(len(ours & theirs) for ours, theirs in found)
    wrong = [
        (row["title"], ours, theirs)
        for row, (ours, theirs) in zip(LABELLED, found, strict=True)
        if ours != theirs
    ]
    assert len(LABELLED) >= 100
    assert hits >= 0.95 * sum(len(ours) for ours, _ in found), wrong
    assert hits >= 0.90 * sum(len(theirs) for _, theirs in found), wrong


def test_evidence_is_cut_out_of_the_original(rulebook: Rulebook):
    title, text = "Київ: нові генератори", "Des drones près de Zaporijjia; غزة، وسوريا"
    for country in countries(rulebook, title, text):
        for piece in country.evidence:
            assert {"title": title, "text": text}[piece.field][piece.start : piece.end] == piece.text


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Jordan Henderson signs for a club", set()),
        ("Visitors from Jordan arrive", {"JO"}),
        ("Georgia on my mind, sings Georgia Smith", {"GE"}),
        ("The Congo River bursts its banks", set()),
        ("Congo and Congo-Brazzaville share a river, Kinshasa says", {"CD", "CG"}),
        ("Sultan of Oman visits Amman", {"OM", "JO"}),
        ("American football season opens", set()),
        ("A letter from North Korea", {"KP"}),
        ("Niger and Nigeria reopen border", {"NE", "NG"}),
        ("Floods in Niger state, Nigerian rescuers say", {"NG"}),
        ("Two Koreas exchange fire", {"KP", "KR"}),
        ("Storm hits Naples, Florida", {"US"}),
        ("Train derails in East Palestine", {"US"}),
        ("Crash on Jamaica Avenue injures five people", set()),
        ("Un immeuble de la Rue de Londres s'effondre", set()),
        ("Dans une rue de Gaza, des tirs", {"PS"}),
        ("The crew of HMS Ireland is safe", set()),
        ("Teen learns Japanese in a month", set()),
        ("Méthode en français facile", set()),
        ("Chinese takeaway fined over rats", set()),
        ("Грузинская кухня в моде", set()),
        ("Dominican police seize cocaine", {"DO"}),
        ("Dominica tells Dominican police to go", {"DM"}),
        ("Chinese Taipei walks out", {"TW"}),
    ],
)
def test_names_have_their_sense(rulebook: Rulebook, title: str, expected: set[str]):
    assert codes(rulebook, title) == expected


def test_a_passing_mention_in_a_long_report_is_none_but_several_are(rulebook: Rulebook):
    assert codes(rulebook, "Council meets", FILLER + "A guest had come from Peru.") == set()
    assert codes(rulebook, "Council meets", FILLER + "A guest had come from Peru. " * 8) == {"PE"}


def test_a_country_of_the_title_counts_however_long_the_report(rulebook: Rulebook):
    assert codes(rulebook, "Peru council meets", FILLER * 5) == {"PE"}


def test_a_word_of_another_language_is_no_country(rulebook: Rulebook):
    assert codes(rulebook, "The writer has said that of the tinta china and the rusa of it") == set()


def test_what_is_needed_grows_by_one_with_each_doubling():
    assert [needed(words) for words in (0, 100, 200, 800)] == [1, 1, 2, 4]


def test_the_committed_gazetteer_is_what_its_sources_say():
    content = b"".join((SOURCES / name).read_bytes() for name in ("names.txt", "peoples.txt", "traps.yaml"))
    assert json.loads(FILE.read_text())["sources"] == hashlib.sha256(content).hexdigest()[:16]
