"""What is true of every request and answer: a body limit, and headers that keep browsers from doing more than asked.

Plain ASGI around the framework: it holds for the answers to our own bugs as well.
"""

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.core.problem import NotReady, Problem, TooLarge
from services.api.web.problems import answer
from shared.push import PATH

BODY_LIMIT = 64 * 1024
# WebSub hubs send whole feeds. What is larger is found by the next poll.
PUSH_LIMIT = 2 * 1024 * 1024
BODY_PATIENCE = 15.0
ANSWER_PATIENCE = 10.0

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Links in mails carry keys: no other site is to see them.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Envelope:
    """Wraps the app, which has `patience` seconds to begin an answer."""

    def __init__(self, app: ASGIApp, patience: float = ANSWER_PATIENCE) -> None:
        self._app = app
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # Answered as a GET; the server leaves the body out.
            scope = {**scope, "method": "GET"}
        sending = with_headers(send, HEADERS)
        try:
            async with asyncio.timeout(BODY_PATIENCE):
                body = await _read_body(scope, receive)
        except (TooLarge, TimeoutError) as e:
            late = Problem(f"the body took over {BODY_PATIENCE:.0f} s", status=408)
            problem = e if isinstance(e, TooLarge) else late
            await answer(problem)(scope, receive, sending)
            return
        if body is not None:
            await self._answer(scope, _again(body, receive), sending)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer, but not begin to for ever: Redis may stand still, and its client is patient."""
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            timer.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(self._patience) as timer:
                await self._app(scope, receive, noting)
        except TimeoutError:
            if begun:
                raise
            late = NotReady("redis does not answer; try again in a moment", headers={"Retry-After": "5"})
            await answer(late)(scope, receive, send)


def with_headers(send: Send, more: Mapping[str, str]) -> Send:
    """Return a `send` that puts these headers on the answer, where it has not its own."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in more.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


async def _read_body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body, None if the client went away; raise TooLarge before more than the limit is held."""
    limit = PUSH_LIMIT if scope["path"].startswith(PATH + "/") else BODY_LIMIT
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"at most {limit} bytes are taken")
    body = b""
    while True:
        message: MutableMapping[str, Any] = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += bytes(message.get("body", b""))
        if len(body) > limit:
            raise TooLarge(f"at most {limit} bytes are taken")
        if not message.get("more_body"):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Hand the body over once; after it comes what the server says (that the client went away)."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return pending.pop() if pending else await receive()

    return receiving
