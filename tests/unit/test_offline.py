"""`tocsin parse` and `tocsin tag`: what is printed, and where."""

import json
import subprocess
import sys
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


def test_tag_names_each_line_that_it_cannot_read_and_does_the_rest() -> None:
    lines = '{"id": 1}\n\n{bad\n{"title": "no id"}\n{"id": 2, "title": "Aid convoy reaches a camp"}\n'
    done = CliRunner().invoke(app, ["tag"], input=lines)
    assert done.exit_code == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [1, 2]
    assert "aid" in answers[1]["topics"]
    said = [line.partition(": ")[2][:7] for line in done.stderr.splitlines()]
    assert said == ["line 3:", "line 4:"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", "topics", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (1, "tocsin: No space left on device\n")
