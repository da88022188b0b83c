"""What is installed is what is in the tree: an image has no other copy to fall back on."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ROOMS = ("services", "shared", "cli")


def test_every_file_of_the_packages_is_installed(tmp_path: Path) -> None:
    copy = tmp_path / "tree"
    listed = subprocess.run(
        ["git", "ls-files", *ROOMS, "pyproject.toml", "README.md", "requirements/runtime.in"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
    ]
    subprocess.run([*build, str(copy)], check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert [name for name in listed if name.startswith(ROOMS) and name not in packed] == []


def test_htmx_is_the_file_that_was_decided_on() -> None:
    kept = (ROOT / "services/api/web/static/htmx.min.js").read_bytes()
    assert hashlib.sha256(kept).hexdigest() in (ROOT / "docs/decisions/0003-htmx.md").read_text()
