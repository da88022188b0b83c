"""Which figures of a report would be known again in another language."""

import pytest

from services.classify.core.figures import figures_of, numbers_of
from shared.events import Country, TaggedReport
from tests.builders import make_report, make_tagged


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1,968 prisoners", "1968"),
        ("1 968 prisonniers", "1968"),
        ("1\u202f968 prisonniers", "1968"),
        ("1.968 presos", "1968"),
        ("11.5 billion", "11.5"),
        ("11,5 млрд", "11.5"),
        ("٦٢٢٦٣ نازحا", "62263"),
        ("$53bn", "53"),
    ],
)
def test_a_number_is_the_same_however_it_is_written(written: str, number: str):
    assert numbers_of(written, day=14) == [number]


@pytest.mark.parametrize(
    "written",
    ["in 2026", "on March 14", "at 18:30", "three", "5", "an F-16", "40:38", "200", "عام ٢٠٢٦", "7" * 5000],
)
def test_what_any_report_of_a_day_may_say_tells_nothing(written: str):
    assert numbers_of(written, day=14) == []


def told(title: str, *countries: str) -> TaggedReport:
    found = make_tagged(make_report(title=title, text=""))
    return found.model_copy(
        update={"tags": (), "countries": tuple(Country(code=code, evidence=()) for code in countries)}
    )


def test_one_long_number_is_a_key_and_so_are_two_of_two_digits():
    figures = figures_of(told("Moscow returns 1,212 bodies, receives 27", "RU", "UA"))
    assert figures is not None
    day = "2026-03-14"
    assert figures.keys == (f"{day}:1212", f"{day}:1212:27")


def test_a_report_about_no_country_meets_no_translation():
    assert figures_of(told("A record of 1,212 points")) is None


def test_a_single_short_number_is_no_key():
    assert figures_of(told("Kharkiv: 19 wounded", "UA")) is None
