"""/admin, for operators who have TOCSIN_ADMIN_TOKEN: what is in trouble, and the buttons that mend it.

The token is shown once, for a cookie that no script reads and no other site can send; a GET changes nothing.
"""

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Cookie, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.api.adapters import feeds
from services.api.adapters.limits import Limit, take
from services.api.adapters.readiness import find_missing, running_services
from services.api.core.admin_session import LIFE, is_session, make_session
from services.api.core.feed_health import NewFeed, in_words
from services.api.core.problem import Forbidden, NotFound, Problem, validated
from services.api.web.pages import PRIVATE
from services.api.web.parts import HostOf, Parts, PartsOf
from services.api.web.tokens import admin_token, is_token
from shared.catalogue import read_edit, read_problem
from shared.dead_letters import DeadLetter, DeadLetters
from shared.endpoints import address_of
from shared.groups import read_groups
from shared.maintenance import PAUSABLE, pause, read_paused, resume
from shared.subscriptions import Subscription

router = APIRouter(prefix="/admin", include_in_schema=False)

COOKIE = "tocsin_admin"
LETTERS_SHOWN = 100
ENDPOINTS_SHOWN = 100
RAW_SHOWN = 4000
TRIES = Limit(20, 3600, "more than {} tries; wait for the hour to pass")
DONE = {
    "replayed": "Put back on its stream, to be handled again.",
    "dropped": "Dropped for good.",
    "added": "The feed is read within seconds.",
    "removed": "The feed is watched no more.",
    "pause": "It ends what it has in hand, and takes up nothing more.",
    "resume": "It goes on within seconds.",
}

Session = Annotated[str, Cookie(alias=COOKIE)]


async def _is_open(parts: Parts, session: str) -> bool:
    token = admin_token(parts.settings).get_secret_value()
    return is_session(session, await parts.key(), token, datetime.now(UTC))


async def _check_session(parts: PartsOf, session: Session = "") -> None:
    if not await _is_open(parts, session):
        raise Forbidden("Your session has ended: open /admin and sign in again.")


_SignedIn = Depends(_check_session)


@router.get("")
async def show(parts: PartsOf, session: Session = "", done: str = "") -> HTMLResponse:
    """What is in trouble; to others a form for the token."""
    if not await _is_open(parts, session):
        return parts.pages.render("admin_token.html", private=True, wrong=False)
    return await _page(parts, notice=DONE.get(done))


