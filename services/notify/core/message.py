"""The body of a webhook: what matched, why, and where to read on. Always under 20 KB.

A long text is cut to excerpts around the evidence; offsets stay those of the original. Only a report that is
still too long then (thousands of names, notes or tags) has its lists and strings cut as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from shared.events import TaggedReport
from shared.excerpts import excerpt
from shared.links import Links
from shared.subscriptions import Matched, Subscription

REPORT_MATCHED = "report.matched"
REPORT_UPDATED = "report.updated"
SUBSCRIPTION_TEST = "subscription.test"
SUBSCRIPTION_DISABLED = "subscription.disabled"
BODY_LIMIT = 20_000
ADDRESS_LIMIT = 2_048

# Cut anywhere, these would be wrong rather than shorter.
_WHOLE = frozenset({"id", "url", "feed_url", "home_url", "report", "manage"})


@dataclass(frozen=True, slots=True)
class _Measure:
    """How much is kept: characters of the text, characters of any other string, items of any list."""

    text: int
    string: int
    items: int


_MEASURES = (
    _Measure(1_000_000, 1_000_000, 1_000_000),
    _Measure(8_000, 2_500, 50),
    _Measure(4_000, 1_000, 20),
    _Measure(1_500, 300, 10),
    _Measure(400, 100, 4),
    _Measure(0, 30, 1),
)


@dataclass(frozen=True, slots=True)
class Reference:
    """What was told before: the first delivery's id, its report, and whether this is the same one, revised."""

    delivery: str
    report: str
    is_update: bool


def common_part(tagged: TaggedReport, links: Links) -> bytes:
    """Return what every subscriber is told of a report, whole: the link to it, which a subscriber's part leaves open,
    and members of `data`; made once for all of them."""
    content = tagged.model_dump(mode="json", exclude={"rulebook"})
    members = to_json({**content, "report": {**content["report"], "text_is_excerpt": False}})
    return to_json(links.report(tagged.report.id)) + b"}," + members[1:-1]


def matched_part(matched: Matched) -> bytes:
    """Return why a report is wanted, as a member of `data`: made once for all who want the same."""
    return to_json({"matched": _reasons(matched)})[1:-1]


def subscriber_part(subscription: Subscription, links: Links) -> bytes:
    """Return what is the same in all webhooks of a subscription: the beginning of `data`, up to the report's link."""
    about = {
        "subscription": {"id": subscription.id, "name": subscription.name},
        "links": {"manage": links.manage_with_token(subscription.id)},
    }
    return to_json(about)[1:-2] + b',"report":'


def webhook_body(
    subscription: Subscription,
    tagged: TaggedReport,
    matched: Matched,
    links: Links,
    now: datetime,
    ready: tuple[bytes, bytes, bytes] | None = None,
    *,
    reference: Reference | None = None,
    late: bool = False,
) -> bytes:
    """Return the JSON that tells of a match, UTF-8, under 20 KB.

    `data.late` is true in one that could not be delivered in time. `data.refers_to` names what was told before of
    the same story; a revision of a report that was told is of the type `report.updated`. `ready` are the
    subscriber's part, the common and the matched one, if they are known: then the body is only joined.
    """
    kind = REPORT_UPDATED if reference and reference.is_update else REPORT_MATCHED
    before: dict[str, Any] = {"late": True} if late else {}
    if reference:
        before["refers_to"] = {"id": reference.delivery, "report": reference.report}
    if ready and len(tagged.report.url or "") < ADDRESS_LIMIT:
        body = _joined(kind, before, now, ready)
        if len(body) < BODY_LIMIT:
            return body
    return _encoded(kind, _data(subscription, tagged, matched, links) | before, tagged, matched, now)


def _joined(kind: str, before: Mapping[str, Any], now: datetime, ready: tuple[bytes, bytes, bytes]) -> bytes:
    subscriber, common, why = ready
    last = b"," + to_json(before)[1:-1] if before else b""
    return b"".join((_head(kind, int(now.timestamp())), subscriber, common, b",", why, last, b"}}"))


@lru_cache(8)
def _head(kind: str, seconds: int) -> bytes:
    return f'{{"type":"{kind}","timestamp":"{_second(seconds)}","data":{{'.encode()


def webhook_notice_body(subscription: Subscription, links: Links, now: datetime) -> bytes:
    """Return the JSON that tells a second channel that the first is switched off, and why."""
    about = {"id": subscription.id, "name": subscription.name, "state": subscription.state}
    data = {
        "subscription": {**about, "reason": subscription.reason},
        "links": {"manage": links.manage_with_token(subscription.id)},
    }
    return to_json({"type": SUBSCRIPTION_DISABLED, "timestamp": _rfc3339(now), "data": data})


def webhook_test_body(
    subscription: Subscription,
    tagged: TaggedReport | None,
    matched: Matched | None,
    links: Links,
    now: datetime,
) -> bytes:
    """Return the JSON of a test event: the same shape, with the newest report that would match or null.

    Its type is `subscription.test` and `data.example` is true, so that nobody takes it for news.
    """
    data = {"example": True, **_data(subscription, tagged, matched, links)}
    return _encoded(SUBSCRIPTION_TEST, data, tagged, matched, now)


def _data(
    subscription: Subscription, tagged: TaggedReport | None, matched: Matched | None, links: Links
) -> dict[str, Any]:
    content = tagged.model_dump(mode="json", exclude={"rulebook", "report"}) if tagged else {}
    return {
        "subscription": {"id": subscription.id, "name": subscription.name},
        "report": None,
        "tags": content.get("tags", []),
        "countries": content.get("countries", []),
        "story": content.get("story"),
        "matched": _reasons(matched),
        "links": {
            "report": links.report(tagged.report.id) if tagged else None,
            "manage": links.manage_with_token(subscription.id),
        },
    }


def _reasons(matched: Matched | None) -> dict[str, Any]:
    if matched is None:
        return {"clauses": [], "evidence": []}
    return {"clauses": list(matched.clauses), "evidence": [vars(piece) for piece in matched.evidence]}


def _encoded(
    kind: str, data: dict[str, Any], tagged: TaggedReport | None, matched: Matched | None, now: datetime
) -> bytes:
    def cut_to(measure: _Measure) -> bytes:
        cut = {**_shortened(data, measure), "report": _report(tagged, matched, measure)}
        return to_json({"type": kind, "timestamp": _rfc3339(now), "data": cut})

    bodies = (cut_to(measure) for measure in _MEASURES[:-1])
    return next((body for body in bodies if len(body) < BODY_LIMIT), None) or cut_to(_MEASURES[-1])


def _report(tagged: TaggedReport | None, matched: Matched | None, measure: _Measure) -> dict[str, Any] | None:
    if tagged is None:
        return None
    report = tagged.report.model_dump(mode="json", exclude={"text"})
    text = excerpt(tagged.report.text, matched.evidence if matched else (), measure.text)
    return {**_shortened(report, measure), "text": text, "text_is_excerpt": text != tagged.report.text}


def _shortened(value: Any, measure: _Measure) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _whole(part) if key in _WHOLE else _shortened(part, measure) for key, part in value.items()
        }
    if isinstance(value, list):
        return [_shortened(part, measure) for part in value[: measure.items]]
    if isinstance(value, str) and len(value) > measure.string:
        return value[: measure.string - 1] + "…"
    return value


def _whole(value: Any) -> Any:
    too_long = isinstance(value, str) and len(to_json(value)) > ADDRESS_LIMIT
    return None if too_long else value


def _rfc3339(moment: datetime) -> str:
    return _second(int(moment.timestamp()))


@lru_cache(8)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
