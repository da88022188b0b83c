"""Which reports are near each other."""

from services.classify.core.sketch import Sketch, sketch_of
from shared.matching.text import Text

WIRE = "Rescuers pulled forty people from the river near Albrück on Tuesday after a ferry struck a sandbank in fog."


def sketch(title: str, text: str) -> Sketch:
    return sketch_of(Text.of(title, text))


def agreement_of(one: Sketch, other: Sketch) -> int:
    """In how many of their 32 places two sketches are equal."""
    assert len(one.value) == len(other.value) == 128
    return sum(one.value[at : at + 4] == other.value[at : at + 4] for at in range(0, 128, 4))


def test_the_same_words_agree_throughout():
    assert agreement_of(sketch("Ferry runs aground", WIRE), sketch("Ferry runs aground", WIRE)) == 32


def test_a_retold_report_agrees_enough_and_shares_a_band():
    one = sketch("Ferry runs aground in fog, forty rescued", WIRE)
    other = sketch("Forty rescued as ferry runs aground", WIRE.replace("Rescuers pulled", "Crews brought"))
    assert agreement_of(one, other) >= one.agreement
    assert set(one.bands) & set(other.bands)


def test_another_happening_does_not_agree():
    other = sketch(
        "Bridge opens in Albrück",
        "The mayor cut the ribbon on Tuesday and thanked the builders of the bridge.",
    )
    assert agreement_of(sketch("Ferry runs aground", WIRE), other) < other.agreement


def test_an_inflected_word_is_the_same_word():
    assert sketch("Евакуація громади триває сьогодні", "") == sketch("Евакуації громаді триває сьогодні", "")


def test_a_few_words_are_too_few_to_tell():
    assert sketch("Live", "").bands == ()


def test_only_the_beginning_of_a_text_counts():
    assert sketch("Ferry", WIRE * 10) == sketch("Ferry", WIRE * 10 + " And then the mayor spoke at length.")
