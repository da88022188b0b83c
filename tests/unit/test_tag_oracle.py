"""Tags as they are found, by the bits of sentences, beside tags found slowly: word by word, rule by rule."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.classify.core.reading import LEAD_FACTOR, LEAD_SENTENCES, required
from services.classify.core.rulebook import MASK, Condition, Rule, Topic, compile_rulebook
from services.classify.core.tag import find_tags
from shared.matching import oracle
from shared.matching.document import Document
from shared.matching.expression import Phrase
from shared.matching.text import Span, Text

WORDS = [
    "aid",
    "convoy",
    "aid",
    "convoy",
    "Aides",
    "допомога",
    "конвой",
    "مساعدات",
    "U.N.",
    "café",
    "Erdoğan’s",
    "straße",
]
PHRASES = [
    "aid",
    "convoy",
    "aid*",
    "aid convoy",
    "convoy aid*",
    "aid* aid",
    "допом* конвой",
    "مساعدات",
    "un",
    "cafe",
    "erdogan",
]
NAMES = ["one", "two", "three"]

groups = st.lists(st.sampled_from(PHRASES), min_size=1, max_size=4, unique=True).map(
    lambda listed: {"en": tuple(listed)}
)
names = st.sampled_from([(), (), (), ("one",), ("two",)])
conditions = st.builds(
    Condition,
    together=st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True).map(tuple),
    score=st.sampled_from([5.0, 10.0, 20.0]),
    without=names,
    context=names,
    no_context=names,
)
rules = st.builds(
    lambda phrases, mask, listed: Rule(
        "rule", 1, "Rule", dict(zip(NAMES, phrases, strict=True)), tuple(listed), mask=mask
    ),
    st.tuples(groups, groups, groups),
    st.just({}) | groups,
    st.lists(conditions, min_size=1, max_size=3),
)
texts = st.lists(st.sampled_from([*WORDS, ",", ".", ". Then", "\n\n", "—"]), min_size=4, max_size=25).map(
    " ".join
)


def slowly(rule: Rule, report: Text) -> tuple[float, list[Span]] | None:
    document = Document(report)

    def spans(phrases: tuple[str, ...]) -> set[Span]:
        return {span for phrase in phrases for span in oracle.spans(Phrase.of(phrase), document)}

    def shares_a_word(one: Span, other: Span) -> bool:
        return one.field == other.field and one.first <= other.last and other.first <= one.last

    found = {name: spans(listed.get("en", ())) for name, listed in rule.all_groups().items()}
    masks = found.pop(MASK)
    kept = {
        name: {span for span in each if not any(shares_a_word(span, mask) for mask in masks)}
        for name, each in found.items()
    }
    present = {name for name, each in kept.items() if each}
    score, counted = 0.0, set()
    for sentence in {report.sentence_of(span) for each in kept.values() for span in each}:
        here = {name: {s for s in each if report.sentence_of(s) == sentence} for name, each in kept.items()}
        for condition in sorted(rule.conditions, key=lambda each: -each.score):
            if (
                all(here[name] for name in condition.together)
                and not any(here[name] for name in condition.without)
                and present.issuperset(condition.context)
                and present.isdisjoint(condition.no_context)
            ):
                lead = LEAD_FACTOR if sentence[1] < LEAD_SENTENCES else 1.0
                score += condition.score * (rule.title_factor if sentence[0] == "title" else lead)
                counted |= {span for name in condition.together for span in here[name]}
                break
    words = len(report.title.forms) + len(report.text.forms)
    titled = any(span.field == "title" for span in counted)
    if not counted or score < required(rule.threshold, words, in_title=titled):
        return None
    return score, sorted(counted, key=lambda span: (span.field != "title", span.first, -span.last))


@settings(max_examples=250, deadline=None)
@given(rules, texts, texts)
def test_a_tag_is_what_a_slow_look_finds(rule: Rule, title: str, text: str):
    rulebook = compile_rulebook([Topic("topic", "Topic", "", (rule,))])
    tags, report = find_tags(title, text, None, rulebook), Text.of(title, text)
    expected = slowly(rule, report)
    assert [tag.score for tag in tags] == ([] if expected is None else [round(expected[0], 1)])
    if expected is not None:
        outermost = [
            span for span in expected[1] if not any(each != span and each.holds(span) for each in expected[1])
        ]
        assert tags[0].evidence == tuple(map(report.evidence, outermost[:12]))
    for piece in (piece for tag in tags for piece in tag.evidence):
        assert piece.text == {"title": title, "text": text}[piece.field][piece.start : piece.end]
