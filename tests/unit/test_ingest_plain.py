"""Plain text out of markup."""

import pytest
from hypothesis import example, given, settings
from hypothesis.strategies import lists, sampled_from

from services.ingest.core.entry import Words
from services.ingest.core.plain import (
    _joined,
    _parsed_pieces,
    _plain_pieces,
    cut,
    plain_line,
    plain_text,
    web_address,
)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One <b>bold</b> word</p>tail", "One bold word\n\ntail"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<ul><li>one</li><li>two</li></ul>after", "one\ntwo\n\nafter"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<div>\n  <p>  far \n apart </p>\n</div>", "far apart"),
        ("<p>a</p><script>alert(1)</script><style>p{}</style><p>b</p>", "a\n\nb"),
        ("caf&eacute; &amp; bar &#8212; 5 &lt; 6", "café & bar — 5 < 6"),
        ("5 < 6 & 7 > 3", "5 < 6 & 7 > 3"),
        ("First.\n\nSecond\nline.", "First.\n\nSecond line."),
        ("&lt;p&gt;escaped twice&lt;/p&gt;&lt;p&gt;b&lt;/p&gt;", "escaped twice\n\nb"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;safe", "safe"),
        ("<!-- hidden -->seen<p>   </p>", "seen"),
        ("non&nbsp;breaking <i>a&#8203;b</i>", "non breaking ab"),
        ("<p>unclosed <b>tags", "unclosed tags"),
        ("", ""),
    ],
)
def test_markup_becomes_text(html: str, text: str) -> None:
    assert plain_text(Words(html)) == text


def test_text_that_is_no_markup_is_taken_literally() -> None:
    assert plain_text(Words("a <b> &amp; c", html=False)) == "a <b> &amp; c"


@pytest.mark.parametrize("harmful", ["\x00", "\x1b", "\u202e", "\u2066", "\ud800", "\ufeff", "\u00ad"])
@pytest.mark.parametrize("html", ["a{}b", "<p>a{}b</p>"])
def test_harmful_characters_are_removed(harmful: str, html: str) -> None:
    assert plain_text(Words(html.format(harmful))) == "ab"


def test_harmful_characters_behind_entities_are_removed() -> None:
    assert plain_text(Words("<p>a&#x202e;b</p>")) == "ab"
    assert plain_text(Words("a&#x202e;b")) == "ab"


def test_joiners_of_persian_stay() -> None:
    assert plain_text(Words("می\u200cخواهم")) == "می\u200cخواهم"


def test_markup_a_hundred_thousand_deep_is_read() -> None:
    assert plain_text(Words("<b>" * 100_000 + "deep")) == "deep"


def test_a_line_has_no_break() -> None:
    assert plain_line(Words("<p>One</p>\n<p>Two</p>")) == "One Two"
    assert plain_line(None) == ""


def test_a_cut_ends_between_words() -> None:
    assert cut("one two three", 13) == "one two three"
    assert cut("one two three", 10) == "one two…"
    assert cut("one two three", 8) == "one two…"
    assert cut("x" * 20, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("https://example.org/a?b=1", "https://example.org/a?b=1"),
        (" http://example.org/a b ", "http://example.org/a%20b"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("//example.org/a", None),
        ("https://bank.example@evil.example/", None),
        ("https://[broken/", None),
        ("https:///nowhere", None),
        ("https://example.org/\u202egpj.exe", None),
        ("https://example.org/" + "a" * 3000, None),
        (None, None),
    ],
)
def test_only_web_addresses_pass(link: str | None, address: str | None) -> None:
    assert web_address(link) == address


TAGS = """<p>|</p>|<div>|</div>|<br>|<br/>|<br />|<ul>|</ul>|<li>|</li>|</a>|<b>|</b>|<em>|</em>|<h2>|</h2>|<h3>|</h3>
<hr>|<blockquote>|</blockquote>|</p >|<P>|<td>|<script>|<span>|</span>|<p class="a">|<img src="a.png" alt="x">
<a href="https://a.b/?c=1&amp;d=2">"""
TEXTS = "one|two three| |  a |&amp;|&lt;p&gt;|&nbsp;|&eacute;|&notit;|&copy 2026|&#8212;|&|<|>|a < b|é|🌊|\u00a0|\u200b"
TOKENS = [*TAGS.replace("\n", "|").split("|"), *TEXTS.split("|"), "\n", "\n\n"]


@given(lists(sampled_from(TOKENS), max_size=14).map("".join))
@example("<p>one<li>two")
@example("<li>one<div>two<li>three")
@settings(max_examples=1000)
def test_plain_markup_is_read_as_a_browser_would(value: str) -> None:
    quick = _plain_pieces(value)
    if quick is not None:
        assert _joined(quick) == _joined(_parsed_pieces(value))


def test_most_markup_is_plain() -> None:
    assert _plain_pieces(
        '<p>One <a href="https://a.b/?c&amp;d">two</a>.</p>\n<ul><li>3</li></ul><br/>&nbsp;x'
    )
    for other in ("<table><td>a", "<!-- a -->", "<script>a</script>", "a < b", "<p onclick='a'>", "&#1;"):
        assert _plain_pieces(other) is None
