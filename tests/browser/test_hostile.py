"""What a feed holds to act on a reader or to mislead one, in a real browser: on pages, in mails, in feeds."""

import json
import random
import xml.etree.ElementTree as ET
from email.message import EmailMessage
from typing import Any
from xml.sax.saxutils import escape

import aiohttp
import pytest
from playwright.async_api import Browser, Dialog, Page
from yarl import URL

from tests.hostile import PAYLOADS, UNSEEN
from tests.installation import Installation, links_in
from tests.processes import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLAIN = ("An ordinary truth", "An ordinary lie", "https://n.example/ordinary", "Nobody")
ADDRESS = "curious@example.org"
GROUP = 40
# Every element, every attribute of one, and the scheme where it is an address.
FORMS = """root => [...new Set([root, ...root.querySelectorAll("*")].flatMap(element => [
    element.localName, ...[...element.attributes].map(({name, value}) => `${element.localName} ${name}` +
        (["href", "src", "action", "formaction"].includes(name) ? " " + new URL(value, "http://x").protocol : ""))
]))]"""
TEXT = 'root => root.textContent + [...root.querySelectorAll("*")].flatMap(e => [...e.attributes].map(a => a.value))'


class Watched:
    """A page that remembers whatever is not to happen in it."""

    def __init__(self, page: Page, own: str) -> None:
        self.page = page
        self.happened: list[str] = []
        page.on("dialog", self._dismiss)
        page.on("pageerror", lambda error: self.happened.append(f"error {error}"))
        page.on("console", lambda said: self.happened.append(said.text) if said.type == "error" else None)
        page.on("popup", lambda popup: self.happened.append(f"popup {popup.url}"))
        page.on("download", lambda download: self.happened.append(f"download {download.url}"))
        page.on(
            "request",
            lambda request: None if request.url.startswith(own) else self.happened.append(request.url),
        )

    async def _dismiss(self, dialog: Dialog) -> None:
        self.happened.append(f"dialog {dialog.message}")
        await dialog.dismiss()

    async def forms(self) -> set[str]:
        """What the document is made of, once nothing in it could be misread."""
        root = await self.page.query_selector("html")
        assert root is not None
        unseen = UNSEEN & set(await root.evaluate(TEXT))
        assert not unseen, self.page.url
        # A text in no language that is known has none said.
        return {form for form in await root.evaluate(FORMS) if not form.endswith(" lang")}

    async def open(self, address: str) -> set[str]:
        await self.page.goto(address)
        assert self.page.url == address
        return await self.forms()

    async def show(self, html: str) -> set[str]:
        """Show a document, or pieces of one, as a mail program or a feed reader without any defence would."""
        await self.page.goto("about:blank")
        await self.page.set_content(html)
        return await self.forms()


def told(number: int) -> tuple[str, str]:
    """A headline and a text on displacement, like no other number's: each is a story of its own."""
    draw = random.Random(number)
    words = ["".join(draw.choices("bdfgklmnprstvz", k=6)) for _ in range(30)]
    fled = f"Thousands of families fled their homes in {words[0].title()}"
    return fled, f"{fled} group{number // GROUP}x. {' '.join(words)}."


def rss(payloads: tuple[str, ...]) -> bytes:
    """Every payload escaped once, so that it is markup in the eyes of who reads the feed."""
    entries = []
    for number, payload in enumerate(payloads):
        title, text = told(number)
        # XML has no way to say these; in JSON they can be said.
        said = escape(
            "".join(c for c in payload if c in "\t\n\r" or (c >= " " and c < "\ufffe") or c > "\uffff")
        )
        entries.append(
            f"<item><guid isPermaLink='false'>rss{number}</guid><title>{title} {said}</title>"
            f"<link>{said if ':' in payload[:30] else f'https://n.example/{number}'}</link>"
            f"<author>{said}</author><category>{said}</category><description>{text} {said}</description></item>"
        )
    name = escape(payloads[-1][:200])
    return f"<rss version='2.0'><channel><title>{name}</title>{''.join(entries)}</channel></rss>".encode()


def json_feed(payloads: tuple[str, ...]) -> bytes:
    """The same with no character left out; numbered on, to be other stories."""
    items: list[dict[str, Any]] = []
    for number, payload in enumerate(payloads):
        title, text = told(len(PAYLOADS) + number)
        items.append(
            {
                "id": f"json{number}",
                "url": payload[:500] if ":" in payload[:30] else f"https://n.example/{number}",
                "title": f"{title} {payload}",
                "content_html": f"<p>{text}</p>{payload}",
                "authors": [{"name": each} for each in payloads[number : number + 4]]
                if number % 4 == 0
                else [],
            }
        )
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": payloads[-1][:200], "items": items}
    return json.dumps(feed).encode()


