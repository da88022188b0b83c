"""New, changed, known: told by the marks that were left."""

from datetime import UTC, datetime, timedelta

from services.ingest.core.change import (
    Mark,
    Revision,
    day_of,
    find_changes,
    find_renewals,
    fingerprint,
    read_mark,
    revision_of,
    sweep,
)
from shared.events import Report, Source

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
TODAY = day_of(NOW)


def report(**fields: object) -> Report:
    source = Source(id="f", title="News", feed_url="https://example.org/rss")
    usual = {
        "id": "r",
        "url": None,
        "title": "Talks",
        "published_at": NOW,
        "fetched_at": NOW,
        "source": source,
    }
    return Report.model_validate(usual | fields)


def mark(revision: int = 1, said: str = "abc", day: int = TODAY) -> bytes:
    return str(Mark(revision, said, day)).encode()


def test_an_entry_without_mark_is_new() -> None:
    revision = revision_of(None, "abc")
    assert revision == Revision(1)
    assert revision.is_new


def test_an_entry_that_says_the_same_is_known() -> None:
    assert revision_of(mark(said="abc"), "abc") is None


def test_an_entry_that_says_something_else_is_the_next_revision() -> None:
    revision = revision_of(mark(4, "abc"), "xyz")
    assert revision == Revision(5)
    assert not revision.is_new


def test_a_mark_that_is_not_ours_never_makes_an_entry_new() -> None:
    for odd in (b"", b"1 abc", b"one abc 5", b"\xff \xff \xff"):
        assert revision_of(odd, "abc") == Revision(2)


def test_a_mark_reads_as_it_was_written() -> None:
    assert read_mark(mark(3, "abc", 7)) == Mark(3, "abc", 7)


def test_spacing_and_dates_are_no_change() -> None:
    usual = fingerprint(report(text="one two"))
    assert fingerprint(report(text=" one\n\n two ", published_at=NOW - timedelta(days=1))) == usual


def test_title_text_and_link_are_a_change() -> None:
    prints = {
        fingerprint(report(**change))
        for change in ({}, {"title": "x"}, {"text": "x"}, {"url": "https://a.b/"})
    }
    assert len(prints) == 4


def test_changes_come_oldest_first_with_their_revision_set() -> None:
    newer, older = report(id="new"), report(id="old", published_at=NOW - timedelta(hours=1))
    changes = find_changes([newer, older], {"old": mark(2)}, NOW)
    assert [(change.report.id, change.report.revision, change.seen) for change in changes] == [
        ("old", 3, mark(2)),
        ("new", 1, None),
    ]
    assert changes[1].mark == Mark(1, fingerprint(newer), TODAY)


def test_known_reports_are_no_changes() -> None:
    known = report()
    assert find_changes([known], {"r": mark(said=fingerprint(known))}, NOW) == []


def test_marks_are_renewed_once_a_day() -> None:
    renewals = find_renewals({"a": mark(day=TODAY), "b": mark(day=TODAY - 1)}, TODAY)
    assert renewals == {"b": (mark(day=TODAY - 1), mark(day=TODAY).decode())}


def test_entries_are_forgotten_a_month_after_they_left_the_feed() -> None:
    marks = {"present": mark(day=TODAY - 50), "gone": mark(day=TODAY - 31), "recent": mark(day=TODAY - 30)}
    swept = sweep(marks, {"present"}, last_read=TODAY - 1, today=TODAY)
    assert swept.forget == ["gone"]


def test_a_feed_that_stood_still_for_months_forgets_nothing_on_its_next_entry() -> None:
    marks = {"was in it until now": mark(day=TODAY - 90)}
    swept = sweep(marks, set(), last_read=TODAY - 90, today=TODAY)
    assert (swept.forget, swept.renew) == ([], ["was in it until now"])
