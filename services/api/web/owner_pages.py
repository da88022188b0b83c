"""The pages behind the links in messages: confirm, unsubscribe, manage. A GET shows, a POST does.

Mail scanners follow links; none of them may confirm or remove anything. Who has the key of a link may do what
the link says, nothing else; the manage token opens the manage page too.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from services.api.adapters.feed_list import read_titles
from services.api.adapters.replays import What
from services.api.core.change import Change
from services.api.core.form import AlertForm, change_fields, errors_by_field, form_of
from services.api.core.problem import FieldError, NotFound, Problem, validated
from services.api.core.signup import shown_key
from services.api.core.wording import (
    KINDS,
    delivery_in_words,
    endpoint_in_words,
    filter_in_words,
    schedule_in_words,
    state_in_words,
)
from services.api.web.owner_feed_routes import feed_address
from services.api.web.pages import PRIVATE
from services.api.web.parts import Parts, PartsOf
from services.api.web.preview_routes import Typed
from shared.catalogue import followable
from shared.links import MOVES, fallback_subject, move_subject
from shared.subscriptions import EmailEndpoint, Subscription, owns

router = APIRouter(include_in_schema=False)

Key = Annotated[str, Form()]
DONE = {
    "paused": "Paused: nothing is sent until you resume it.",
    "resumed": "Active again.",
    "tested": "A test message is on its way.",
    "retried": "It is being sent again.",
    "changed": "Changed.",
    "asked": "Changed. Both mail addresses were written to: the messages move when both have agreed.",
    "snoozed": "Snoozed: nothing is sent for a while, and what comes meanwhile is not told later.",
    "woken": "Awake again.",
    "feed": "The feed has a new address; the old one opens nothing any more.",
}
SHOWN = 30
REPLAY_DAYS = 7


@router.get("/confirm/{subscription_id}")
async def show_confirm(subscription_id: str, parts: PartsOf, key: str = "") -> HTMLResponse:
    """What would be confirmed, and the button."""
    await parts.check_key("confirm", subscription_id, key)
    subscription = await _found(parts, subscription_id)
    return await _confirm_page(parts, subscription, key)


@router.post("/confirm/{subscription_id}")
async def confirm(subscription_id: str, parts: PartsOf, key: Key = "") -> HTMLResponse:
    """Make it active: whoever has the key has read the mail."""
    await parts.check_key("confirm", subscription_id, key)
    subscription = await parts.desk.confirm(await _found(parts, subscription_id))
    return await _confirm_page(parts, subscription, key)


async def _confirm_page(parts: Parts, subscription: Subscription, key: str) -> HTMLResponse:
    is_mail = isinstance(subscription.channel, EmailEndpoint)
    manage_key = await parts.link_key("manage", subscription.id)
    return parts.pages.render(
        "confirm.html",
        private=True,
        key=key,
        is_mail=is_mail,
        # The key of a confirmation opens more only once it was used.
        manage=f"/manage/{subscription.id}?key={manage_key}"
        if is_mail and subscription.state == "active"
        else None,
        **await _described(parts, subscription),
    )


@router.get("/fallback/{subscription_id}")
async def show_fallback(subscription_id: str, parts: PartsOf, key: str = "") -> HTMLResponse:
    """What would come to a second channel, and the button."""
    subscription = await _found(parts, subscription_id)
    await parts.check_key("fallback", fallback_subject(subscription), key)
    return await _fallback_page(parts, subscription, key)


@router.post("/fallback/{subscription_id}")
async def confirm_fallback(subscription_id: str, parts: PartsOf, key: Key = "") -> HTMLResponse:
    """Let the second channel be used: whoever has the key has read the mail."""
    subscription = await _found(parts, subscription_id)
    await parts.check_key("fallback", fallback_subject(subscription), key)
    subscription = await parts.desk.confirm_fallback(subscription)
    return await _fallback_page(parts, subscription, key)


@router.get("/fallback/{subscription_id}/end")
async def show_end_of_fallback(subscription_id: str, parts: PartsOf, key: str = "") -> HTMLResponse:
    """What would not come to the second channel any more, and the button."""
    subscription = await _with_fallback(parts, subscription_id, key)
    return await _fallback_page(parts, subscription, key, ending=True)


@router.post("/fallback/{subscription_id}/end")
async def end_fallback(subscription_id: str, request: Request, parts: PartsOf, key: Key = "") -> HTMLResponse:
    """Send nothing more to the second channel; the first goes on. One click (RFC 8058), as for `unsubscribe`."""
    key = key or request.query_params.get("key", "")
    subscription = await parts.desk.end_fallback(await _with_fallback(parts, subscription_id, key))
    return await _fallback_page(parts, subscription, key, ending=True)


async def _with_fallback(parts: Parts, subscription_id: str, key: str) -> Subscription:
    subscription = await _found(parts, subscription_id)
    if subscription.fallback:
        await parts.check_key("unsubscribe", fallback_subject(subscription), key)
    return subscription


async def _fallback_page(
    parts: Parts, subscription: Subscription, key: str, *, ending: bool = False
) -> HTMLResponse:
    described = await _described(parts, subscription)
    return parts.pages.render("fallback.html", private=True, key=key, ending=ending, **described)


@router.get("/move/{subscription_id}")
async def show_move(
    subscription_id: str, parts: PartsOf, side: Literal["from", "to"] = "to", key: str = ""
) -> HTMLResponse:
    """What a change of address would do, and the button."""
    return _move_page(parts, await _moving(parts, subscription_id, side, key), side, key)


@router.post("/move/{subscription_id}")
async def agree_to_move(
    subscription_id: str, parts: PartsOf, side: Annotated[Literal["from", "to"], Form()], key: Key = ""
) -> HTMLResponse:
    """Agree for the address that was sent this key."""
    subscription = await _moving(parts, subscription_id, side, key)
    return _move_page(parts, await parts.desk.agree_to_move(subscription, side), side, key)


async def _moving(parts: Parts, subscription_id: str, side: str, key: str) -> Subscription:
    subscription = await _found(parts, subscription_id)
    if subscription.move is None:
        raise NotFound("This change of address is done, or was called off.")
    await parts.check_key(MOVES[side], move_subject(subscription), key)
    return subscription


def _move_page(parts: Parts, subscription: Subscription, side: str, key: str) -> HTMLResponse:
    agreed = subscription.move is None or side in subscription.move.agreed
    return parts.pages.render(
        "move.html", private=True, subscription=subscription, side=side, key=key, agreed=agreed
    )


@router.get("/unsubscribe/{subscription_id}")
async def show_unsubscribe(subscription_id: str, parts: PartsOf, key: str = "") -> HTMLResponse:
    """What would be removed, and the button."""
    await parts.check_key("unsubscribe", subscription_id, key)
    subscription = await parts.desk.store.get(subscription_id)
    if subscription is None:
        return parts.pages.render("removed.html", private=True)
    return parts.pages.render(
        "unsubscribe.html", private=True, key=key, **await _described(parts, subscription)
    )


@router.post("/unsubscribe/{subscription_id}")
async def unsubscribe(subscription_id: str, request: Request, parts: PartsOf, key: Key = "") -> HTMLResponse:
    """Remove it. A mail program's one-click POST (RFC 8058) has the key in the address."""
    await parts.check_key("unsubscribe", subscription_id, key or request.query_params.get("key", ""))
    await parts.desk.remove(subscription_id)
    return parts.pages.render("removed.html", private=True)


