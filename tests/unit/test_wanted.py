"""The subscriptions that want a report: the same that a look at each alone would find."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.notify.core.wanted import Wanted
from shared.endpoints import WebhookEndpoint
from shared.events import Country, Report, RuleReference, Source, Story, Tag, TaggedReport
from shared.subscriptions import CompiledFilter, Filter, Subscription, document_of, find_match

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TOPICS = ["aid", "aid/military", "displacement"]
QUERIES = [None, "aid", "aid -tents", "topic:aid OR tents", "convoy NEAR/2 aid", "country:ua aid"]


def make_subscription(number: int, wanted: Filter, state: str = "active") -> Subscription:
    return Subscription(
        id=f"s{number}",
        filter=wanted,
        channel=WebhookEndpoint(type="webhook", url="https://example.org/hook"),
        state=state,
        token_hash="",
        created_at=NOW,
        changed_at=NOW,
    )


def make_tagged(text: str, topics: list[str], countries: list[str], language: str | None) -> TaggedReport:
    rule = RuleReference(id="rule", version=1)
    return TaggedReport(
        report=Report(
            id="r", url=None, title="", text=text, language=language, published_at=NOW, fetched_at=NOW,
            source=Source(id="feed", title="Feed", feed_url="https://example.org/feed"),
        ),
        tags=tuple(Tag(topic=topic, score=1, rule=rule, evidence=()) for topic in topics),
        countries=tuple(Country(code=code) for code in countries),
        story=Story(id="r", position=1, sources=1),
        rulebook="1",
    )  # fmt: skip


def found(wanted: Wanted, text: str) -> list[str]:
    return [terms.id for terms in wanted.find(document_of(make_tagged(text, [], [], None)))]


def some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True)


fields = st.fixed_dictionaries(
    {
        "topics": some(TOPICS),
        "query": st.sampled_from(QUERIES),
        "languages": some(["en", "uk", "en-GB"]),
        "sources": some(["feed", "other"]),
        "countries": some(["UA", "PL"]),
    }
)
filters = fields.filter(lambda given: given["topics"] or given["query"] or given["sources"]).map(
    lambda given: Filter(**given)
)
tagged_reports = st.builds(
    make_tagged,
    st.sampled_from(["", "Aid.", "The aid convoy left with tents.", "Tents."]),
    some(TOPICS),
    some(["UA", "PL"]),
    st.sampled_from([None, "en", "en-US", "uk"]),
)


@given(st.lists(filters, max_size=6), st.lists(tagged_reports, min_size=1, max_size=3))
def test_together_they_are_found_as_each_is_alone(listed: list[Filter], read: list[TaggedReport]):
    wanted = Wanted()
    for number, each in enumerate(listed):
        wanted.put(make_subscription(number, each))
    for tagged in read:
        alone = {
            f"s{number}"
            for number, each in enumerate(listed)
            if find_match(CompiledFilter.of(each), tagged, document_of(tagged))
        }
        assert {terms.id for terms in wanted.find(document_of(tagged))} == alone


def test_one_that_is_paused_dropped_or_changed_is_found_so_no_more():
    wanted, aid = Wanted(), Filter(query="aid")
    for number in range(4):
        wanted.put(make_subscription(number, aid))
    found(wanted, "")
    wanted.put(make_subscription(0, aid, state="paused"))
    wanted.put(make_subscription(1, Filter(query="tents")))
    wanted.drop("s2")
    assert found(wanted, "Aid.") == ["s3"]
    assert len(wanted) == 2


def test_one_that_is_dropped_and_put_again_is_found():
    wanted = Wanted()
    wanted.drop("s0")
    wanted.put(make_subscription(0, Filter(query="aid")))
    assert found(wanted, "Aid.") == ["s0"]
