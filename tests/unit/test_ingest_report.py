"""Entries made reports."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.ingest.core.dates import pick_dates
from services.ingest.core.entry import Date, Entry, ParsedFeed, Words
from services.ingest.core.feed import Feed
from services.ingest.core.language import detect_language, language_tag
from services.ingest.core.parse import read_document
from services.ingest.core.report import to_draft
from services.ingest.core.sample import as_of_today
from shared.events import Report, published

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
FEED = Feed(url="https://example.org/rss")


def date(moment: datetime | None) -> Date:
    return Date("as written", moment)


def entry(**fields: object) -> Entry:
    plain = Entry(key="1", title=Words("Talks"), summary=Words("<p>Both sides met.</p>"), published=date(NOW))
    return plain._replace(**fields)  # type: ignore[arg-type]


def report(parsed: ParsedFeed = ParsedFeed(), **fields: object) -> Report:
    made = to_draft(entry(**fields), FEED.origin, parsed, NOW)
    assert made
    return made.report


def test_a_plain_entry_becomes_a_report_without_notes() -> None:
    made = report(link="https://example.org/1", authors=("A. Writer",), language="en-GB")
    assert (made.title, made.text, made.url) == ("Talks", "Both sides met.", "https://example.org/1")
    assert (made.authors, made.language, made.revision) == (("A. Writer",), "en-gb", 1)
    assert (made.published_at, made.fetched_at, made.notes) == (NOW, NOW, ())


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"link": "https://example.org/2026/8/1?a=1&b=2", "authors": ("A", "Б"), "updated": date(NOW)},
        {
            "title": Words('"Quotes" \\ and\ttabs'),
            "content": Words("one\n\ntwo \u2028 \x85 🌊"),
            "published": None,
        },
    ],
)
def test_the_event_of_a_draft_is_what_the_models_make_of_it(fields: dict[str, object]) -> None:
    made = to_draft(entry(**fields), FEED.origin, ParsedFeed(), NOW)
    assert made
    assert made.event.decode() == published(made.report, NOW).model_dump_json()


def test_the_same_entry_is_the_same_report_however_often_it_is_fetched() -> None:
    assert report().id == report(title=Words("Other")).id
    assert report().id != report(key="2").id


def test_content_is_preferred_to_the_summary() -> None:
    made = report(content=Words("<p>All of it.</p>"))
    assert (made.text, made.summary) == ("All of it.", "Both sides met.")


def test_a_script_in_a_title_is_dropped() -> None:
    assert report(title=Words("<script>alert(1)</script>Talks\n go on")).title == "Talks go on"


def test_a_link_that_is_no_web_address_is_left_out_and_said() -> None:
    made = report(link="javascript:alert(1)")
    assert made.url is None
    assert made.notes == ("link: left out, for it is no http or https address",)


def test_an_entry_without_title_is_called_by_its_first_words() -> None:
    made = report(title=Words(""), summary=Words("word " * 100))
    assert made.title.endswith("word…")
    assert len(made.title) <= 120
    assert made.notes == ("title: none given",)


def test_what_is_too_long_is_cut_and_said() -> None:
    made = report(title=Words("t" * 501), content=Words("x" * 200_001), summary=Words("s " * 300))
    assert (len(made.title), len(made.text)) == (500, 200_000)
    assert len(made.summary) <= 500
    assert made.notes == ("text: cut at 200000 characters", "title: cut at 500 characters")


def test_what_was_mended_in_the_feed_is_said_on_the_report() -> None:
    assert report(ParsedFeed(mended="not well-formed XML")).notes == ("feed: not well-formed XML",)


def test_the_source_is_called_by_our_title_then_its_own_then_its_host() -> None:
    parsed = ParsedFeed(title="Their <b>title</b>", home_url="javascript:x")
    titled = to_draft(entry(), Feed(url=FEED.url, title="Ours").origin, parsed, NOW)
    assert titled
    assert titled.report.source.title == "Ours"
    assert report(parsed).source.title == "Their title"
    assert report().source.title == "example.org"
    assert report(parsed).source.home_url is None


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("en_US", "en-us"),
        (" UK ", "uk"),
        ("zh-Hant-TW", "zh-hant-tw"),
        ("English", None),
        ("", None),
        (None, None),
    ],
)
def test_a_language_is_a_tag_or_nothing(written: str | None, tag: str | None) -> None:
    assert language_tag(written) == tag


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Thousands of families fled their homes overnight and reached camps near the border.", "en"),
        ("Des milliers de familles ont fui leurs maisons dans la nuit vers la frontière.", "fr"),
        ("Тисячі родин уночі покинули свої домівки та дісталися таборів біля кордону.", "uk"),
        ("Тысячи семей ночью покинули дома и добрались до лагерей у границы.", "ru"),
        ("فرت آلاف العائلات من منازلها ليلا ووصلت إلى المخيمات قرب الحدود", "ar"),
        ("Venezia 80", None),
        ("12345 " * 20, None),
    ],
)
def test_a_language_that_nobody_names_is_told_by_the_words(text: str, language: str | None) -> None:
    assert detect_language("", text) == language


def test_what_the_feed_says_goes_before_what_the_words_look_like() -> None:
    words = Words("Thousands of families fled their homes overnight and reached the camps.")
    assert report(summary=words, language="nl").language == "nl"
    assert report(summary=words).notes == ("language: none given; told by the words",)


EARLIER = NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("published", "updated", "moment", "note"),
    [
        (EARLIER, None, EARLIER, None),
        (None, EARLIER, EARLIER, None),
        (NOW + timedelta(hours=3), None, NOW, None),
        (None, None, NOW, "date: none given; when it was first seen is taken"),
        (
            datetime(2099, 1, 1, tzinfo=UTC),
            None,
            NOW,
            "date: in the future (2099-01-01); when it was first seen is taken",
        ),
        (
            datetime(2099, 1, 1, tzinfo=UTC),
            EARLIER,
            EARLIER,
            "date: in the future (2099-01-01); when it was updated is taken",
        ),
        (
            datetime(1970, 1, 1, tzinfo=UTC),
            None,
            NOW,
            "date: before 1990 (1970-01-01); when it was first seen is taken",
        ),
    ],
)
def test_the_first_date_that_can_be_true_is_taken(
    published: datetime | None, updated: datetime | None, moment: datetime, note: str | None
) -> None:
    dated = pick_dates(published and date(published), updated and date(updated), NOW)
    assert (dated.published, dated.note) == (moment, note)


def test_a_date_that_is_not_understood_is_said() -> None:
    dated = pick_dates(date(None), None, NOW)
    assert (dated.published, dated.note) == (
        NOW,
        "date: not understood (as written); when it was first seen is taken",
    )


def test_a_sample_is_as_of_now_and_keeps_its_distances() -> None:
    old = [
        entry(key="a", published=date(EARLIER)),
        entry(key="b", published=date(EARLIER - timedelta(hours=2))),
    ]
    newest, second = as_of_today(ParsedFeed(entries=tuple(old)), NOW).entries
    assert newest.published == date(NOW)
    assert second.published == date(NOW - timedelta(hours=2))


def test_the_sample_that_ships_is_clean_recent_and_says_what_it_is() -> None:
    feed = Feed(url="samples/reports.xml", sample=True)
    reading = read_document(Path(feed.url).read_bytes(), None, feed.url, feed.origin, NOW)
    assert len(reading.reports) >= 20
    assert max(report.published_at for report in reading.reports) == NOW
    assert all("This is a sample report that ships with Tocsin" in report.text for report in reading.reports)
    assert {report.language for report in reading.reports} == {"en", "uk", "ru", "fr", "es", "ar"}
    assert not any(report.notes for report in reading.reports)


def test_an_author_who_is_named_twice_is_one() -> None:
    authors = "<author>me@desk.example (Me)</author><dc:creator>Me</dc:creator>"
    body = f"""<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/'><channel><title>News</title>
        <item><title>x</title>{authors}</item></channel></rss>""".encode()
    assert read_document(body, None, FEED.url, FEED.origin, NOW).reports[0].authors == ("Me",)


def test_a_reading_says_what_was_left_out() -> None:
    items = "<item><guid>x</guid></item>" + "".join(f"<item><title>{n}</title></item>" for n in range(501))
    body = f"<rss version='2.0'><channel><title>News</title>{items}</channel></rss>".encode()
    reading = read_document(body, None, FEED.url, FEED.origin, NOW)
    assert len(reading.reports) == 499
    assert "feed: 2 entries left out: only the first 500 are read" in reading.reports[0].notes
    assert reading.notes == (
        "2 entries left out: only the first 500 are read",
        "1 entries without title, text and link left out",
    )