@router.get("/manage/{subscription_id}")
async def show_manage(subscription_id: str, parts: PartsOf, key: str = "", done: str = "") -> HTMLResponse:
    """The subscription and what can be done with it; without a key a form for the manage token."""
    if not key:
        return parts.pages.render("token.html", private=True, id=subscription_id, wrong=False)
    await parts.check_key("manage", subscription_id, key)
    return await _manage_page(parts, await _found(parts, subscription_id), key, notice=DONE.get(done))


@router.post("/manage/{subscription_id}")
async def open_with_token(
    subscription_id: str, parts: PartsOf, token: Annotated[str, Form()] = ""
) -> Response:
    """Go to the manage page with a key of its own: the token itself is never in an address."""
    subscription = await parts.desk.store.get(subscription_id)
    if subscription is None or not owns(token, subscription):
        return parts.pages.render("token.html", status=403, private=True, id=subscription_id, wrong=True)
    return _to_manage(subscription_id, await parts.link_key("manage", subscription_id))


@router.post("/manage/{subscription_id}/change")
async def change(subscription_id: str, parts: PartsOf, form: Typed) -> Response:
    """Change what the form says, or show it again with what is wrong."""
    await parts.check_key("manage", subscription_id, form.key)
    subscription = await _found(parts, subscription_id)
    try:
        wanted = validated(Change, change_fields(form, subscription))
        await parts.desk.change(subscription, wanted)
    except Problem as e:
        errors = errors_by_field(e.errors or [FieldError("form", e.detail)])
        return await _manage_page(parts, subscription, form.key, form=form, errors=errors)
    moves = wanted.channel is not None and wanted.channel != subscription.channel
    return _to_manage(subscription_id, form.key, "asked" if moves else "changed")


