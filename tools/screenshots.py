"""Pictures of every page for docs/screenshots, from a real installation with the sample feed: `make screenshots`.

Needs a Chromium on the machine (Debian: chromium), or its path in CHROMIUM. Chromium makes no request but to Tocsin.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page, sync_playwright

from shared.redis_server import free_port

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "screenshots"
TOKEN = "only for the pictures"  # noqa: S105
WIDE, PHONE = (1280, 900), (390, 800)


@contextmanager
def installation(folder: Path) -> Iterator[str]:
    """A Tocsin with the sample feed alone; its address."""
    (folder / "feeds.toml").write_text(
        f'[[feed]]\nurl = "{ROOT}/samples/reports.xml"\ntitle = "Tocsin sample (made-up reports)"\nsample = true\n'
    )
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")},
        "PYTHONPATH": str(ROOT),
        "TOCSIN_DATA_DIR": str(folder / "data"),
        "TOCSIN_FEEDS_FILE": str(folder / "feeds.toml"),
        "TOCSIN_HTTP_PORT": str(port),
        "TOCSIN_ADMIN_TOKEN": TOKEN,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "run"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for_reports(address)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _wait_for_reports(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/v1/reports?limit=20", timeout=5) as answer:  # noqa: S310
                if answer.read().count(b'"rulebook"') >= 20:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.2)
    raise SystemExit("the sample reports did not show up in a minute")


def chromium() -> str:
    """Return the path of a Chromium; end the program if there is none."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("no Chromium was found: install one (Debian: chromium), or name it in CHROMIUM")
    return path


def take(browser: Browser, address: str, name: str, size: tuple[int, int], scheme: str, visit: str) -> None:
    """Write one picture. `visit` is a path, or a step that `steps` knows."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    if visit.startswith("/"):
        page.goto(address + visit)
    else:
        STEPS[visit](page, address)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=OUT / f"{name}.png")
    context.close()
    print(f"{name}.png")


def _report(page: Page, address: str) -> None:
    page.goto(address)
    page.click("article.report h2 a")


def _admin(page: Page, address: str) -> None:
    page.goto(f"{address}/admin")
    page.fill("#token", TOKEN)
    page.click("button:has-text('Sign in')")


def _subscribed(page: Page, address: str) -> None:
    page.goto(f"{address}/subscribe?topic=displacement&q=evacuat*")
    page.fill("input[name=address]", "duty@example.org")
    page.click("button.wide")


def _manage(page: Page, address: str) -> None:
    _subscribed(page, address)
    outbox = re.search(r"(/\S+/outbox)", page.content())
    assert outbox, "the page does not say where the mail is"
    mail = _first_mail(Path(outbox.group(1).rstrip(".<")))
    confirm = re.search(r"http://[^\s\"]+/confirm/[^\s\"]+", mail.replace("=\n", "").replace("=3D", "="))
    assert confirm, "the mail has no link"
    page.goto(confirm.group(0))
    page.click("form button")
    page.click("a[href*='/manage/']")


def _first_mail(outbox: Path) -> str:
    for _ in range(100):
        if found := next(outbox.glob("*.eml"), None):
            return found.read_text()
        time.sleep(0.1)
    raise SystemExit("no mail was written in ten seconds")


STEPS = {"report": _report, "admin": _admin, "subscribed": _subscribed, "manage": _manage}
PICTURES = [
    ("front-page", WIDE, "light", "/"),
    ("front-page-phone", PHONE, "dark", "/"),
    ("report", WIDE, "light", "report"),
    ("topic", WIDE, "light", "/topics/displacement"),
    ("set-an-alert", WIDE, "light", "/subscribe?topic=displacement&q=evacuat*"),
    ("set-an-alert-phone", PHONE, "light", "/subscribe?topic=displacement"),
    ("what-happens-next", WIDE, "light", "subscribed"),
    ("manage", WIDE, "light", "manage"),
    ("status", WIDE, "light", "/status"),
    ("operators", WIDE, "dark", "admin"),
]


def main() -> None:
    """Take all pictures."""
    OUT.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        installation(Path(folder)) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name, size, scheme, visit in PICTURES:
            take(browser, address, name, size, scheme, visit)
        browser.close()


if __name__ == "__main__":
    main()
