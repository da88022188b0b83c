"""Who may do what: whoever shows the manage token of a subscription, or a token of the installation."""

from secrets import compare_digest
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from services.api.core.problem import Forbidden, Unauthorized
from services.api.settings import ApiSettings
from services.api.web.parts import PartsOf
from shared.subscriptions import Subscription, owns

_bearer = HTTPBearer(
    auto_error=False, description="The manage token of the subscription; of operations, their setting."
)


async def _shown(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    return given.credentials if given else ""


Shown = Annotated[str, Depends(_shown)]
"""The token that a request shows; empty if it shows none."""


def is_token(shown: str, expected: SecretStr | None) -> bool:
    """Return whether this is the token that is set; nothing is, where none is set."""
    right = expected.get_secret_value() if expected else ""
    return bool(right) and compare_digest(shown.encode(), right.encode())


def admin_token(settings: ApiSettings) -> SecretStr:
    """Return the operator's token; raise Forbidden where there is none."""
    token = settings.admin_token
    if token is None or not token.get_secret_value():
        raise Forbidden("nobody is the operator here: whoever runs this has to set TOCSIN_ADMIN_TOKEN")
    return token


async def _check_operator(parts: PartsOf, shown: Shown) -> None:
    if not is_token(shown, admin_token(parts.settings)):
        raise Unauthorized("TOCSIN_ADMIN_TOKEN")


Operator = Depends(_check_operator)
"""Only for who shows the operator's token."""


async def owned(subscription_id: str, parts: PartsOf, shown: Shown) -> Subscription:
    """Return the subscription, if the token is its own. An unknown id gets the same answer as a wrong token."""
    subscription = await parts.desk.store.get(subscription_id)
    if subscription is None or not owns(shown, subscription):
        raise Unauthorized("manage_token", " with the token of this subscription")
    return subscription


async def _asked_about(subscription: str, parts: PartsOf, shown: Shown) -> Subscription:
    return await owned(subscription, parts, shown)


Owned = Annotated[Subscription, Depends(owned)]
"""The subscription in the path."""
AskedAbout = Annotated[Subscription, Depends(_asked_about)]
"""The subscription in the query: ?subscription=…"""
