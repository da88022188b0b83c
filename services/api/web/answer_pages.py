"""The pages behind the links in messages: confirm, unsubscribe, move. A GET shows, a POST does.

Mail scanners follow links; none of them may confirm or remove anything. Who has the key of a link may do what
the link says, nothing else.
"""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse

from services.api.core.life import agreed_to_move, confirmed, fallback_confirmed, fallback_ended
from services.api.core.problem import NotFound
from services.api.web.parts import Parts, PartsOf
from services.api.web.shown import described, found
from shared.links import MOVES, fallback_subject, move_subject
from shared.subscriptions import Subscription

router = APIRouter(include_in_schema=False)


def _key(
    typed: Annotated[str, Form(alias="key")] = "", linked: Annotated[str, Query(alias="key")] = ""
) -> str:
    """The key of a button's form, or of the address: a one-click POST of a mail program (RFC 8058) has it there."""
    return typed or linked


Key = Annotated[str, Depends(_key)]


@router.get("/confirm/{subscription_id}")
async def show_confirm(subscription_id: str, parts: PartsOf, key: str = "") -> HTMLResponse:
    """What would be confirmed, and the button."""
    await parts.check_key("confirm", subscription_id, key)
    subscription = await found(parts, subscription_id)
    return await _confirm_page(parts, subscription, key)


@router.post("/confirm/{subscription_id}")
async def confirm(subscription_id: str, parts: PartsOf, key: Key) -> HTMLResponse:
    """Make it active: whoever has the key has read the mail."""
    await parts.check_key("confirm", subscription_id, key)
    subscription = await parts.desk.apply(await found(parts, subscription_id), confirmed)
    return await _confirm_page(parts, subscription, key)


async def _confirm_page(parts: Parts, subscription: Subscription, key: str) -> HTMLResponse:
    values = await described(parts, subscription)
    # The key of a confirmation opens more only once it was used.
    opens = values["is_mail"] and subscription.state == "active"
    manage = await parts.link_key("manage", subscription.id) if opens else None
    return parts.pages.render("confirm.html", private=True, key=key, manage=manage, **values)


@router.get("/fallback/{subscription_id}")
async def show_fallback(subscription_id: str, parts: PartsOf, key: str = "") -> HTMLResponse:
    """What would come to a second channel, and the button."""
    subscription = await found(parts, subscription_id)
    await parts.check_key("fallback", fallback_subject(subscription), key)
    return await _fallback_page(parts, subscription, key)


@router.post("/fallback/{subscription_id}")
async def confirm_fallback(subscription_id: str, parts: PartsOf, key: Key) -> HTMLResponse:
    """Let the second channel be used: whoever has the key has read the mail."""
    subscription = await found(parts, subscription_id)
    await parts.check_key("fallback", fallback_subject(subscription), key)
    subscription = await parts.desk.apply(subscription, fallback_confirmed)
    return await _fallback_page(parts, subscription, key)


@router.get("/fallback/{subscription_id}/end")
async def show_end_of_fallback(subscription_id: str, parts: PartsOf, key: str = "") -> HTMLResponse:
    """What would not come to the second channel any more, and the button."""
    subscription = await _with_fallback(parts, subscription_id, key)
    return await _fallback_page(parts, subscription, key, ending=True)


@router.post("/fallback/{subscription_id}/end")
async def end_fallback(subscription_id: str, parts: PartsOf, key: Key) -> HTMLResponse:
    """Send nothing more to the second channel; the first goes on. One click (RFC 8058), as for `unsubscribe`."""
    subscription = await parts.desk.apply(await _with_fallback(parts, subscription_id, key), fallback_ended)
    return await _fallback_page(parts, subscription, key, ending=True)


async def _with_fallback(parts: Parts, subscription_id: str, key: str) -> Subscription:
    subscription = await found(parts, subscription_id)
    if subscription.fallback:
        await parts.check_key("unsubscribe", fallback_subject(subscription), key)
    return subscription


async def _fallback_page(
    parts: Parts, subscription: Subscription, key: str, *, ending: bool = False
) -> HTMLResponse:
    values = await described(parts, subscription)
    return parts.pages.render("fallback.html", private=True, key=key, ending=ending, **values)


@router.get("/move/{subscription_id}")
async def show_move(
    subscription_id: str, parts: PartsOf, side: Literal["from", "to"] = "to", key: str = ""
) -> HTMLResponse:
    """What a change of address would do, and the button."""
    return _move_page(parts, await _moving(parts, subscription_id, side, key), side, key)


@router.post("/move/{subscription_id}")
async def agree_to_move(
    subscription_id: str, parts: PartsOf, side: Annotated[Literal["from", "to"], Form()], key: Key
) -> HTMLResponse:
    """Agree for the address that was sent this key."""
    subscription = await _moving(parts, subscription_id, side, key)
    agreed = await parts.desk.apply(subscription, partial(agreed_to_move, side=side))
    return _move_page(parts, agreed, side, key)


async def _moving(parts: Parts, subscription_id: str, side: str, key: str) -> Subscription:
    subscription = await found(parts, subscription_id)
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
        "unsubscribe.html", private=True, key=key, **await described(parts, subscription)
    )


@router.post("/unsubscribe/{subscription_id}")
async def unsubscribe(subscription_id: str, parts: PartsOf, key: Key) -> HTMLResponse:
    """Remove it: also the one click of a mail program."""
    await parts.check_key("unsubscribe", subscription_id, key)
    await parts.desk.remove(subscription_id)
    return parts.pages.render("removed.html", private=True)
