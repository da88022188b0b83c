"""Who may act on a subscription: whoever has its manage token."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.api.core.problem import Unauthorized
from services.api.web.parts import PartsOf
from shared.subscriptions import Subscription, owns

_bearer = HTTPBearer(auto_error=False, description="The manage token of the subscription.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def owned(subscription_id: str, parts: PartsOf, credentials: Credentials) -> Subscription:
    """Return the subscription, if the token is its own. An unknown id gets the same answer as a wrong token."""
    subscription = await parts.desk.store.get(subscription_id)
    if subscription is None or credentials is None or not owns(credentials.credentials, subscription):
        raise Unauthorized
    return subscription


async def _asked_about(subscription: str, parts: PartsOf, credentials: Credentials) -> Subscription:
    return await owned(subscription, parts, credentials)


Owned = Annotated[Subscription, Depends(owned)]
"""The subscription in the path."""
AskedAbout = Annotated[Subscription, Depends(_asked_about)]
"""The subscription in the query: ?subscription=…"""
