"""/manage, for the owner of a subscription: what became of it, and all that may be done with it.

It opens to the key of a link, and to the manage token. A GET shows, a POST does.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from services.api.adapters.replays import What
from services.api.core.form import AlertForm, change_fields, errors_by_field, form_of
from services.api.core.life import Change, feed_moved, paused, resumed, shown_key, snoozed
from services.api.core.problem import FieldError, NotFound, Problem, validated
from services.api.core.wording import KINDS, delivery_in_words
from services.api.web.outgoing_routes import feed_address
from services.api.web.pages import PRIVATE
from services.api.web.parts import Parts, PartsOf
from services.api.web.preview_routes import Typed
from services.api.web.shown import described, found
from shared.holdings import held_about
from shared.subscriptions import Subscription, owns

router = APIRouter(prefix="/manage", include_in_schema=False)

Key = Annotated[str, Form()]
DONE = {
    "paused": "Paused: nothing is sent until you resume it.",
    "resumed": "Active again.",
    "tested": "A test message is on its way.",
    "retried": "It is being sent again.",
    "changed": "Changed.",
    "asked": "Changed. The mail addresses were written to: the messages move when they have agreed.",
    "moved": "Changed. The new address is sent a test: the alert is active again once that is answered.",
    "second": "Changed. The second address is used once it has answered the message that it is sent.",
    "snoozed": "Snoozed: nothing is sent for a while, and what comes meanwhile is not told later.",
    "woken": "Awake again.",
    "feed": "The feed has a new address; the old one opens nothing any more.",
}
SHOWN = 30
REPLAY_DAYS = 7
_CHANGES: Mapping[str, tuple[Callable[[Subscription, datetime], Subscription], str]] = {
    "pause": (paused, "paused"),
    "resume": (resumed, "resumed"),
    "snooze-day": (partial(snoozed, days=1), "snoozed"),
    "snooze-week": (partial(snoozed, days=7), "snoozed"),
    "wake": (partial(snoozed, days=0), "woken"),
    "move-feed": (feed_moved, "feed"),
}
"""What a button makes of the subscription, and which of DONE says so."""


@router.get("/{subscription_id}")
async def show_manage(subscription_id: str, parts: PartsOf, key: str = "", done: str = "") -> HTMLResponse:
    """The subscription and what can be done with it; without a key a form for the manage token."""
    if not key:
        return parts.pages.render("token.html", private=True, id=subscription_id, wrong=False)
    await parts.check_key("manage", subscription_id, key)
    return await _manage_page(parts, await found(parts, subscription_id), key, notice=DONE.get(done))


@router.post("/{subscription_id}")
async def open_with_token(
    subscription_id: str, parts: PartsOf, token: Annotated[str, Form()] = ""
) -> Response:
    """Go to the manage page with a key of its own: the token itself is never in an address."""
    subscription = await parts.desk.store.get(subscription_id)
    if subscription is None or not owns(token, subscription):
        return parts.pages.render("token.html", status=403, private=True, id=subscription_id, wrong=True)
    return _to_manage(subscription_id, await parts.link_key("manage", subscription_id))


@router.post("/{subscription_id}/change")
async def change(subscription_id: str, parts: PartsOf, form: Typed) -> Response:
    """Change what the form says, or show it again with what is wrong."""
    await parts.check_key("manage", subscription_id, form.key)
    subscription = await found(parts, subscription_id)
    try:
        changed = await parts.desk.change(subscription, validated(Change, change_fields(form, subscription)))
    except Problem as e:
        errors = errors_by_field(e.errors or [FieldError("form", e.detail)])
        return await _manage_page(parts, subscription, form.key, form=form, errors=errors)
    done = _done(subscription, changed.subscription)
    if changed.secret:
        return await _manage_page(
            parts, changed.subscription, form.key, notice=DONE[done], secret=changed.secret
        )
    return _to_manage(subscription_id, form.key, done)


def _done(before: Subscription, after: Subscription) -> str:
    if after.move != before.move:
        return "asked"
    if after.channel != before.channel:
        return "moved"
    return "second" if after.fallback and after.fallback != before.fallback else "changed"


@router.post("/{subscription_id}/export")
async def export(subscription_id: str, parts: PartsOf, key: Key = "") -> JSONResponse:
    """Everything that is held about the subscription, as a file."""
    await parts.check_key("manage", subscription_id, key)
    held = await held_about(parts.bus, await found(parts, subscription_id))
    name = {"Content-Disposition": f'attachment; filename="{subscription_id}.json"'}
    return JSONResponse(held, headers=PRIVATE | name)


@router.post("/{subscription_id}/{action}")
async def act(
    subscription_id: str, action: str, parts: PartsOf, key: Key = "", delivery: Annotated[str, Form()] = ""
) -> Response:
    """Do what a button of the manage page says."""
    await parts.check_key("manage", subscription_id, key)
    subscription = await found(parts, subscription_id)
    if action in _CHANGES:
        make, done = _CHANGES[action]
        await parts.desk.apply(subscription, make)
        return _to_manage(subscription_id, key, done)
    match action:
        case "test":
            await parts.desk.test(subscription)
            return _to_manage(subscription_id, key, "tested")
        case "retry":
            await parts.desk.retry(subscription, delivery)
            return _to_manage(subscription_id, key, "retried")
        case "rotate-secret":
            changed = await parts.desk.rotate_secret(subscription)
            return await _manage_page(parts, changed, key, secret=changed.secret)
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
        secret=next(iter(shown_key(secret).values()), None),
        deliveries=deliveries,
        kinds=KINDS,
        replay_days=REPLAY_DAYS,
        feeds=[
            (title, await feed_address(parts, subscription, form))
            for title, form in (("Atom", "atom"), ("JSON Feed", "json"))
        ],
        **await described(parts, subscription),
    )
