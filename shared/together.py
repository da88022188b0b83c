"""Ask Redis together what several polls ask in the same moment: a round trip costs more than the question."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from shared.redis_client import Argument, RedisClient


class Script(NamedTuple):
    """A script and what Redis calls it."""

    source: str
    sha: str


def script(source: str) -> Script:
    """Return a script, to be run by `Together.run`."""
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


class Together:
    """Sends commands as soon as those before are answered, all that have come until then at once."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._waiting: list[tuple[tuple[Argument, ...], asyncio.Future[Any]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Return what a script returns."""
        try:
            return await self.ask("EVALSHA", script.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self.ask("EVAL", script.source, len(keys), *keys, *args)

    def ask(self, *command: Argument) -> "asyncio.Future[Any]":
        """Return what a command is answered, with which it must not matter if it is run twice."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return answer

    async def _send(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                for (_, future), answer in zip(asked, await self._answers(asked), strict=True):
                    if future.done():
                        continue  # Nobody waits for it any more.
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
        finally:
            self._sender = None

    async def _answers(self, asked: Sequence[tuple[tuple[Argument, ...], Any]]) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        for command, _ in asked:
            pipe.execute_command(*command)
        try:
            return list(await pipe.execute(raise_on_error=False))
        except Exception as e:
            # Whatever it is, each who asked hears of it; else they would wait for ever.
            return [e] * len(asked)