async def test_nothing_hostile_acts_or_misleads(browser: Browser, running: Installation) -> None:
    assert len(set(PAYLOADS)) > 100
    context = await browser.new_context()
    watched = Watched(await context.new_page(), running.api)
    async with aiohttp.ClientSession(running.api) as session:
        await subscribe(session, running)
        await publish(session, running, PLAIN)
        mail = mails(running)[0]
        plain_page = await open_pages(watched, session, running.api)
        plain_mail = await watched.show(html_of(mail))
        plain_feed = await watched.show(await feeds(session, len(PLAIN)))

        await publish(session, running, PLAIN + PAYLOADS)
        assert await open_pages(watched, session, running.api) <= plain_page | {"a rel"}
        for mail in mails(running):
            assert not UNSEEN & set("".join(map(str, mail.values())))
        assert await watched.show("".join(map(html_of, mails(running)))) <= plain_mail
        # A feed's own links lead where it says, if that is a web address.
        assert await watched.show(await feeds(session, len(PLAIN + PAYLOADS))) <= plain_feed | {
            "a href http:"
        }
    assert watched.happened == []
    await context.close()


async def subscribe(session: aiohttp.ClientSession, running: Installation) -> None:
    wish = {
        "filter": {"topics": ["displacement"]},
        "channel": {"type": "email", "address": ADDRESS},
        "one_per_story": False,
    }
    async with session.post("/v1/subscriptions", json=wish) as answer:
        assert answer.status == 201
    await until(lambda: mails(running))
    link = next(URL(link) for link in links_in(mails(running)[0]) if "/confirm/" in link)
    running.mailbox.mails.clear()
    async with session.post(link.path, data=link.query) as answer:
        assert answer.status == 200


async def publish(session: aiohttp.ClientSession, running: Installation, payloads: tuple[str, ...]) -> None:
    """Put them into a feed, every second into another, and wait until each is a report, and each report a mail."""
    some = payloads[::2]
    running.feeds.documents |= {"1": rss(some), "2": json_feed(payloads)}
    await until(lambda: len(mails(running)) == len(some) + len(payloads))


def mails(running: Installation) -> list[EmailMessage]:
    return [mail for mail in running.mailbox.mails if mail["to"] == ADDRESS]


def html_of(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


async def open_pages(watched: Watched, session: aiohttp.ClientSession, own: str) -> set[str]:
    """Open every page that shows reports; return what they are made of."""
    forms: set[str] = set()
    for path in ("/status", "/topics/displacement", "/subscribe?topic=displacement"):
        forms |= await watched.open(own + path)
    older: str | None = "/?topic=displacement"
    while older:
        forms |= await watched.open(own + older)
        older = await watched.page.evaluate("document.querySelector('a[rel=next]')?.getAttribute('href')")
    for report in await some_reports(session):
        forms |= await watched.open(f"{own}/reports/{report}")
    return forms


async def some_reports(session: aiohttp.ClientSession) -> list[str]:
    """Return the ids of those that have four payloads beside their own, as authors."""
    found: list[str] = []
    params: dict[str, str] | None = {"topic": "displacement", "limit": "100"}
    while params:
        async with session.get("/v1/reports", params=params) as answer:
            document = await answer.json()
        reports = [each["report"] for each in document["reports"]]
        found += [report["id"] for report in reports if len(report["authors"]) > 1]
        params = {**params, "after": document["next"]} if document["next"] else None
    return found


async def feeds(session: aiohttp.ClientSession, payloads: int) -> str:
    """Return the titles and contents of all entries of Atom and JSON Feed, as their readers put them on a page."""
    pieces: list[str] = []
    for group in range(2 * payloads // GROUP + 1):
        async with session.get("/reports.atom", params={"q": f"group{group}x"}) as answer:
            feed = ET.fromstring(await answer.read())
        for entry in feed.iterfind("{*}entry"):
            pieces += [entry.findtext("{*}title") or "", entry.findtext("{*}content") or ""]
        async with session.get("/reports.json", params={"q": f"group{group}x"}) as answer:
            pieces += [item["content_html"] for item in json.loads(await answer.read())["items"]]
    return "\n".join(pieces)
