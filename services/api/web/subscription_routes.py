"""/v1/subscriptions: make, read, change, end, test; and what became of each delivery."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.api.adapters.replays import What
from services.api.core.life import Change, feed_moved, paused, resumed, shown_key
from services.api.web.outgoing_routes import feed_address
from services.api.web.parts import HostOf, PartsOf
from services.api.web.tokens import Owned, Shown
from shared.delivery import Delivery
from shared.events import Moment
from shared.holdings import held_about
from shared.subscriptions import Wish, public_view

router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])


class Secret(BaseModel):
    """What verifies the signatures of a webhook: a secret, or with ed25519 a public key."""

    secret: str | None = Field(default=None, examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    public_key: str | None = Field(
        default=None, examples=["whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]
    )


class Created(Secret):
    """A new subscription. The token and what verifies signatures are shown this once."""

    id: str = Field(examples=["sub_5f2b8c0d9e1a4b7c3d6e8f90"])
    state: Literal["pending"]
    manage_token: str = Field(examples=["tok_5Vw0…"])


class Feed(BaseModel):
    """Where what it matches is as a feed. The address is the key: whoever has it can read it."""

    atom: str
    json_feed: str


class Replay(BaseModel):
    """What is to be sent again."""

    what: What = Field(
        default="failed", description="failed: what was given up; missed: also what came meanwhile."
    )
    since: Moment


class Replayed(BaseModel):
    """How many are being sent again."""

    queued: int


class Deliveries(BaseModel):
    """Deliveries, the newest first, each with its attempts, the newest first."""

    deliveries: list[Delivery]


@router.post("", status_code=201, response_model=Created, response_model_exclude_none=True)
async def subscribe(
    wish: Wish,
    parts: PartsOf,
    host: HostOf,
    admin: Shown,
    response: Response,
) -> Created:
    """Make a subscription. It is pending until the mail is confirmed, or the webhook answers a signed test with 2xx.

    Where sign-up is closed (TOCSIN_SIGNUP=token) it takes the admin token.
    """
    made = await parts.desk.sign_up(wish, host, token=admin)
    response.headers["Location"] = f"/v1/subscriptions/{made.subscription.id}"
    return Created(
        id=made.subscription.id,
        state="pending",
        manage_token=made.manage_token,
        **shown_key(made.subscription.secret),
    )


@router.get("/{subscription_id}")
async def read(subscription: Owned) -> dict[str, Any]:
    """Return the subscription: filter, channel, state and the reason for it."""
    return dict(public_view(subscription))


@router.patch("/{subscription_id}")
async def change(subscription: Owned, wanted: Change, parts: PartsOf) -> dict[str, Any]:
    """Change what is named. A new webhook must answer a signed test first; its first secret is shown here once.

    A new mail address has to agree by the mail that it gets, and so has the old one; until then `move` says so.
    """
    changed = await parts.desk.change(subscription, wanted)
    view = dict(public_view(changed.subscription))
    return view | shown_key(changed.secret)


@router.get("/{subscription_id}/export")
async def export(subscription: Owned, parts: PartsOf) -> dict[str, Any]:
    """Return everything that is held about the subscription and its owner."""
    return await held_about(parts.bus, subscription)


@router.delete("/{subscription_id}", status_code=204, response_class=Response)
async def remove(subscription: Owned, parts: PartsOf) -> None:
    """Remove the subscription, and erase everything that is held about it."""
    await parts.desk.remove(subscription.id)


@router.post("/{subscription_id}/pause")
async def pause(subscription: Owned, parts: PartsOf) -> dict[str, Any]:
    """Send nothing until it is resumed."""
    return dict(public_view(await parts.desk.apply(subscription, paused)))


@router.post("/{subscription_id}/resume")
async def resume(subscription: Owned, parts: PartsOf) -> dict[str, Any]:
    """Send again. Only what was paused can be resumed."""
    return dict(public_view(await parts.desk.apply(subscription, resumed)))


@router.post("/{subscription_id}/test", status_code=202)
async def test(subscription: Owned, parts: PartsOf) -> Delivery:
    """Send a test message; to an endpoint that has not answered yet the confirmation again."""
    return await parts.desk.test(subscription)


@router.post("/{subscription_id}/rotate-secret", response_model_exclude_none=True)
async def rotate_secret(subscription: Owned, parts: PartsOf) -> Secret:
    """Return a new secret, or public key; for a day the old one signs as well."""
    return Secret(**shown_key((await parts.desk.rotate_secret(subscription)).secret))


@router.post("/{subscription_id}/rotate-feed")
async def rotate_feed(subscription: Owned, parts: PartsOf) -> Feed:
    """Return a new address of the feed of what it matches; the old one opens nothing any more."""
    moved = await parts.desk.apply(subscription, feed_moved)
    return Feed(
        atom=await feed_address(parts, moved, "atom"), json_feed=await feed_address(parts, moved, "json")
    )


@router.post("/{subscription_id}/replay", status_code=202)
async def replay(subscription: Owned, wanted: Replay, parts: PartsOf) -> Replayed:
    """Send again what failed since a moment, or all that was missed; each with its old webhook-id."""
    return Replayed(queued=await parts.desk.replay(subscription, wanted.what, wanted.since))


@router.get("/{subscription_id}/deliveries")
async def deliveries(
    subscription: Owned, parts: PartsOf, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> Deliveries:
    """Return the newest deliveries, each with its attempts."""
    return Deliveries(deliveries=await parts.desk.log.newest(subscription.id, limit))


@router.post("/{subscription_id}/deliveries/{delivery_id}/retry", status_code=202)
async def retry(subscription: Owned, delivery_id: str, parts: PartsOf) -> Delivery:
    """Send a delivery again, whatever became of it, with the same webhook-id."""
    return await parts.desk.retry(subscription, delivery_id)
