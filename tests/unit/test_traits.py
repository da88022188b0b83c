"""What tells a report's happening from others in the same wording."""

import pytest

from services.classify.core.traits import Traits, traits_of
from tests.builders import NOW


def traits(title: str, text: str = "", *countries: str) -> Traits:
    return traits_of(title, text, NOW, countries)


def codes(part: str) -> set[str]:
    return {part[at : at + 3] for at in range(0, len(part), 3)}


@pytest.mark.parametrize(
    ("title", "text", "names"),
    [
        ("Talks open in Doha", "", "in Doha"),
        ("Munich airport closed", "Flights at the airport of Munich were halted.", "in Munich"),
        ("Aid Convoy Reaches The Town", "A convoy came to the town of Dilling.", "in Dilling"),
        ("Jets scrambled", "The army sent two F-35 jets.", "an F-35"),
        ("انطلاق محادثات", "انطلقت المحادثات في الدوحة اليوم", "in الدوحة"),
    ],
)
def test_a_name_is_what_has_a_capital_or_a_place_that_names_have(title: str, text: str, names: str):
    assert traits(title, text).names == traits("", names).words


def test_what_begins_a_headline_may_be_a_name():
    found = traits("Munich airport closed")
    assert found.title_names == ""
    assert found.title_starts == traits("", "Munich").words


def test_the_capitals_of_a_headline_in_capitals_say_nothing():
    assert traits("Drone Sightings Close Airport").title_names == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [("удар по Одессе", "взрыв в Одессе"), ("Одессу", "Одесса"), ("Київ", "Київ"), ("Киеве", "Киев")],
)
def test_an_inflected_name_is_the_same_name(one: str, other: str):
    assert codes(traits("", one).capitals) == codes(traits("", other).capitals)


@pytest.mark.parametrize(
    "numbered",
    ["Flash update No. 41", "Update 41", "the 41st swap", "Report #41", "Report №41", "41-й обмін"],
)
def test_the_number_of_a_series_is_firm(numbered: str):
    assert codes(traits(numbered).firm) == codes(traits("of 41").figures)


@pytest.mark.parametrize("figure", ["185 soldiers", "30,000 people", "magnitude 5.2"])
def test_a_large_figure_is_firm(figure: str):
    assert traits(figure).firm == traits(figure).figures != ""


@pytest.mark.parametrize("toll", ["kills 5", "kills five", "fait cinq morts", "mata a cinco"])
def test_a_toll_is_a_figure_in_words_too_and_may_be_corrected(toll: str):
    assert traits(toll).figures == traits("5").figures
    assert traits(toll).firm == ""


@pytest.mark.parametrize(
    "day", ["on Monday", "lundi", "el lunes", "у понеділок", "в понедельник", "يوم الاثنين"]
)
def test_a_day_is_the_same_in_all_languages(day: str):
    assert traits(day).days == traits("Monday").days != ""


def test_arabic_has_no_capitals():
    assert traits("انطلاق محادثات").cased == "0"


def test_what_is_kept_is_short_and_has_each_part():
    written = traits("Talks open in Doha", "Delegations met there. " * 1000, "QA").written
    assert len(written.split(" ")) == len(Traits._fields)
    assert len(written) < 600
