"""A newcomer's way from the front page to the last mail and out again, on a phone, with JavaScript and without."""

import re
from email.message import EmailMessage

import aiohttp
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.installation import Installation
from tests.processes import Item, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = 390
# It is waited for, not measured: the machine may be busy.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
CONVOY = "Aid convoy reaches Velin after crossing reopens"
EARLIER = (
    Item(CONVOY, "Eleven trucks with food aid and medicine entered the besieged town on Friday.", "velin"),
    Item("Apple harvest is the best in years", "Growers in the valley expect low prices.", "harvest"),
)
NEWS = {
    True: Item("Food aid convoy stopped on the road to Karsk", "The trucks wait at the bridge.", "karsk"),
    False: Item("Second aid convoy unloads in Oresh", "It brought flour and blankets for a month.", "oresh"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def earlier_reports(running: Installation) -> None:
    running.feeds.items["0"] += EARLIER
    await until(lambda: _has_read(running))


async def _has_read(running: Installation) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{running.api}/v1/reports") as answer:
        text = await answer.text()
        return all(item.title in text for item in EARLIER)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
async def test_a_newcomer_is_alerted_and_leaves_again(
    browser: Browser, running: Installation, javascript: bool
) -> None:
    context = await browser.new_context(
        viewport={"width": PHONE, "height": 800}, java_script_enabled=javascript
    )
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    hosts: set[str] = set()
    errors: list[str] = []
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)

    address = f"{NEWS[javascript].guid}@example.org"
    await set_an_alert(page, running, address, javascript)
    await confirm(page, await mail_to(running, address, 1))
    running.feeds.items["0"].append(NEWS[javascript])
    alert = await mail_to(running, address, 2)
    assert NEWS[javascript].title in str(alert["subject"])
    await read_why(page, alert, NEWS[javascript])
    manage = await snooze(page, alert, NEWS[javascript])
    await change_where_it_goes(page, manage)
    await unsubscribe(page, alert, manage)

    assert hosts == {running.api.removeprefix("http://")}
    assert [error for error in errors if not re.search("status of (404|422)", error)] == []
    await context.close()


async def set_an_alert(page: Page, running: Installation, address: str, javascript: bool) -> None:
    """From the front page; the preview says how many reports would have come, before anything is sent."""
    await page.goto(running.api)
    await page.get_by_role("link", name="Set an alert").first.click()
    await page.get_by_role("checkbox", name=re.compile("^Aid")).check()
    preview = page.locator("#preview")
    for words, told in (
        ("harvest", re.compile("None of the [0-9]+ reports")),
        ("convoy", re.compile("[12] reports? of the newest")),
    ):
        await page.get_by_label("Words").fill("")
        await page.get_by_label("Words").press_sequentially(words)
        if not javascript:
            await page.get_by_role("button", name="See what it would have brought").click()
        await expect(preview).to_contain_text(told)
    await expect(preview.get_by_role("link", name=CONVOY)).to_be_visible()
    assert not mails_to(running, address)
    await fits(page)
    await page.get_by_label("Mail address", exact=True).fill(address)
    await page.get_by_role("button", name="Set the alert").click()
    await expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    await expect(page.get_by_role("main")).to_contain_text(address)
    await fits(page)


async def confirm(page: Page, mail: EmailMessage) -> None:
    """The mail shows what will come, its link opens the page, the button does it."""
    await open_mail(page, mail)
    await expect(page.get_by_text("this is what you would get")).to_be_visible()
    await page.get_by_role("link", name="Go to the page that confirms it").click()
    await fits(page)
    await page.get_by_role("button", name="Yes, send me these").click()
    await expect(page.get_by_role("heading", name="Your alert is active")).to_be_visible()
    await fits(page)


async def read_why(page: Page, mail: EmailMessage, item: Item) -> None:
    """The mail marks the words that were found; its link opens the report with the rules that found them."""
    await open_mail(page, mail)
    await expect(page.get_by_role("heading", name=item.title)).to_be_visible()
    await expect(page.locator("mark", has_text="convoy").first).to_be_visible()
    await page.get_by_role("link", name="See all that was found").click()
    why = page.get_by_role("region", name="Why these topics")
    await expect(why).to_contain_text("by rule aid")
    await expect(why.locator("q").first).to_be_visible()
    await fits(page)


async def snooze(page: Page, mail: EmailMessage, item: Item) -> str:
    """Snooze from the mail's link, see what was sent and why; return the address of the manage page."""
    await open_mail(page, mail)
    await page.get_by_role("link", name="Change or pause this alert").click()
    await page.get_by_role("button", name="Snooze a day").click()
    await expect(page.get_by_role("status").first).to_contain_text("Snoozed")
    await expect(page.get_by_role("button", name="End the snooze")).to_be_visible()
    manage = page.url
    told = page.locator(".rows li", has=page.locator("a"))
    await expect(told).to_have_count(1)
    await expect(told.locator(".state")).to_have_text("delivered")
    await told.locator("summary").click()
    await expect(told.locator(".attempts li")).to_be_visible()
    await fits(page)
    await told.get_by_role("link").click()
    await expect(page.get_by_role("heading", name=item.title)).to_be_visible()
    await expect(page.get_by_role("region", name="Your alert and this report")).to_contain_text("convoy")
    await fits(page)
    return manage


async def change_where_it_goes(page: Page, manage: str) -> None:
    """To a chat room, which is refused without its room, and then to a second address, by the form."""
    await page.goto(manage)
    await page.get_by_text("Change what it sends").click()
    await page.get_by_role("radio", name="a chat room").check()
    await page.get_by_label("Chat service").select_option("telegram")
    await page.get_by_label("Token").fill("only-a-test")
    await fits(page)
    await page.get_by_role("button", name="Change it").click()
    await expect(page.locator("#error-url")).to_contain_text("telegram needs a token and a room")
    await page.get_by_role("radio", name="a mail address").check()
    await page.get_by_text("If that cannot be reached").click()
    await page.get_by_label("Tell this mail address or webhook").fill("second@example.org")
    await page.get_by_role("button", name="Change it").click()
    await expect(page.get_by_role("status").first).to_contain_text("The second address is used once")
    await expect(page.get_by_role("main")).to_contain_text("second@example.org (has not answered yet)")
    await fits(page)


async def unsubscribe(page: Page, mail: EmailMessage, manage: str) -> None:
    """As a mail program does it (RFC 8058): one POST, without a cookie, without a page."""
    url = str(mail["list-unsubscribe"]).strip("<>")
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data={"List-Unsubscribe": "One-Click"}) as answer,
    ):
        assert answer.status == 200
    await page.goto(manage)
    await expect(page.get_by_role("main")).to_contain_text("This subscription was removed")
    await fits(page)


async def open_mail(page: Page, mail: EmailMessage) -> None:
    """Show the HTML of a mail as a phone's mail program would."""
    body = mail.get_body(("html",))
    assert body is not None
    await page.goto("about:blank")
    await page.set_content(body.get_content())
    await fits(page)


async def fits(page: Page) -> None:
    """Nothing is wider than the screen, nothing has to be pushed aside to be read; axe has nothing against it."""
    # A document that was just put in place may have no element yet.
    await page.wait_for_function("document.readyState == 'complete' && document.body")
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE, page.url
    # axe needs the scripts that one of the ways is without.
    if await page.evaluate("document.documentElement.classList.contains('scripted')"):
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found = (await Axe().run(page)).response["violations"]
            assert [(page.url, scheme, each["id"], each["nodes"][0]["html"]) for each in found] == []


async def mail_to(running: Installation, address: str, number: int) -> EmailMessage:
    """Return the first, second, … mail to an address once it is there."""
    await until(lambda: len(mails_to(running, address)) >= number)
    return mails_to(running, address)[number - 1]


def mails_to(running: Installation, address: str) -> list[EmailMessage]:
    return [mail for mail in running.mailbox.mails if mail["to"] == address]
