"""A feed in, a signed webhook and a mail out: four real processes, a real Redis, real HTTP and SMTP servers."""

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest
from jsonschema import Draft202012Validator
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from tests.installation import Installation, installed, links_in
from tests.processes import Item, until

ROOT = Path(__file__).parent.parent.parent

CROSSING = Item(
    "Aid convoy reaches Velin after crossing reopens",
    "Eleven trucks with food aid and medicine entered the besieged town on Friday. Envoys of both sides agreed "
    "to extend the ceasefire by ten days.",
    "crossing",
)
HARVEST = Item(
    "Apple harvest is the best in years", "Growers in the valley expect low prices this winter.", "harvest"
)

IN_SIX_LANGUAGES = {
    ("en", "airspace_incursions", "LV"): Item(
        "Latvia closes its eastern skies after a drone crosses from Belarus",
        "The drone came down in a field near Rezekne on Sunday and nobody was hurt, the air force in Riga said.",
    ),
    ("uk", "displacement", "UA"): Item(
        "З прикордонних сіл Сумщини вивозять родини з дітьми",
        "Через обстріли за тиждень із громад евакуювали чотириста людей, повідомили в Україні у неділю.",
    ),
    ("ru", "negotiations", "AM"): Item(
        "Армения и Азербайджан продолжат переговоры о границе",
        "Делегации двух стран встретятся в среду, чтобы обсудить мирный договор.",
    ),
    ("fr", "aid", "TD"): Item(
        "Tchad : un pont aérien achemine vivres et médicaments",
        "Les avions ont livré trente tonnes d'aide humanitaire dans l'est du pays, où la récolte manque.",
    ),
    ("es", "displacement", "CO"): Item(
        "Colombia: cientos de familias huyen de los combates en el Cauca",
        "Las familias desplazadas duermen en la escuela del pueblo desde el viernes.",
    ),
    ("ar", "negotiations", "YE"): Item(
        "اليمن: اتفاق على تبادل مئات الأسرى",
        "قال المبعوث إن الطرفين وقعا الاتفاق بعد محادثات استمرت أسبوعا.",
    ),
}


@pytest.fixture
async def tocsin(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(tmp_path) as installation:
        yield installation


async def subscribe(tocsin: Installation, channel: dict[str, str], wanted: dict[str, Any]) -> dict[str, Any]:
    wish = {"name": "Duty desk", "filter": wanted, "channel": channel}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{tocsin.api}/v1/subscriptions", json=wish) as answer,
    ):
        assert answer.status == 201, await answer.text()
        created: dict[str, Any] = await answer.json()
    assert created["state"] == "pending"
    return created


async def state_of(tocsin: Installation, created: dict[str, Any]) -> str:
    headers = {"Authorization": f"Bearer {created['manage_token']}"}
    url = f"{tocsin.api}/v1/subscriptions/{created['id']}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return str((await answer.json())["state"])


