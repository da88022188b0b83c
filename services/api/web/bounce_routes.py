"""/v1/bounces: mail services tell of mails that did not arrive. Each is let in by TOCSIN_BOUNCE_TOKEN."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Body, Query
from pydantic import BaseModel

from services.api.adapters.bounces import stop_bounced
from services.api.core.bounces import BounceError, Sender, parsed, read_bounces
from services.api.core.problem import FieldError, Forbidden, Invalid
from services.api.web.parts import PartsOf
from services.api.web.tokens import Shown, is_token

log = structlog.get_logger()

router = APIRouter(prefix="/v1/bounces", tags=["bounces"])


class Taken(BaseModel):
    """How many subscriptions were stopped or paused."""

    stopped: int


@router.post("/{sender}")
async def take_bounce(
    sender: Sender,
    parts: PartsOf,
    message: Annotated[Any, Body()],
    shown: Shown,
    token: Annotated[str, Query(description="Where a service sends no header.")] = "",
) -> Taken:
    """Take a bounce or complaint: generic is {"address", "kind": "hard", "soft" or "complaint", "reason"?, "id"?}."""
    if not is_token(shown or token, parts.settings.bounce_token):
        raise Forbidden("the token is not TOCSIN_BOUNCE_TOKEN")
    try:
        if isinstance(message, bytes):
            message = parsed(message)
        if (
            sender == "ses"
            and isinstance(message, dict)
            and message.get("Type") == "SubscriptionConfirmation"
        ):
            # Whoever set the topic up is looking at the log; we confirm nothing for somebody else.
            url = str(message.get("SubscribeURL"))
            log.warning("confirm the SNS subscription by opening this address", url=url)
            return Taken(stopped=0)
        return Taken(stopped=await stop_bounced(parts.bus, read_bounces(sender, message)))
    except BounceError as e:
        raise Invalid([FieldError("body", str(e))]) from e
