"""Which language a report is written in."""

import pytest

from services.classify.core.language import language_of
from shared.matching.text import Text


@pytest.mark.parametrize(
    ("title", "language"),
    [
        ("Villagers leave the valley after the flood", "en"),
        ("Мешканці залишають долину після повені", "uk"),
        ("Жители покидают долину после наводнения", "ru"),
        ("Дом у реки", "ru"),
        ("Les villageois sont partis dans la nuit", "fr"),
        ("Los vecinos del valle se van por la noche", "es"),
        ("السكان يغادرون الوادي", "ar"),
    ],
)
def test_script_letters_and_small_words_tell(title: str, language: str):
    assert language_of(Text.of(title, ""), None) == language
