"""`tocsin parse` and `tocsin tag`: what is printed, and where."""

from pathlib import Path

import pytest

from cli.offline import parse_feed


def test_parse_says_on_standard_error_what_of_a_feed_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = "".join(f"<item><title>{n}</title></item>" for n in range(502))
    feed = tmp_path / "feed.xml"
    feed.write_text(f"<rss version='2.0'><channel><title>x</title>{items}</channel></rss>")
    assert parse_feed(str(feed)) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 500
    assert printed.err == f"tocsin: {feed}: 2 entries left out: only the first 500 are read\n"
