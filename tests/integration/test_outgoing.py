"""Feeds out: Atom, JSON Feed, GeoJSON, CAP; valid, cheap to ask for again, and harmless whatever a report holds."""

import gzip
import json
import re
from datetime import timedelta
from pathlib import Path

import feedparser
import pytest
from lxml import etree, html

from shared.events import Country, Source
from tests.builders import NOW, make_report, make_tag, make_tagged, store_reports, store_topics
from tests.hostile import PAYLOADS, UNSEEN

pytest_plugins = ("tests.api_fixtures",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

STANDARDS = Path(__file__).parent.parent / "contracts/standards"
ATOM = {"a": "http://www.w3.org/2005/Atom"}
RFC_4287 = etree.RelaxNG(file=str(STANDARDS / "atom.rng"))
CAP_1_2 = etree.XMLSchema(file=str(STANDARDS / "CAP-v1.2.xsd"))
ELEMENTS = {"p", "a", "mark", "ul", "li", "strong", "code", "q"}


def valid(document: bytes) -> etree._Element:
    """The feed, if it is what RFC 4287 says and feedparser has nothing against it."""
    found = etree.fromstring(document)
    RFC_4287.assertValid(found)
    assert not feedparser.parse(document).bozo
    return found


async def body_of(api, path, status=200, **headers):
    async with api.get(path, headers=headers) as response:
        assert response.status == status
        return await response.read()


def about(code, *words, **more):
    report = make_report(**more)
    return make_tagged(report, displacement=words or ("fled",)).model_copy(
        update={"countries": (Country(code=code),)}
    )


async def test_an_atom_feed_of_a_topic_has_its_reports_newest_first_with_the_evidence_marked(api):
    await store_reports(api.bus, reports := [about("SD"), make_tagged(aid=("fled",)), about("TD")])
    feed = valid(await body_of(api, "/topics/displacement.atom"))
    assert feed.xpath("a:entry/a:link[@rel='alternate']/@href", namespaces=ATOM) == [
        f"{api.address}/reports/{each.report.id}" for each in (reports[2], reports[0])
    ]
    content = feed.xpath("a:entry/a:content", namespaces=ATOM)[0].text
    assert "<mark>fled</mark>" in content
    assert "displacement.v</code> version 2" in content
    assert feed.xpath("a:entry/a:category/@term", namespaces=ATOM)[:2] == ["displacement", "TD"]


async def test_ids_stay_the_same_at_another_address(api, api_bus, tmp_path):
    await store_reports(api.bus, [about("SD")])
    path = "/topics/displacement.atom"
    here = valid(await body_of(api, path)).xpath("//a:id/text()", namespaces=ATOM)
    api.configure(api_bus, tmp_path)
    api.use(settings=api.parts.settings.model_copy(update={"public_url": "https://alerts.example.org"}))
    assert valid(await body_of(api, path)).xpath("//a:id/text()", namespaces=ATOM) == here


async def test_an_empty_feed_is_a_feed(api):
    assert valid(await body_of(api, "/topics/aid.atom")).xpath("a:entry", namespaces=ATOM) == []


async def test_there_is_a_feed_of_a_country_and_of_any_filter(api):
    await store_reports(api.bus, [sudan := about("SD"), about("TD", title="A flood")])
    narrowed = ("/countries/SD.json", "/reports.json?topic=displacement&q=cross")
    for path in (*narrowed, "/topics/displacement.json?country=sd", "/countries/sd.json"):
        feed = json.loads(await body_of(api, path))
        assert [item["_tocsin"]["report"] for item in feed["items"]] == [sudan.report.id]


@pytest.mark.parametrize("path", ["/topics/floods.atom", "/countries/XX.json", "/topics/aid.rss"])
async def test_a_feed_of_what_is_not_known_is_a_404(api, path):
    await body_of(api, path, 404)


async def test_a_filter_that_is_none_is_refused(api):
    assert json.loads(await body_of(api, "/reports.atom?topic=floods", 400))["errors"][0]["field"] == "topic"
    for words in ("topic:floods", "country:ZZ"):
        wrong = json.loads(await body_of(api, f"/reports.atom?q={words}", 400))["errors"][0]
        assert wrong["field"] == "q"


@pytest.mark.parametrize("path", ["/topics/aid.atom?topic=displacement", "/countries/SD.atom?country=UA"])
async def test_what_the_address_names_is_not_asked_for_otherwise(api, path):
    assert "the address names" in json.loads(await body_of(api, path, 400))["detail"]


async def test_a_json_feed_is_one_of_version_1_1(api):
    await store_reports(api.bus, [tagged := about("SD", url="https://news.example.org/7")])
    feed = json.loads(await body_of(api, "/countries/SD.json"))
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == f"{api.address}/countries/SD.json"
    [item] = feed["items"]
    assert (item["external_url"], item["tags"]) == ("https://news.example.org/7", ["Displacement"])
    assert item["_tocsin"]["topics"][0]["words"] == ["fled"]
    assert item["_tocsin"]["story"]["id"] == tagged.story.id


async def test_a_hub_is_named_where_one_is_configured_and_nowhere_else(api):
    assert b"hub" not in await body_of(api, "/topics/aid.atom")
    hub = "https://hub.example.org/"
    api.use(settings=api.parts.settings.model_copy(update={"websub_hub": hub}), started=0.0)
    async with api.get("/topics/aid.atom") as response:
        assert f'<{hub}>; rel="hub", <{api.address}/topics/aid.atom>; rel="self"' == response.headers["Link"]
        links = valid(await response.read()).xpath("a:link[@rel='hub']/@href", namespaces=ATOM)
    assert links == [hub]
    assert json.loads(await body_of(api, "/topics/aid.json"))["hubs"] == [{"type": "WebSub", "url": hub}]


async def test_geojson_has_a_feature_for_each_country(api):
    await store_reports(api.bus, [about("SD"), about("SD"), about("UA")])
    document = json.loads(await body_of(api, "/reports.geojson"))
    assert [(each["id"], each["properties"]["count"]) for each in document["features"]] == [
        ("SD", 2),
        ("UA", 1),
    ]
    assert document["features"][1]["geometry"] == {"type": "Point", "coordinates": [30.52, 50.45]}


# CAP --------------------------------------------------------------------------------------------


async def store_incursion(api, **more):
    await store_topics(api.bus, "aid", "displacement", "airspace_incursions")
    report = make_report(title="Jets scrambled", text="Two jets entered the airspace of Estonia.", **more)
    tagged = make_tagged(report, airspace_incursions=("entered the airspace",))
    await store_reports(api.bus, [tagged := tagged.model_copy(update={"countries": (Country(code="EE"),)})])
    return tagged


def valid_cap(document: bytes) -> etree._Element:
    found = etree.fromstring(document)
    CAP_1_2.assertValid(found)
    return found


async def test_an_airspace_incursion_is_an_alert_of_cap_1_2(api):
    tagged = await store_incursion(api)
    alert = valid_cap(await body_of(api, f"/reports/{tagged.report.id}.cap"))
    text = {each.tag.partition("}")[2]: each.text for each in alert.iter()}
    assert text["identifier"] == f"tocsin.{tagged.report.id}.1"
    assert (text["status"], text["severity"], text["areaDesc"]) == ("Actual", "Unknown", "Estonia")
    assert "unverified" in text["note"]
    assert valid_cap(await body_of(api, "/topics/airspace_incursions.cap")) is not None
    links = valid(await body_of(api, "/topics/airspace_incursions.atom")).xpath(
        "//a:link/@href", namespaces=ATOM
    )
    assert f"{api.address}/reports/{tagged.report.id}.cap" in links


async def test_a_revision_updates_the_alert_before_it(api):
    tagged = await store_incursion(api)
    first = valid_cap(await body_of(api, f"/reports/{tagged.report.id}.cap"))
    assert first.findtext("{*}msgType") == "Alert"
    second = tagged.report.model_copy(update={"revision": 2, "title": "Three jets scrambled"})
    again = make_tagged(second, airspace_incursions=("entered the airspace",))
    await store_reports(api.bus, [again], moment=NOW + timedelta(hours=1))
    update = valid_cap(await body_of(api, f"/reports/{tagged.report.id}.cap"))
    assert update.findtext("{*}msgType") == "Update"
    assert update.findtext("{*}references") == ",".join(
        first.findtext("{*}" + name) for name in ("sender", "identifier", "sent")
    )


async def test_only_incursions_are_alerts(api):
    await store_reports(api.bus, [tagged := about("SD")])
    await body_of(api, f"/reports/{tagged.report.id}.cap", 404)
    await body_of(api, "/topics/airspace_incursions.cap", 404)


# Asking again -------------------------------------------------------------------------------------

AGAIN = [
    "/topics/displacement.atom",
    "/countries/SD.json",
    "/reports.geojson",
    "/v1/reports",
    "/",
    "/v1/topics",
]


@pytest.mark.parametrize("path", AGAIN)
async def test_what_has_not_changed_is_not_sent_again(api, path):
    await store_reports(api.bus, [about("SD")])
    async with api.get(path) as response:
        etag, whole = response.headers["ETag"], await response.read()
    assert await body_of(api, path, 304, **{"If-None-Match": f'"x", {etag}'}) == b""
    assert await body_of(api, path, 200, **{"If-None-Match": '"x"'}) == whole
    await store_reports(api.bus, [about("SD")], moment=NOW + timedelta(days=1))
    await body_of(api, path, 304 if path == "/v1/topics" else 200, **{"If-None-Match": etag})


async def test_a_feed_says_when_it_changed_and_takes_that_as_an_answer(api):
    await store_reports(api.bus, [about("SD")])
    async with api.get("/topics/displacement.atom") as response:
        changed = response.headers["Last-Modified"]
        assert response.headers["Cache-Control"] == "public, max-age=60"
    assert changed == "Sat, 14 Mar 2026 09:30:00 GMT"
    await body_of(api, "/topics/displacement.atom", 304, **{"If-Modified-Since": changed})


async def test_what_is_kept_is_that_of_the_same_question(api):
    await store_reports(api.bus, [about("SD"), about("TD")])
    first = await body_of(api, "/v1/reports?country=SD")
    assert await body_of(api, "/v1/reports?country=TD") != first
    assert await body_of(api, "/v1/reports?country=SD") == first


async def test_a_revision_is_seen_at_once_whatever_was_kept(api):
    report = make_report()
    await store_reports(api.bus, [make_tagged(report, displacement=("fled",))])
    await body_of(api, "/v1/reports?topic=displacement")
    second = report.model_copy(update={"revision": 2, "title": "Corrected"})
    await store_reports(api.bus, [make_tagged(second)], moment=NOW + timedelta(hours=1))
    assert json.loads(await body_of(api, "/v1/reports?topic=displacement"))["reports"] == []
    assert json.loads(await body_of(api, "/v1/reports"))["reports"][0]["report"]["title"] == "Corrected"


async def test_answers_are_compressed_for_those_who_take_it_and_pages_with_keys_never(api):
    await store_reports(api.bus, [about("SD") for _ in range(10)])
    plain = await body_of(api, "/v1/reports", **{"Accept-Encoding": "identity"})
    async with api.request(
        "GET", "/v1/reports", headers={"Accept-Encoding": "gzip"}, auto_decompress=False
    ) as r:
        assert r.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await r.read()) == plain
    async with api.get("/subscribe", headers={"Accept-Encoding": "gzip"}) as response:
        assert "Content-Encoding" not in response.headers


