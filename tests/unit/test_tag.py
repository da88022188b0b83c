"""What a report is about, and by which words."""

from datetime import UTC, datetime

from services.classify.core.evidence import Quotes, Spot, evidence, in_order
from services.classify.core.reading import required
from services.classify.core.rulebook import Condition, Rule, Rulebook, Topic, compile_rulebook
from services.classify.core.tag import find_tags, tag_report
from shared.events import Report, Source, Tag
from shared.matching.text import Text

GROUPS = {
    "strong": {"en": ("river burst*",)},
    "water": {"en": ("water", "flood"), "fr": ("don",)},
    "house": {"en": ("house*",)},
    "bath": {"en": ("bath",)},
    "rain": {"en": ("rain",)},
}
MASK = {"en": ("water park",)}
INSIDE = (b"river", b"river burst", b"banks")
FILLER = "The council met and spoke of other things for a while. " * 100


def make_rulebook(*conditions: Condition) -> Rulebook:
    rule = Rule("floods.rivers", 3, "Rivers", groups=GROUPS, mask=MASK, conditions=conditions)
    return compile_rulebook([Topic("floods", "Floods", "Water.", (rule,))])


TOGETHER = make_rulebook(Condition(("water", "house"), 10, without=("bath",)), Condition(("strong",), 20))


def tags(
    text: str, title: str = "", rulebook: Rulebook = TOGETHER, language: str | None = None
) -> tuple[Tag, ...]:
    return find_tags(title, text, language, rulebook)


def words(found: tuple[Tag, ...]) -> list[str]:
    return [piece.text for tag in found for piece in tag.evidence]


def test_words_together_in_a_sentence_make_a_tag_with_its_rule():
    (tag,) = tags("Water stood in the houses.")
    assert (tag.topic, tag.rule.id, tag.rule.version) == ("floods", "floods.rivers", 3)


def test_words_in_two_sentences_do_not_count():
    assert tags("Water rose. The houses stood.") == ()


def test_a_word_of_another_sense_spoils_its_sentence_only():
    assert tags("Water for the bath of the house.") == ()
    assert words(tags("A bath. Water in the house.")) == ["Water", "house"]


def test_a_masked_word_counts_for_nothing():
    assert tags("The water park has a house.") == ()


def test_evidence_reads_title_first_and_comes_only_from_sentences_that_counted():
    found = tags("Rain. Water in one house. Water alone.", title="Houses under water")
    assert words(found) == ["Houses", "water", "Water", "house"]


def test_evidence_holds_at_most_twelve_pieces():
    assert len(words(tags("Water in the house. " * 20))) == 12


def test_evidence_leaves_out_what_is_inside_another_piece():
    report = Text.of("", "the river burst its banks")
    line = report.text.line
    spots = [Spot("text", line.index(b" " + words), line.index(words) + len(words)) for words in INSIDE]
    found = evidence(in_order(spots), Quotes(report))
    assert [piece.text for piece in found] == ["river burst", "banks"]


def test_the_title_counts_double():
    weak = make_rulebook(Condition(("water",), 5))
    assert tags("", title="Water", rulebook=weak)[0].score == 10
    assert tags("Water", rulebook=weak) == ()


def test_one_passing_sentence_in_a_long_report_is_no_tag_but_a_strong_one_is():
    assert tags(FILLER + "Water stood in the houses.") == ()
    assert words(tags(FILLER + "The river burst its banks.")) == ["river burst"]


def test_two_sentences_of_a_long_report_are_enough():
    assert words(tags(FILLER + "Water in a house. " * 2)) == ["Water", "house"] * 2


def test_the_score_needed_grows_gently_and_of_a_long_report_a_share_is_needed():
    assert [required(10, n, in_title=False) for n in (0, 200, 400, 4000)] == [10, 10, 10 * (1 + 1 / 3), 100]


def test_a_report_whose_headline_says_it_may_be_as_long_as_it_likes():
    assert [required(10, n, in_title=True) for n in (0, 400, 1600, 40_000)] == [10, 10 * (1 + 1 / 3), 20, 20]
    assert words(tags("Nothing of that kind. " * 2_000, title="Water in a house")) == ["Water", "house"]


def test_context_anywhere_in_the_report_can_be_asked_for_or_refused():
    asked = make_rulebook(Condition(("water",), 10, context=("rain",)))
    refused = make_rulebook(Condition(("water",), 10, no_context=("rain",)))
    assert [bool(tags("Rain. Water.", rulebook=book)) for book in (asked, refused)] == [True, False]
    assert [bool(tags("Water.", rulebook=book)) for book in (asked, refused)] == [False, True]


def test_a_word_of_another_language_does_not_count():
    rulebook = make_rulebook(Condition(("water",), 10))
    assert tags("Don said the work of the day was over", rulebook=rulebook) == ()
    assert words(tags("Le don et les vivres sont pour la ville", rulebook=rulebook)) == ["don"]


def test_ukrainian_and_russian_are_told_apart_by_their_letters():
    families = Rule(
        "floods.families",
        1,
        "Families",
        groups={"families": {"uk": ("родин*",)}},
        conditions=(Condition(("families",), 10),),
    )
    rulebook = compile_rulebook([Topic("floods", "Floods", "Families.", (families,))])
    assert words(tags("Із сіл вивезли родини", rulebook=rulebook)) == ["родини"]
    assert tags("Рейсы на родину задержаны", rulebook=rulebook) == ()
    assert words(tags("Родину", rulebook=rulebook)) == ["Родину"]


def test_what_the_feed_says_decides_where_the_words_do_not():
    rulebook = make_rulebook(Condition(("water",), 10))
    assert words(tags("Don", rulebook=rulebook, language="fr-FR")) == ["Don"]
    assert tags("Don", rulebook=rulebook, language="es") == ()


def test_the_strongest_rule_of_a_topic_gives_its_tag():
    rules = tuple(
        Rule(
            f"floods.{name}",
            1,
            name,
            groups={"g": {"en": ("water",)}},
            conditions=(Condition(("g",), score),),
        )
        for name, score in (("weak", 10), ("strong", 15))
    )
    (tag,) = tags("Water", rulebook=compile_rulebook([Topic("floods", "Floods", "Water.", rules)]))
    assert tag.rule.id == "floods.strong"


def test_an_empty_report_has_no_tags():
    assert tags("") == ()


def test_a_tagged_report_names_the_rulebook_and_is_a_story_of_its_own():
    report = make_report(title="Water in the house")
    tagged = tag_report(report, TOGETHER)
    assert (tagged.topics, tagged.rulebook, tagged.story.id) == (("floods",), TOGETHER.version, "r1")


def make_report(title: str) -> Report:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    source = Source(id="s", title="Feed", feed_url="https://example.org/feed")
    return Report(id="r1", url=None, title=title, published_at=now, fetched_at=now, source=source)
