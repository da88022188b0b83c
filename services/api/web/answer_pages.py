"""The pages behind the links in messages: confirm, unsubscribe, move. A GET shows, a POST does.

Mail scanners follow links; none of them may confirm or remove anything. Who has the key of a link may do what
the link says, nothing else.
"""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse

from services.api.core.life import agreed_to_move, confirmed
from services.api.core.problem import NotFound
from services.api.web.parts import PartsOf
from services.api.web.shown import described, found
from shared.links import MOVES, fallback_subject, move_subject
from shared.subscriptions import with_fallback_confirmed, without_fallback

router = APIRouter(include_in_schema=False)

Side = Literal["from", "to"]


def _key(
    typed: Annotated[str, Form(alias="key")] = "", linked: Annotated[str, Query(alias="key")] = ""
) -> str:
    """The key of a button's form, or of the address: a one-click POST of a mail program (RFC 8058) has it there."""
    return typed or linked


def _side(
    typed: Annotated[Side | None, Form(alias="side")] = None,
    linked: Annotated[Side, Query(alias="side")] = "to",
) -> Side:
    return typed or linked


def _is_pressed(request: Request) -> bool:
    return request.method == "POST"


Key = Annotated[str, Depends(_key)]
Pressed = Annotated[bool, Depends(_is_pressed)]
"""Whether the button was pressed that the page has; without that nothing changes."""
BOTH = ["GET", "POST"]


@router.api_route("/confirm/{subscription_id}", methods=BOTH)
async def confirm(subscription_id: str, parts: PartsOf, key: Key, pressed: Pressed) -> HTMLResponse:
    """What would be confirmed; pressed, it is active: whoever has the key has read the mail."""
    await parts.check_key("confirm", subscription_id, key)
    subscription = await found(parts, subscription_id)
    if pressed:
        subscription = await parts.desk.apply(subscription, confirmed)
    values = await described(parts, subscription)
    # The key of a confirmation opens more only once it was used.
    opens = values["is_mail"] and subscription.state == "active"
    manage = await parts.link_key("manage", subscription.id) if opens else None
    return parts.pages.render("confirm.html", private=True, key=key, manage=manage, **values)


@router.api_route("/fallback/{subscription_id}", methods=BOTH)
async def fallback(subscription_id: str, parts: PartsOf, key: Key, pressed: Pressed) -> HTMLResponse:
    """What would come to a second channel; pressed, it may be used: whoever has the key has read the mail."""
    subscription = await found(parts, subscription_id)
    await parts.check_key("fallback", fallback_subject(subscription), key)
    if pressed:
        subscription = await parts.desk.apply(subscription, with_fallback_confirmed)
    values = await described(parts, subscription)
    return parts.pages.render("fallback.html", private=True, key=key, ending=False, **values)


@router.api_route("/fallback/{subscription_id}/end", methods=BOTH)
async def end_fallback(subscription_id: str, parts: PartsOf, key: Key, pressed: Pressed) -> HTMLResponse:
    """What would not come to the second channel any more; pressed, nothing does, and the first goes on."""
    subscription = await found(parts, subscription_id)
    if subscription.fallback:
        await parts.check_key("unsubscribe", fallback_subject(subscription), key)
    if pressed:
        subscription = await parts.desk.apply(subscription, without_fallback)
    values = await described(parts, subscription)
    return parts.pages.render("fallback.html", private=True, key=key, ending=True, **values)


@router.api_route("/move/{subscription_id}", methods=BOTH)
async def move(
    subscription_id: str, parts: PartsOf, side: Annotated[Side, Depends(_side)], key: Key, pressed: Pressed
) -> HTMLResponse:
    """What a change of address would do; pressed, the address has agreed that was sent this key."""
    subscription = await found(parts, subscription_id)
    if subscription.move is None:
        raise NotFound("This change of address is done, or was called off.")
    await parts.check_key(MOVES[side], move_subject(subscription), key)
    if pressed:
        subscription = await parts.desk.apply(subscription, partial(agreed_to_move, side=side))
    agreed = subscription.move is None or side in subscription.move.agreed
    return parts.pages.render(
        "move.html", private=True, subscription=subscription, side=side, key=key, agreed=agreed
    )


@router.api_route("/unsubscribe/{subscription_id}", methods=BOTH)
async def unsubscribe(subscription_id: str, parts: PartsOf, key: Key, pressed: Pressed) -> HTMLResponse:
    """What would be removed; pressed, it is: also by the one click of a mail program."""
    await parts.check_key("unsubscribe", subscription_id, key)
    if pressed:
        await parts.desk.remove(subscription_id)
    subscription = await parts.desk.store.get(subscription_id)
    if subscription is None:
        return parts.pages.render("removed.html", private=True)
    values = await described(parts, subscription)
    return parts.pages.render("unsubscribe.html", private=True, key=key, **values)
