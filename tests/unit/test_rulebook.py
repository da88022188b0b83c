"""Topic files: what loads, and what is refused with its line."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from services.classify.adapters.rulebook_files import (
    SHIPPED,
    RulebookError,
    catalogue,
    check_versions,
    load_rulebook,
    write_quality,
    write_versions,
)
from services.classify.adapters.topic_file import topic_schema
from services.classify.core.rulebook import compile_rulebook
from services.classify.core.tag import find_all
from shared.catalogue import Quality

RULE = """\
topic: floods
title: Floods
description: Water where it should not be.
rules:
  - id: floods.rivers
    version: 1
    title: Rivers over their banks
    groups:
      flood:
        en: [flood*, inundation]
        es: [inundación]
    mask:
      en: [flood of tears]
    conditions:
      - {together: [flood], score: 10}
    tests:
      match: [The river flooded two villages.]
      no_match: [A flood of tears followed.]
"""


def problems(folder: Path, content: str | bytes, name: str = "floods.yaml") -> list[str]:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RulebookError) as caught:
        load_rulebook(folder)
    return [
        f"{Path(problem.file).name}:{problem.line}: {problem.message}" for problem in caught.value.problems
    ]


def test_a_folder_of_topic_files_is_a_rulebook(tmp_path: Path):
    (tmp_path / "floods.yaml").write_text(RULE)
    assert [topic.id for topic in load_rulebook(tmp_path).topics] == ["floods"]


def test_the_shipped_rulebook_loads_and_every_rule_has_tests_both_ways_and_six_languages():
    topics = load_rulebook().topics
    assert [topic.id for topic in topics] == ["aid", "airspace_incursions", "displacement", "negotiations"]
    for topic in topics:
        assert topic.languages == ("ar", "en", "es", "fr", "ru", "uk")
        for rule in topic.rules:
            assert {example.expected for example in rule.examples} == {True, False}
            assert len(rule.examples) >= 8


def test_the_catalogue_names_topics_and_rules(tmp_path: Path):
    (tmp_path / "floods.yaml").write_text(RULE)
    (topic,) = catalogue(load_rulebook(tmp_path))
    assert (topic.id, topic.languages, topic.rules[0].id) == ("floods", ("en", "es"), "floods.rivers")


def test_figures_are_shown_of_the_rules_that_were_measured_whatever_else_changes(tmp_path: Path):
    (tmp_path / "floods.yaml").write_text(RULE)
    measured = load_rulebook(tmp_path)
    quality = Quality(precision=0.9, recall=0.8, reports=10, on_topic=5)
    write_quality({"floods": quality}, measured, tmp_path)
    elsewhere = compile_rulebook(measured.topics)
    assert elsewhere.version != measured.version
    assert [topic.quality for topic in catalogue(elsewhere, tmp_path)] == [quality]
    (tmp_path / "floods.yaml").write_text(RULE.replace("inundation", "deluge"))
    assert [topic.quality for topic in catalogue(load_rulebook(tmp_path), tmp_path)] == [None]
    (tmp_path / "quality.json").write_text('{"rulebook": "of another release"}')
    assert [topic.quality for topic in catalogue(measured, tmp_path)] == [None]


def test_the_version_changes_with_a_phrase_and_only_then(tmp_path: Path):
    versions = []
    for content in (RULE, RULE, RULE.replace("inundation", "deluge")):
        (tmp_path / "floods.yaml").write_text(content)
        versions.append(load_rulebook(tmp_path).version)
    assert versions[0] == versions[1] != versions[2]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("    version: 1", "    verison: 1", "floods.yaml:6: unknown key 'verison'; did you mean 'version'?"),
        ("    version: 1\n", "", "floods.yaml:5: 'version' is missing"),
        ("version: 1", "version: one", "floods.yaml:6: 'version' must be a whole number"),
        ("title: Floods", "title: 2024", "floods.yaml:2: 'title' must be text; put it in quotes"),
        ("[flood*, inundation]", "[flood*, no]", "floods.yaml:10: 'en' must be text; put it in quotes"),
        (
            "[flood*, inundation]",
            "[]",
            "floods.yaml:10: 'en' is empty; write at least one entry, or remove it",
        ),
        (
            "[flood*, inundation]",
            "[flood*, '?!']",
            "floods.yaml:10: no letter or digit in '?!': write at least one word",
        ),
        (
            "[flood*, inundation]",
            "[fl*, flood]",
            "floods.yaml:10: too few letters before * in 'fl*': write at least 3",
        ),
        (
            "[flood*, inundation]",
            "[flood*, flood*]",
            "floods.yaml:10: 'flood*' is in this list twice; keep one",
        ),
        (
            "[flood*, inundation]",
            "flood*",
            "floods.yaml:10: 'en' must be a list: [a, b] or lines that begin with -",
        ),
        (
            "together: [flood]",
            "together: [floods]",
            "floods.yaml:15: no group 'floods'; did you mean 'flood'?",
        ),
        ("score: 10", "score: -1", "floods.yaml:15: 'score': input should be greater than 0"),
        ("score: 10", "scroe: 10", "floods.yaml:15: unknown key 'scroe'; did you mean 'score'?"),
        (
            "    title: Rivers",
            "    version: 2\n    title: Rivers",
            "floods.yaml:7: 'version' is here twice; keep one",
        ),
        (
            "[A flood of tears followed.]",
            "[The flood came.]",
            "floods.yaml:18: floods.rivers: should not match and does",
        ),
        (
            "[The river flooded two villages.]",
            "[Sun.]",
            "floods.yaml:17: floods.rivers: should match and does not",
        ),
        ("[flood*, inundation]", "&a [flood*]", "floods.yaml:10: anchors and aliases"),
        ("[flood*, inundation]", "[*flood]", "floods.yaml:10: anchors and aliases"),
        ("[flood*, inundation]", "&a [flood*, *a]", "floods.yaml:10: anchors and aliases"),
        (
            "topic: floods",
            "topic: floods\na: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]",
            "floods.yaml:2: anchors and aliases",
        ),
        ("      flood:\n", "      nothing: {}\n      flood:\n", "floods.yaml:9: 'nothing' is empty"),
        ("id: floods.rivers", "id: Floods Rivers", "floods.yaml:5: 'Floods Rivers' does not fit here"),
        ("[flood*, inundation]", "[flood*", "floods.yaml:11: not YAML"),
        ("inundation", "in\0undation", "floods.yaml:10: not YAML: control characters are not allowed"),
        (
            "inundation",
            "@flood",
            "floods.yaml:10: not YAML: found character that cannot start any token; put",
        ),
        ("    tests:", "\ttests:", "floods.yaml:16: not YAML: found character that cannot start any token"),
        ("    version:", "\tversion:", "floods.yaml:6: not YAML: found a tab"),
        (
            "    tests:",
            "---\n    tests:",
            "floods.yaml:16: not YAML: found another document; one file is one",
        ),
        ("title: Floods", "title: ' '", "floods.yaml:2: 'title' is empty"),
        (
            "    version: 1",
            "    version: 1\n    status: new",
            "floods.yaml:7: 'status': input should be 'stable' or",
        ),
        ("title: Floods", "title: !!python/name:os.system x", "floods.yaml:2: cannot read 'x'"),
        ("version: 1", "version: !!int ''", "floods.yaml:6: cannot read '' as int; put it in quotes"),
        ("version: 1", "version: !!bool maybe", "floods.yaml:6: cannot read 'maybe' as bool"),
        ("version: 1", "version: !!timestamp x", "floods.yaml:6: cannot read 'x' as timestamp"),
        (
            "match: [The river flooded two villages.]",
            "match: Yes it did",
            "floods.yaml:17: 'match' must be a list",
        ),
        (
            "    mask:\n      en:",
            "      mask:\n        en:",
            "floods.yaml:12: mask stands beside groups, not among them",
        ),
        ("title: Floods", "1: Floods", "floods.yaml:2: a key must be text; put it in quotes"),
        ("[flood*, inundation]", "[" * 20 + "]" * 20, "floods.yaml:10: nested deeper"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line_and_what_would_be_right(
    tmp_path: Path, right: str, wrong: str, said: str
):
    assert right in RULE
    found = problems(tmp_path, RULE.replace(right, wrong, 1))
    assert any(problem.startswith(said) for problem in found), found


SUBTOPIC = """\
subtopics:
  - id: rain
    title: By rain
    words:
      en: [rain*]
    tests:
      match: [The river flooded two villages after rain.]
      no_match: [The river flooded two villages.]