# Harmless -----------------------------------------------------------------------------------------


# A feed has fifty entries.
COUNTRIES = ("SD", "TD", "UA", "EE")


async def store_hostile(api):
    """Every payload as title, text, author and name of a source, and as the words that were found."""
    reports = []
    for number, payload in enumerate(PAYLOADS):
        source = Source(
            id="feed1", title=payload[:300], feed_url="https://n.example/feed", home_url="javascript:1"
        )
        report = make_report(
            title=payload, text=payload, url="javascript:alert(1)", authors=(payload[:300],), source=source
        )
        tag = make_tag("aid", report, payload[:40])
        tagged = make_tagged(report).model_copy(
            update={"tags": (tag,), "countries": (Country(code=COUNTRIES[number // 50]),)}
        )
        reports.append(tagged)
    await store_reports(api.bus, reports)
    return reports


def check_html(fragment: str) -> None:
    """Nothing but our own elements, nothing that acts, no address but of the web."""
    tree = html.fragment_fromstring(fragment, create_parent="section")
    for element in tree.iterdescendants():
        assert element.tag in ELEMENTS, fragment[:200]
        assert set(element.attrib) <= {"href", "dir", "lang"}, fragment[:200]
        assert element.get("href", "https://").startswith(("http://", "https://"))


async def test_there_are_a_hundred_payloads_that_differ(api):
    assert len(set(PAYLOADS)) > 100


async def test_nothing_hostile_comes_out_of_feeds(api):
    reports = await store_hostile(api)
    seen = 0
    for code in COUNTRIES:
        atom = await body_of(api, f"/countries/{code}.atom")
        for entry in valid(atom).xpath("a:entry", namespaces=ATOM):
            title, content = entry.find("a:title", ATOM), entry.find("a:content", ATOM)
            assert title.get("type") == "html"
            assert not list(html.fragment_fromstring(title.text, create_parent="b"))
            check_html(content.text)
            assert not UNSEEN & set("".join(entry.itertext()))
            seen += 1
        raw = await body_of(api, f"/countries/{code}.json")
        assert not re.search(rb"[<>]", raw)
        for item in json.loads(raw)["items"]:
            check_html(item["content_html"])
            assert "external_url" not in item
            assert not UNSEEN & set(json.dumps(item, ensure_ascii=False))
        assert not re.search(rb"[<>]", await body_of(api, f"/countries/{code}.geojson"))
        assert not re.search(rb"[<>]", await body_of(api, f"/v1/reports?country={code}"))
    assert seen == len(reports)


async def test_nothing_hostile_comes_out_of_an_alert(api):
    for payload in PAYLOADS:
        tagged = make_tagged(report := make_report(title=payload, text=payload, url="javascript:1"))
        tag = make_tag("airspace_incursions", report, payload[:40])
        await store_reports(api.bus, [tagged.model_copy(update={"tags": (tag,)})])
        alert = valid_cap(await body_of(api, f"/reports/{report.id}.cap"))
        assert not UNSEEN & set("".join(alert.itertext()))


def forms_of(page: bytes) -> set[tuple[str, str, str]]:
    """Every element of a page with its attributes: what a report could add to."""
    tree = html.document_fromstring(page)
    return {
        (
            element.tag,
            name,
            value.partition(":")[0] if name in ("href", "src", "action") and ":" in value else "",
        )
        for element in tree.iter(etree.Element)
        for name, value in [*element.attrib.items(), ("", "")]
    }


async def test_nothing_hostile_comes_out_of_pages(api):
    harmless = make_tagged(make_report(url="https://n.example/1"), aid=("fled",), displacement=("fled",))
    await store_reports(api.bus, [harmless] * 2)
    allowed = forms_of(await body_of(api, f"/reports/{harmless.report.id}")) | forms_of(
        await body_of(api, "/?q=famil*")
    )
    reports = await store_hostile(api)
    addresses, address = [f"/reports/{each.report.id}" for each in reports], "/?all=1"
    while address:
        page = await body_of(api, address)
        addresses.append(address)
        address = next(iter(html.document_fromstring(page).xpath("//a[@rel='next']/@href")), None)
    for address in addresses:
        page = await body_of(api, address)
        more = {
            form for form in forms_of(page) if form not in allowed and form[1] not in ("rel", "aria-current")
        }
        assert not more, (address, more)
        assert not UNSEEN & set(page.decode())