@router.post("/manage/{subscription_id}/export")
async def export(subscription_id: str, parts: PartsOf, key: Key = "") -> JSONResponse:
    """Everything that is held about the subscription, as a file."""
    await parts.check_key("manage", subscription_id, key)
    held = await parts.desk.holdings.of(await _found(parts, subscription_id))
    name = {"Content-Disposition": f'attachment; filename="{subscription_id}.json"'}
    return JSONResponse(held, headers=PRIVATE | name)


@router.post("/manage/{subscription_id}/{action}")
async def act(
    subscription_id: str, action: str, parts: PartsOf, key: Key = "", delivery: Annotated[str, Form()] = ""
) -> Response:
    """Do what a button of the manage page says."""
    await parts.check_key("manage", subscription_id, key)
    subscription = await _found(parts, subscription_id)
    match action:
        case "pause":
            await parts.desk.pause(subscription)
            return _to_manage(subscription_id, key, "paused")
        case "resume":
            await parts.desk.resume(subscription)
            return _to_manage(subscription_id, key, "resumed")
        case "snooze-day" | "snooze-week" | "wake":
            days = {"snooze-day": 1, "snooze-week": 7}.get(action)
            until = datetime.now(UTC) + timedelta(days=days) if days else None
            await parts.desk.snooze(subscription, until)
            return _to_manage(subscription_id, key, "snoozed" if until else "woken")
        case "test":
            await parts.desk.test(subscription)
            return _to_manage(subscription_id, key, "tested")
        case "retry":
            await parts.desk.retry(subscription, delivery)
            return _to_manage(subscription_id, key, "retried")
        case "move-feed":
            await parts.desk.move_feed(subscription)
            return _to_manage(subscription_id, key, "feed")
        case "rotate-secret":
            shown = shown_key(await parts.desk.rotate_secret(subscription))
            return await _manage_page(parts, subscription, key, secret=next(iter(shown.values())))
        case "replay-failed" | "replay-missed":
            what: What = "failed" if action == "replay-failed" else "missed"
            since = datetime.now(UTC) - timedelta(days=REPLAY_DAYS)
            queued = await parts.desk.replay(subscription, what, since)
            return await _manage_page(parts, subscription, key, notice=f"{queued} being sent again.")
        case "remove":
            await parts.desk.remove(subscription_id)
            return parts.pages.render("removed.html", private=True)
    raise NotFound("There is no such button.")


def _to_manage(subscription_id: str, key: str, done: str = "") -> RedirectResponse:
    address = f"/manage/{subscription_id}?key={key}"
    return RedirectResponse(f"{address}&done={done}" if done else address, 303, PRIVATE)


async def _manage_page(
    parts: Parts,
    subscription: Subscription,
    key: str,
    *,
    notice: str | None = None,
    secret: str | None = None,
    form: AlertForm | None = None,
    errors: Mapping[str, str] | None = None,
) -> HTMLResponse:
    now = datetime.now(UTC)
    newest = await parts.desk.log.newest(subscription.id, SHOWN)
    deliveries = [
        {"delivery": delivery, "attempts": delivery.log, "words": delivery_in_words(delivery)}
        for delivery in newest
    ]
    return parts.pages.render(
        "manage.html",
        status=422 if errors else 200,
        private=True,
        form=form or form_of(subscription),
        errors=errors or {},
        topics=await parts.topics(),
        snoozed=(subscription.schedule.snooze_until or now) > now,
        key=key,
        notice=notice,
        secret=secret,
        deliveries=deliveries,
        kinds=KINDS,
        feeds=[
            (title, await feed_address(parts, subscription, form))
            for title, form in (("Atom", "atom"), ("JSON Feed", "json"))
        ],
        **await _described(parts, subscription),
    )


async def _described(parts: Parts, subscription: Subscription) -> dict[str, Any]:
    topics = followable(await parts.topics())
    sources = await read_titles(parts.bus.redis, parts.bus.names, subscription.filter.sources)
    return {
        "subscription": subscription,
        "wanted": filter_in_words(subscription.filter, topics, sources),
        "schedule": schedule_in_words(subscription.schedule),
        "endpoint": endpoint_in_words(subscription.channel),
        "fallback": endpoint_in_words(subscription.fallback) if subscription.fallback else None,
        "state": state_in_words(subscription),
    }


async def _found(parts: Parts, subscription_id: str) -> Subscription:
    subscription = await parts.desk.store.get(subscription_id)
    if subscription is None:
        raise NotFound("This subscription was removed. Set a new alert if you want its messages again.")
    return subscription