@router.post("")
async def sign_in(parts: PartsOf, host: HostOf, token: Annotated[str, Form()] = "") -> Response:
    """Give the cookie for the token."""
    expected = admin_token(parts.settings)
    await take(parts.bus, "admin", host, TRIES)
    if not is_token(token, expected):
        return parts.pages.render("admin_token.html", status=403, private=True, wrong=True)
    answer = _to_admin()
    answer.set_cookie(
        COOKIE,
        make_session(await parts.key(), expected.get_secret_value(), datetime.now(UTC)),
        max_age=int(LIFE.total_seconds()),
        path="/admin",
        secure=parts.settings.public_url.startswith("https://"),
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/sign-out", dependencies=[_SignedIn])
async def sign_out() -> Response:
    """Take the cookie back."""
    answer = RedirectResponse("/", 303, PRIVATE)
    answer.delete_cookie(COOKIE, path="/admin")
    return answer


@router.post("/dead-letters/{action}", dependencies=[_SignedIn])
async def mend(action: str, parts: PartsOf, letter: Annotated[str, Form()] = "") -> Response:
    """Replay or drop one dead letter, or all that are shown."""
    letters = DeadLetters(parts.bus.redis, parts.bus.names)
    chosen = [each async for each in letters.list(LETTERS_SHOWN) if letter in ("all", each.key)]
    if not chosen:
        raise NotFound("There is no such dead letter any more.")
    acts = {"replay": (letters.replay, "replayed"), "drop": (letters.drop, "dropped")}
    if action not in acts:
        raise NotFound("There is no such button.")
    act, done = acts[action]
    for each in chosen:
        await act(each)
    return _to_admin(done)


@router.post("/services/{service}/{action}", dependencies=[_SignedIn])
async def pause_or_resume(service: str, action: str, parts: PartsOf) -> Response:
    """Pause a service for maintenance, or let it go on."""
    redis, names = parts.bus.redis, parts.bus.names
    if service not in PAUSABLE or action not in ("pause", "resume"):
        raise NotFound("There is no such button.")
    if action == "pause":
        await pause(redis, names, service, datetime.now(UTC))
    else:
        await resume(redis, names, service)
    return _to_admin(action)


@router.post("/feeds", dependencies=[_SignedIn])
async def add_feed(parts: PartsOf, url: Annotated[str, Form()] = "") -> Response:
    """Watch a feed, as POST /v1/feeds does."""
    try:
        wish = validated(NewFeed, {"url": url})
        await feeds.add_feed(parts.bus, wish, parts.settings.allow_hosts)
    except Problem as e:
        return await _page(parts, url=url, problem=e)
    return _to_admin("added")


@router.post("/feeds/{feed_id}/remove", dependencies=[_SignedIn])
async def remove_feed(feed_id: str, parts: PartsOf) -> Response:
    """Watch a feed no more that was added here."""
    await feeds.remove_feed(parts.bus, feed_id)
    return _to_admin("removed")


def _to_admin(done: str = "") -> RedirectResponse:
    return RedirectResponse(f"/admin?done={done}" if done else "/admin", 303, PRIVATE)


async def _page(
    parts: Parts, *, notice: str | None = None, url: str = "", problem: Problem | None = None
) -> HTMLResponse:
    redis, names, now = parts.bus.redis, parts.bus.names, datetime.now(UTC)
    letters = DeadLetters(redis, names)
    watched = await feeds.read_feeds(parts.bus)
    added = {raw.decode() for raw in await redis.hkeys(names.feeds_added)}
    trouble = {
        each.id: each async for each in parts.desk.store.each() if each.reason or each.state == "disabled"
    }
    troubled = list(trouble.values())
    running = await running_services(parts.bus)
    newest = await parts.reports.page(limit=1)
    return parts.pages.render(
        "admin.html",
        status=problem.status if problem else 200,
        private=True,
        notice=notice,
        url=url,
        problem=problem.detail if problem else None,
        letters=[_letter(each) async for each in letters.list(LETTERS_SHOWN)],
        letters_in_all=sum((await letters.count()).values()),
        feeds=[
            (feed, in_words(feed, now), feed.id in added)
            for feed in watched
            if feed.condition in ("failing", "silent") or feed.id in added
        ],
        feeds_in_all=len(watched),
        endpoints=[_endpoint(each) for each in troubled[:ENDPOINTS_SHOWN]],
        endpoints_in_all=len(troubled),
        running={service: running.count(service) for service in sorted({*running, *PAUSABLE})},
        paused=await read_paused(redis, names),
        pausable=PAUSABLE,
        groups=[each async for each in read_groups(redis, names)],
        missing=await find_missing(parts.bus),
        rulebook=newest[0].tagged.rulebook if newest and newest[0].tagged else None,
        rulebook_problem=await read_problem(redis, names),
        edit=await read_edit(redis, names),
        topics=await parts.topics(),
    )


def _letter(letter: DeadLetter) -> dict[str, Any]:
    raw = "\n".join(
        f"{name.decode(errors='replace')}: {value.decode(errors='replace')}"
        for name, value in letter.raw.items()
    )
    return {"letter": letter, "raw": raw[:RAW_SHOWN], "cut": len(raw) > RAW_SHOWN}


def _endpoint(subscription: Subscription) -> dict[str, Any]:
    """What an operator may know: where it goes, not to whom."""
    channel = subscription.channel
    address = address_of(channel)
    host = urlsplit(address).hostname or address.rpartition("@")[2]
    return {"subscription": subscription, "kind": channel.type, "host": host or "?"}
