"""Cursors: ids of the stream, moments, and what an address asks for."""

from datetime import UTC, datetime

import pytest

from services.api.core.asked import read_asked
from services.api.core.problem import Problem
from services.api.core.stream_place import (
    BEGINNING,
    PlaceError,
    StreamPlace,
    place_at,
    read_moment,
    read_place,
)
from services.api.core.wording import visible

KNOWN = {"topics": ("aid", "aid/military", "displacement"), "countries": ("SD", "TD")}


@pytest.mark.parametrize(("written", "place"), [("5-3", (5, 3)), (b"5-3", (5, 3)), ("5", (5, 0))])
def test_an_id_is_read(written, place):
    assert read_place(written) == place


@pytest.mark.parametrize("written", ["", "x", "5-", "-5", "5-3-1", "9" * 40, "５-３"])
def test_what_is_no_id_is_refused(written):
    with pytest.raises(PlaceError):
        read_place(written)


def test_ids_are_ordered_as_numbers():
    assert read_place("9-10") > read_place("9-9")
    assert read_place("10-0") > read_place("9-9")


def test_before_an_entry_is_the_cursor_after_which_it_is_the_first():
    assert StreamPlace(5, 3).before == (5, 2)
    assert str(StreamPlace(5, 0).before) == "4-18446744073709551615"
    assert BEGINNING.before == BEGINNING


@pytest.mark.parametrize(
    "written", ["2026-03-14T09:30:00Z", "2026-03-14T10:30:00+01:00", "2026-03-14T10:30:00 01:00"]
)
def test_a_moment_is_read_with_its_offset(written):
    assert read_moment(written) == datetime(2026, 3, 14, 9, 30, tzinfo=UTC)


def test_a_day_is_its_beginning():
    assert place_at(read_moment("2026-03-14")) < place_at(read_moment("2026-03-14T00:00:01Z"))


@pytest.mark.parametrize(
    "written", ["soon", "2026-13-01", "2026-03-14T25:00:00Z", "0001-01-01T00:00:00+23:59"]
)
def test_what_is_no_moment_is_refused(written):
    with pytest.raises(PlaceError):
        read_moment(written)


def test_topics_and_countries_may_come_several_times_or_with_commas():
    asked = read_asked([("topic", "aid"), ("topics", "displacement, aid"), ("country", "sd,td")], **KNOWN)
    assert asked.topics == ("aid", "displacement")
    assert asked.countries == ("SD", "TD")
    assert asked.filter.topics == asked.topics


def test_nothing_asked_is_no_filter():
    assert read_asked([("topic", ""), ("q", " ")], **KNOWN).filter is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (("topic", "floods"), "topic"),
        (("country", "Sudan"), "country"),
        (("q", "aid OR"), "q"),
        (("q", "x" * 2001), "q"),
        (("severity", "3"), "severity"),
        (("country", ",".join(["SD"] * 51)), "country"),
    ],
)
def test_what_is_not_known_is_named(given, field):
    with pytest.raises(Problem) as caught:
        read_asked([given], **KNOWN)
    assert caught.value.errors[0].field == field


def test_what_cannot_be_seen_is_left_out_and_nothing_else():
    assert visible("a\u202eb\x00c\ufeff\U000e0041") == "abc"
    assert visible("خبر\u200f عاجل\n\t👩\u200d🚒") == "خبر\u200f عاجل\n\t👩\u200d🚒"
    assert visible(7) == 7
