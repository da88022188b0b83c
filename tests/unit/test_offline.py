"""`tocsin parse` and `tocsin tag`: what is printed, and where."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.commands import app


def test_parse_says_on_standard_error_what_of_a_feed_is_not_read(tmp_path: Path) -> None:
    items = "".join(f"<item><title>{n}</title></item>" for n in range(502))
    feed = tmp_path / "feed.xml"
    feed.write_text(f"<rss version='2.0'><channel><title>x</title>{items}</channel></rss>")
    done = CliRunner().invoke(app, ["parse", str(feed)])
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 500
    assert done.stderr == f"tocsin: {feed}: 2 entries left out: only the first 500 are read\n"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            "http://u:secret@host/x",
            "'http://…@host/x': must not hold a password: there are username and password",
        ),
        (
            "ftp://host/",
            "'ftp://host/': must begin with http:// or https:// and name a host, or be a file path",
        ),
    ],
)
def test_parse_refuses_an_address_without_printing_its_password(target: str, said: str) -> None:
    done = CliRunner().invoke(app, ["parse", target])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"tocsin: {said}")


def test_tag_gives_ids_back_as_they_came_also_behind_a_byte_order_mark() -> None:
    lines = '\ufeff{"id": 7, "title": "x"}\n{"id": "7", "title": "x"}\n'
    done = CliRunner().invoke(app, ["tag"], input=lines)
    assert done.exit_code == 0
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [7, "7"]