"""


def test_a_subtopic_is_tagged_beside_its_topic(tmp_path: Path):
    (tmp_path / "floods.yaml").write_text(RULE + SUBTOPIC)
    found = find_all("", "The river flooded two villages. It was the rain.", None, load_rulebook(tmp_path))
    assert found.topics == ("floods", "floods/rain")
    assert [piece.text for piece in found.tags[1].evidence] == ["rain"]


def test_the_words_of_a_subtopic_alone_are_no_tag(tmp_path: Path):
    (tmp_path / "floods.yaml").write_text(RULE + SUBTOPIC)
    assert find_all("Rain", "Rain fell.", None, load_rulebook(tmp_path)).topics == ()


def test_a_wrong_subtopic_is_refused_with_its_line(tmp_path: Path):
    found = problems(tmp_path, RULE + SUBTOPIC.replace("after rain", "").replace("[rain*]", "['?']"))
    assert found == ["floods.yaml:23: no letter or digit in '?': write at least one word"]
    found = problems(tmp_path, RULE + SUBTOPIC.replace("after rain", ""))
    assert found[0].startswith("floods.yaml:25: floods/rain: should match and does not")


def test_a_changed_rule_needs_a_higher_version(tmp_path: Path):
    file = tmp_path / "floods.yaml"
    file.write_text(RULE)
    write_versions(tmp_path)
    check_versions(tmp_path)
    file.write_text(RULE.replace("inundation", "deluge"))
    with pytest.raises(RulebookError, match=r"floods.yaml:6: floods.rivers has changed since version 1"):
        check_versions(tmp_path)


def test_a_higher_version_is_to_be_locked_and_a_changed_test_is_not(tmp_path: Path):
    file = tmp_path / "floods.yaml"
    file.write_text(RULE)
    write_versions(tmp_path)
    file.write_text(RULE.replace("two villages", "a village"))
    check_versions(tmp_path)
    file.write_text(RULE.replace("version: 1", "version: 2"))
    with pytest.raises(RulebookError, match="run `tocsin topics lock`"):
        check_versions(tmp_path)


def test_the_shipped_rules_are_those_that_were_locked():
    check_versions()


def test_the_schema_for_editors_is_current():
    committed = Path(__file__).parent.parent.parent / "docs/schemas/topic-rule.json"
    assert json.loads(committed.read_text()) == topic_schema()


def test_what_a_rule_is_known_to_take_for_its_topic_is_told_and_is_no_change_of_it(tmp_path: Path):
    (tmp_path / "floods.yaml").write_text(RULE)
    write_versions(tmp_path)
    known = "    status: experimental\n    false_positives: [a flood of letters]\n    groups:"
    (tmp_path / "floods.yaml").write_text(RULE.replace("    groups:", known))
    check_versions(tmp_path)
    [topic] = catalogue(load_rulebook(tmp_path), tmp_path)
    assert (topic.rules[0].status, topic.rules[0].false_positives) == (
        "experimental",
        ("a flood of letters",),
    )


def test_the_schema_for_editors_takes_what_ships():
    schema = Draft202012Validator(topic_schema())
    for path in SHIPPED.glob("*.yaml"):
        assert not list(schema.iter_errors(yaml.safe_load(path.read_text())))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("version: 1", "verison: 1"),
        ("version: 1", "version: one"),
        ("title: Floods", "title: ' '"),
        ("[flood*, inundation]", "[]"),
        ("inundation", "'?!'"),
        ("inundation", "flood*"),
        ("flood*", "fl*"),
        ("flood of tears", "a fl* of tears"),
        ("inundation", "inun*ation"),
        ("match: [The river flooded two villages.]", "match: [{titel: x}]"),
    ],
)
def test_the_schema_for_editors_refuses_what_the_loader_refuses(right: str, wrong: str):
    assert right in RULE
    content = yaml.safe_load(RULE.replace(right, wrong, 1))
    assert list(Draft202012Validator(topic_schema()).iter_errors(content))


def test_ten_megabytes_are_refused_unread(tmp_path: Path):
    assert problems(tmp_path, RULE + "# padding\n" * 1_000_000)[0].startswith("floods.yaml:1: larger than")


def test_a_group_that_no_condition_names_is_refused(tmp_path: Path):
    found = problems(tmp_path, RULE.replace("    mask:", "      dry:\n        en: [desert]\n    mask:"))
    assert found == ["floods.yaml:12: no condition names the group 'dry'; use it or remove it"]


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(
        RULE.replace("version: 1", "version: x").replace("title: Floods", "titel: Floods")
    )
    assert len(problems(tmp_path, "", "b.yaml")) == 4


def test_an_id_used_twice_names_both_places(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(RULE)
    found = problems(tmp_path, RULE, "b.yaml")
    assert [problem.split(";")[0].replace(f"{tmp_path}/", "") for problem in found] == [
        "b.yaml:1: the topic 'floods' is already at a.yaml:1",
        "b.yaml:5: the rule 'floods.rivers' is already at a.yaml:5",
    ]


def test_a_file_that_is_not_utf8_or_too_large_is_refused(tmp_path: Path):
    assert problems(tmp_path, b"topic: a\ntitle: \xff") == ["floods.yaml:2: not UTF-8; save it as UTF-8"]
    assert problems(tmp_path, "# " + "x" * 1_000_000)[0].startswith(
        "floods.yaml:1: larger than 1,000,000 bytes"
    )


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path):
    (tmp_path / "floods.yaml").symlink_to("floods.yaml")
    with pytest.raises(RulebookError, match="cannot be read: Too many levels"):
        load_rulebook(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path, make: Callable[[Path], None]):
    make(tmp_path / "pipe.yaml")
    assert problems(tmp_path, RULE) == ["pipe.yaml:1: not a file; a pipe or a folder cannot be read as one"]


def test_what_an_editor_leaves_beside_a_file_is_passed_over_and_a_suffix_in_capitals_is_not(tmp_path: Path):
    (tmp_path / ".#floods.yaml").symlink_to("nobody@nowhere")
    (tmp_path / "FLOODS.YAML").write_text(RULE)
    assert [topic.id for topic in load_rulebook(tmp_path).topics] == ["floods"]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"floods.rivers": 3}', b"\xff"])
def test_a_lock_file_that_says_nothing_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "floods.yaml").write_text(RULE)
    (tmp_path / "versions.lock").write_bytes(content)
    with pytest.raises(RulebookError, match=r"versions\.lock:1: not what `tocsin topics lock` writes"):
        check_versions(tmp_path)


def test_a_version_never_goes_down(tmp_path: Path):
    (tmp_path / "floods.yaml").write_text(RULE.replace("version: 1", "version: 3"))
    write_versions(tmp_path)
    (tmp_path / "floods.yaml").write_text(RULE)
    with pytest.raises(RulebookError, match="raise its version to 4"):
        check_versions(tmp_path)


def test_a_folder_without_topic_files_is_refused(tmp_path: Path):
    with pytest.raises(RulebookError, match="no topic file here"):
        load_rulebook(tmp_path)
