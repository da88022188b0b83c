"""Words, sentences and the way back to the original characters."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.matching.forms import form_of
from shared.matching.sentences import plain
from shared.matching.text import Span, Text
from shared.matching.words import _WORD, cut


def forms(text: str) -> list[str]:
    return cut(text).forms


def sentences(text: str) -> list[int]:
    words = cut(text)
    return [words.sentence_of(number) for number in range(len(words.forms))]


def test_case_and_punctuation_do_not_matter():
    assert forms("Cease-Fire, now!") == ["cease", "fire", "now"]


def test_a_possessive_is_no_part_of_the_word():
    assert forms("Poland's and Poland’s sky") == ["poland", "and", "poland", "sky"]


def test_initials_are_one_word():
    assert forms("U.N. and U.S.-led") == ["un", "and", "us", "led"]


def test_marks_that_nobody_sees_do_not_cut_a_word():
    assert forms("eva\u00adcu\u200bation") == ["evacuation"]


@pytest.mark.parametrize("apostrophe", ["'", "’", "ʼ", "‘"])
def test_the_ukrainian_apostrophe_is_part_of_the_word(apostrophe: str):
    assert forms(f"перемир{apostrophe}я") == ["перемиря"]


def test_latin_accents_do_not_matter():
    assert forms("Évacués ÉTAT año") == ["evacues", "etat", "ano"]


def test_cyrillic_letters_keep_what_is_above_them():
    assert forms("Київ мой") == ["київ", "мой"]


def test_the_arabic_article_and_vowel_marks_do_not_matter():
    assert forms("والمُساعدات المساعدات مساعدات") == ["مساعدات"] * 3


def test_a_hashtag_is_cut_at_its_underscores():
    assert forms("#border_closed") == ["border", "closed"]


def test_sentences_end_at_stops_and_blank_lines():
    assert sentences("One two. Three! Four\n\nfive") == [0, 0, 1, 2, 3]


@pytest.mark.parametrize("end", [".", "!?", '."'])
def test_a_footnote_mark_does_not_join_sentences(end: str):
    assert sentences(f"It ended{end}[12] Another began") == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("text", ["Stop! he said", "Стой! сказал он", "Où? à Évian"])
def test_a_small_letter_begins_no_sentence(text: str):
    assert set(sentences(text)) == {0}


def test_a_blank_line_after_a_quotation_ends_one_sentence():
    assert sentences("He said: “Stop.”\n\nThey did") == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("text", ["the U.S. Army", "Dr. Smith", "about 5 km. away", "Gen. Omar B. Bradley"])
def test_an_abbreviation_does_not_end_a_sentence(text: str):
    assert set(sentences(text)) == {0}


def test_a_title_is_one_sentence():
    title = Text.of("Stop. Go on", "").title
    assert title.sentence_of(len(title.forms) - 1) == 0


def test_evidence_is_the_original_with_its_capitals_and_marks():
    found = Text.of("", "In ‘Lithuania’s Air\u00adspace’").evidence(Span("text", 1, 2))
    assert (found.field, found.start, found.end, found.text) == ("text", 4, 25, "Lithuania’s Air\u00adspace")


@given(st.text() | st.text(alphabet="aB. \n"), st.data())
def test_evidence_is_always_a_slice_of_the_original(original: str, data: st.DataObject):
    text = Text.of("", original)
    if not text.text.forms:
        return
    last = data.draw(st.integers(0, len(text.text.forms) - 1))
    first = data.draw(st.integers(0, last))
    found = text.evidence(Span("text", first, last))
    assert found.text == original[found.start : found.end] != ""
    assert (found.start, found.end) == (text.text.starts[first], text.text.ends[last])


@given(st.text(alphabet="aÉя'’.!?\n \u00ad\u200b\u0301_[1]عُ"))
def test_every_word_has_a_form_and_sentences_only_grow(original: str):
    words = cut(original)
    assert all(words.forms)
    assert words.sentences == sorted(set(words.sentences))


@pytest.mark.parametrize(
    "piece", [".", "\n ", "a.", "a😀", "a ğ", '."', ".[1]", "a\u200b", "я'", "e\u0301", "\n" + " " * 50]
)
def test_no_text_takes_more_than_its_length_is_worth(piece: str):
    began = time.process_time()
    cut(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 2


ODD = "aAbB.  ’'s_!?\n 1[]\")»éßğЯяє’ʼ`\x7f\u00ad\u200b\u0301عُال–…؟"


@given(st.text(alphabet=ODD) | st.text(alphabet="abS  .,'!?\n_1)") | st.text(), st.booleans())
def test_whole_string_operations_and_word_by_word_give_the_same_words(original: str, one_sentence: bool):
    words = cut(original, one_sentence=one_sentence)
    slowly = list(_WORD.finditer(plain(original)))
    assert words.forms == [form_of(match[1]) for match in slowly]
    assert words.starts == [match.start() for match in slowly]
    assert words.ends == [match.end(1) for match in slowly]
    assert len(words) == len(slowly)


@given(st.text(alphabet=ODD))
def test_a_line_has_one_space_between_words_and_a_newline_between_sentences(original: str):
    words = cut(original)
    sentences = [sentence.split() for sentence in words.line.decode().split("\n")] if words.line else []
    assert all(sentences)
    assert words.line.decode().strip() == " \n ".join(map(" ".join, sentences))


LATIN = "aÉßæğª²½U.N.'s’`_-—…€ \n!A\x7f\x1e\u0301"


@given(
    st.text(alphabet=LATIN)
    | st.lists(st.sampled_from(["U.N.", "Côte", "d’Ivoire", ". A", "\n\n"])).map(" ".join)
)
def test_a_place_in_the_line_leads_back_to_the_words_there(original: str):
    words = cut(original)
    places = list(pairwise([at for at, letter in enumerate(words.line) if letter == ord(" ")]))
    places = [(start, end) for start, end in places if words.line[start + 1 : end] != b"\n"]
    assert [words.where(*place) for place in places] == list(zip(words.starts, words.ends, strict=True))
    for number, (start, end) in enumerate(places):
        written = words.original[words.starts[number] : words.ends[number]]
        assert form_of(words.written(start, end)) == form_of(written) == words.forms[number]
        assert words.begins_small(start) == written[0].islower()
        assert words.begins_a_sentence(start) == (number in [0, *words.sentences])
        ends = [0, *words.sentences, len(places)]
        assert words.before(start) == (places[number - 1] if number not in ends else None)
        assert words.after(end) == (places[number + 1] if number + 1 not in ends else None)
        assert words.numbers_at([start]) == [number]
        assert words.steps(places[0][0], start) == number
