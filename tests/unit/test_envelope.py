"""What is true of every answer, on an app that is slow."""

import asyncio
from typing import Any

from services.api.web.envelope import Envelope

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}


async def answers_of(app: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await Envelope(app, patience=0.05)(SCOPE, receive, send)
    return sent


async def test_who_never_begins_to_answer_is_answered_for() -> None:
    async def stuck(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    head, body = await answers_of(stuck)
    assert head["status"] == 503
    assert (b"retry-after", b"5") in head["headers"]
    assert b"redis does not answer" in body["body"]


async def test_an_answer_that_has_begun_may_take_its_time() -> None:
    async def streaming(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.1)
        await send({"type": "http.response.body", "body": b"late"})

    head, body = await answers_of(streaming)
    assert (head["status"], body["body"]) == (200, b"late")
