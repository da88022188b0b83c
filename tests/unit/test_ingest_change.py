"""New, changed, known: told by the marks that were left."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.core.change import (
    Horizon,
    Mark,
    day_of,
    find_changes,
    find_pages,
    find_renamed,
    find_renewals,
    fingerprint,
    page_name,
    page_names,
    read_mark,
    sweep,
)
from services.ingest.core.draft import Draft
from shared.events import Report, Source, published

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
TODAY = day_of(NOW)


def report(**fields: object) -> Draft:
    source = Source(id="f", title="News", feed_url="https://example.org/rss")
    usual = {
        "id": "r",
        "url": None,
        "title": "Talks",
        "published_at": NOW,
        "fetched_at": NOW,
        "source": source,
    }
    made = Report.model_validate(usual | fields)
    said, event = (
        fingerprint(made.title, made.text, made.url),
        published(made, NOW).model_dump_json().encode(),
    )
    return Draft(made.id, said, page_name(made.url), made.published_at, True, event)


def mark(revision: int = 1, said: str = "abc", day: int = TODAY) -> bytes:
    return str(Mark(revision, said, day)).encode()


def told(before: Draft | None, now: Draft, revision: int = 1) -> list[Report]:
    marks = {now.id: mark(revision, before.said)} if before else {}
    return [change.draft.report for change in find_changes([now], marks, NOW).told]


def test_an_entry_that_says_the_same_is_known() -> None:
    assert told(report(), report()) == []


def test_a_change_is_the_next_revision_and_says_what_changed() -> None:
    [changed] = told(report(text="12 fled"), report(text="40 fled", title="Talks fail"), revision=4)
    assert (changed.revision, changed.changed) == (5, ("title", "text"))


NOISE = {
    "spacing": ({"text": "one two"}, {"text": " one\n\n two "}),
    "quotes and dashes": ({"title": '"Flood" - now'}, {"title": "“Flood” — now"}),
    "case": ({"title": "Talks fail"}, {"title": "TALKS FAIL"}),
    "date": ({}, {"published_at": NOW - timedelta(days=1), "updated_at": NOW}),
    "tracking": ({"url": "https://a.b/x"}, {"url": "https://a.b/x?utm_source=rss&fbclid=1"}),
    "scheme": ({"url": "http://www.a.b/x/"}, {"url": "https://a.b/x"}),
    "views": ({"text": "Flood. 1,204 views"}, {"text": "Flood. 1.3K views"}),
    "views, said before": ({"text": "Flood. Views: 12"}, {"text": "Flood. Views: 3000"}),
    "views in another language": ({"text": "Потоп. 12 просмотров"}, {"text": "Потоп. 31 просмотр"}),
    "age": ({"text": "Flood. 5 minutes ago"}, {"text": "Flood. 2 hours ago"}),
}


@pytest.mark.parametrize(("before", "after"), NOISE.values(), ids=NOISE.keys())
def test_noise_is_no_change(before: dict[str, object], after: dict[str, object]) -> None:
    assert told(report(**before), report(**after)) == []


def test_a_mark_that_is_not_ours_never_makes_an_entry_new() -> None:
    for odd in (b"", b"1 abc", b"one abc 5", b"\xff \xff \xff"):
        [change] = find_changes([report()], {"r": odd}, NOW).told
        assert (change.mark.revision, change.draft.report.changed) == (2, ("title", "text", "url"))


def test_what_was_old_when_first_seen_is_marked_and_not_told() -> None:
    since = Horizon(NOW - timedelta(days=7), NOW - timedelta(days=7))
    old = report(published_at=NOW - timedelta(days=8))
    changes = find_changes([old], {}, NOW, since)
    assert changes.told == []
    assert read_mark(changes.untold["r"][1].encode()) == Mark(0, old.said, TODAY)


def test_what_was_not_told_stays_untold_until_it_is_dated_anew() -> None:
    since = Horizon(NOW - timedelta(days=7), NOW - timedelta(days=7))
    marks = {"r": mark(0, report().said)}
    edited = report(text="edited", published_at=NOW - timedelta(days=8))
    assert find_changes([edited], marks, NOW, since).told == []
    [again] = find_changes([report(text="edited")], marks, NOW, since).told
    assert (again.draft.report.revision, again.draft.report.changed, again.is_new) == (1, (), True)


def test_an_entry_told_before_is_told_when_it_changes_however_old_it_is() -> None:
    old = {"published_at": NOW - timedelta(days=90)}
    changes = find_changes([report(text="new", **old)], {"r": mark(1, report().said)}, NOW, Horizon(NOW, NOW))
    assert [change.draft.report.revision for change in changes.told] == [2]


PAGE = "https://example.org/2026/08/04/talks-fail"


def test_an_entry_is_known_by_its_page_when_its_guid_has_changed() -> None:
    before, after = report(id="old", url=PAGE), report(id="new", url=PAGE + "?utm_source=rss")
    names = page_names([before])
    marks = {name: new.encode() for name, (_, new) in find_pages([before], names, {}, TODAY).items()}
    assert find_renamed([after], page_names([after]), marks) == {"new": "old"}


def test_two_entries_of_a_page_are_two_as_long_as_both_are_in_the_feed() -> None:
    both = [report(id="old", url=PAGE), report(id="new", url=PAGE)]
    assert page_names(both) == {}
    assert page_names([report(url="https://example.org/live/")]) == {}


def test_an_entry_whose_old_guid_is_still_there_is_another_one() -> None:
    both = [report(id="old", url="https://example.org/x-y-z"), report(id="new", url=PAGE)]
    names = page_names(both)
    assert find_renamed(both, names, {names["new"]: mark(said="old"), "old": mark()}) == {}


def test_title_text_and_link_are_a_change() -> None:
    prints = {
        report(**change).said for change in ({}, {"title": "x"}, {"text": "x"}, {"url": "https://a.b/"})
    }
    assert len(prints) == 4


def test_changes_come_oldest_first_with_their_revision_set() -> None:
    newer, older = report(id="new"), report(id="old", published_at=NOW - timedelta(hours=1))
    changes = find_changes([newer, older], {"old": mark(2)}, NOW).told
    assert [(change.draft.report.id, change.draft.report.revision, change.seen) for change in changes] == [
        ("old", 3, mark(2)),
        ("new", 1, None),
    ]
    assert changes[1].mark == Mark(1, newer.said, TODAY)


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