async def test_a_report_reaches_a_webhook_and_a_mailbox(tocsin: Installation) -> None:
    hook = await subscribe(tocsin, {"type": "webhook", "url": tocsin.sink.url("duty")}, {"topics": ["aid"]})
    tocsin.sink.secrets["duty"] = hook["secret"]
    mail = await subscribe(tocsin, {"type": "email", "address": "duty@example.org"}, {"query": '"food aid"'})

    await until(lambda: bool(tocsin.mailbox.about("confirm")))
    [confirmation] = tocsin.mailbox.about("confirm")
    [confirm_link] = [link for link in links_in(confirmation) if "/confirm/" in link]
    async with aiohttp.ClientSession() as session:
        async with session.get(confirm_link) as page:
            form = form_in(await page.text())
        # Mail scanners follow links: looking changes nothing, the button does.
        assert await state_of(tocsin, mail) == "pending"
        async with session.post(urljoin(confirm_link, form["action"]), data=form["fields"]) as page:
            assert page.status == 200
    assert await state_of(tocsin, mail) == "active"
    await until(lambda: _is(tocsin, hook, "active"))

    tocsin.feeds.items["0"] += [HARVEST, CROSSING]
    await until(lambda: bool(tocsin.sink.reports(hook["id"])) and bool(tocsin.mailbox.about("Velin")))

    [test_event, (webhook_id, body)] = tocsin.sink.received
    assert test_event[1]["type"] == "subscription.test"
    assert body["type"] == "report.matched"
    assert webhook_id.startswith("dlv_")
    data = body["data"]
    report = data["report"]
    assert report["title"] == CROSSING.title
    assert "aid" in {tag["topic"] for tag in data["tags"]}
    for piece in data["matched"]["evidence"]:
        assert {"title": CROSSING.title, "text": CROSSING.text}[piece["field"]][
            piece["start"] : piece["end"]
        ] == (piece["text"])
    [told] = tocsin.mailbox.about("Velin")
    assert told["to"] == "duty@example.org"
    assert told["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert not tocsin.mailbox.about("harvest")
    assert tocsin.sink.refused == 0

    unsubscribe = str(told["list-unsubscribe"]).strip("<>")
    async with aiohttp.ClientSession() as session:
        async with session.get(unsubscribe) as page:
            assert page.status == 200
        assert await state_of(tocsin, mail) == "active"
        async with session.post(unsubscribe, data={"List-Unsubscribe": "One-Click"}) as page:
            assert page.status == 200
    headers = {"Authorization": f"Bearer {mail['manage_token']}"}
    url = f"{tocsin.api}/v1/subscriptions/{mail['id']}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert answer.status == 401


async def test_a_report_in_each_of_the_six_languages_comes_out_right(tocsin: Installation) -> None:
    topics = ["aid", "airspace_incursions", "displacement", "negotiations"]
    hook = await subscribe(tocsin, {"type": "webhook", "url": tocsin.sink.url("all")}, {"topics": topics})
    tocsin.sink.secrets["all"] = hook["secret"]
    await until(lambda: _is(tocsin, hook, "active"))

    tocsin.feeds.items["0"] += [HARVEST, *IN_SIX_LANGUAGES.values()]
    await until(lambda: len(tocsin.sink.reports(hook["id"])) == len(IN_SIX_LANGUAGES))

    bodies = [body["data"] for _, body in tocsin.sink.received if body["type"] == "report.matched"]
    told = {data["report"]["title"]: data for data in bodies}
    for (_, topic, country), item in IN_SIX_LANGUAGES.items():
        data = told[item.title]
        assert {tag["topic"].partition("/")[0] for tag in data["tags"]} == {topic}
        assert country in {each["code"] for each in data["countries"]}
        for piece in data["matched"]["evidence"]:
            original = {"title": item.title, "text": item.text}[piece["field"]]
            assert original[piece["start"] : piece["end"]] == piece["text"]


def form_in(page: str) -> dict[str, Any]:
    """Return where the page's first POST form goes, and its hidden fields."""
    form = next(
        form for form in HTMLParser(page).css("form") if form.attributes.get("method", "").lower() == "post"
    )
    hidden = {
        field.attributes["name"]: field.attributes.get("value") for field in form.css("input[type=hidden]")
    }
    return {"action": form.attributes.get("action") or "", "fields": hidden}


async def _is(tocsin: Installation, created: dict[str, Any], state: str) -> bool:
    return await state_of(tocsin, created) == state


class RespClient:
    """A Redis client of forty lines: what any language can do with a socket."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._file = self._socket.makefile("rb")

    def ask(self, *words: str) -> Any:
        self._socket.sendall(
            f"*{len(words)}\r\n".encode()
            + b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in words)
        )
        return self._answer()

    def _answer(self) -> Any:
        line = self._file.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"*":
            return [self._answer() for _ in range(int(rest))]
        if kind == b"$":
            return self._file.read(int(rest) + 2)[:-2].decode() if int(rest) >= 0 else None
        return rest.decode()

    def close(self) -> None:
        self._file.close()
        self._socket.close()


async def test_any_language_reads_the_streams_with_a_socket_and_a_json_parser(tocsin: Installation) -> None:
    tocsin.feeds.items["0"] += [HARVEST, CROSSING]
    client = RespClient(tocsin.redis_port)
    await until(lambda: client.ask("XLEN", "tocsin:reports.tagged.v1") == "2")
    for event_type in ("report.published.v1", "report.tagged.v1"):
        schema = json.loads((ROOT / "docs" / "schemas" / f"{event_type}.json").read_text())
        name = event_type.replace("report.", "reports.")
        [[_, entries]] = client.ask("XREAD", "COUNT", "10", "STREAMS", f"tocsin:{name}", "0")
        for _, flat in entries:
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            event = json.loads(fields["event"])
            Draft202012Validator(schema).validate(event)
            assert fields["type"] == event["type"] == event_type
            assert fields["id"] == event["id"]
    topics = [dict(zip(flat[::2], flat[1::2], strict=True))["topics"] for _, flat in entries]
    assert sorted(topics)[0] == ""
    assert "aid" in sorted(topics)[1].split(",")
    client.close()


async def test_a_terminated_service_ends_well(tocsin: Installation) -> None:
    for service in ("ingest", "classify", "notify", "api"):
        assert tocsin.services.stop(service) == 0, tocsin.services.log_of(service)
