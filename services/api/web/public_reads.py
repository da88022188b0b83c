"""What everybody may read: limits by source, answers kept while nothing has changed, 304, gzip, CORS.

limit <- nothing kept? <- shelf <- has anything changed? (one question to Redis)

Plain ASGI around the framework: what is on the shelf is answered without it. Pages with keys or tokens in them never
come here, nor are they compressed: their length would tell.
"""

import asyncio
import gzip
import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from fastapi import FastAPI
from fastapi.responses import Response
from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.adapters.limits import Limit, source_of, take
from services.api.core.problem import Problem
from services.api.web.envelope import with_headers
from services.api.web.parts import Parts
from services.api.web.problems import answer

# For programs of any site.
_OPEN = re.compile(
    r"/v1/(reports|topics|stream|events|history|feeds)(/[^/]*)?|/schemas/.*|/(openapi|asyncapi)\.json"
    r"|/(topics|countries|reports)\b.*\.(atom|json|cap|geojson)"
)
# Depends on reports and topics alone, or on nothing.
_KEPT = re.compile(
    r"/(fresh)?|/static/.*|/v1/(topics|reports(/[^/]*)?)|/(topics|countries|reports)\b.*|/(openapi|asyncapi)\.json"
)
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "If-None-Match, If-Modified-Since, Last-Event-ID",
    "Access-Control-Max-Age": "86400",
}
_WORDS = re.compile(rb"(^|&)(q|query)=[^&]")
# It may have to look at two thousand texts.
SEARCH_COST = 50
MINUTE = 60
TOO_MANY = f"at most {{}} answers a minute are worked out for one address; a search counts as {SEARCH_COST}"
MOST_BYTES = 32 * 1024 * 1024
WORTH_COMPRESSING = 1000


class Kept:
    """An answer as it was given, and what is asked of it again."""

    __slots__ = ("_zipped", "body", "etag", "headers", "modified", "version")

    def __init__(self, version: str, body: bytes, headers: Headers) -> None:
        self.version = version
        if "json" in headers.get("content-type", ""):
            # In JSON these stand only in texts: it is nothing else now, even to who takes it for HTML.
            body = body.replace(b"<", b"\\u003c").replace(b">", b"\\u003e")
        self.body = body
        self._zipped = b""
        self.etag = f'W/"{hashlib.sha256(body).hexdigest()[:24]}"'
        left_out = (b"content-length", b"ratelimit", b"etag")
        self.headers = [(name, value) for name, value in headers.raw if name.lower() not in left_out]
        self.modified = headers.get("last-modified")

    @property
    def size(self) -> int:
        return len(self.body) * 3 // 2 + 1000

    @property
    def zipped(self) -> bytes:
        """The body compressed, once somebody has asked for it; nothing if it is too short for that."""
        if not self._zipped and len(self.body) > WORTH_COMPRESSING:
            self._zipped = gzip.compress(self.body, 6, mtime=0)
        return self._zipped

    def answer_to(self, asked: Headers) -> Response:
        """Return it: whole, compressed, or only that it has not changed."""
        response = Response(headers={"ETag": self.etag, "Vary": "Accept-Encoding"})
        if self._is_known(asked):
            response.status_code = 304
        elif _takes_gzip(asked) and self.zipped:
            response.body = self.zipped
            response.headers["Content-Encoding"] = "gzip"
        else:
            response.body = self.body
        del response.headers["Content-Length"]
        response.raw_headers += self.headers
        if response.status_code == 200:
            response.headers["Content-Length"] = str(len(response.body))
        return response

    def _is_known(self, asked: Headers) -> bool:
        if (etags := asked.get("if-none-match")) is not None:
            return etags.strip() == "*" or self.etag.removeprefix("W/") in etags
        since = asked.get("if-modified-since")
        if not since or not self.modified:
            return False
        try:
            return parsedate_to_datetime(self.modified) <= parsedate_to_datetime(since)
        except (ValueError, TypeError):
            return False


class PublicReads:
    """Wraps the app."""

    def __init__(self, http: FastAPI) -> None:
        self._http = http
        self._app: ASGIApp = http
        # As it comes: a day may be a gigabyte.
        self._zipping = GZipMiddleware(http, compresslevel=5)
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._size = 0
        self._making: dict[str, asyncio.Task[Kept | Response]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_open, is_kept = bool(_OPEN.fullmatch(path)), bool(_KEPT.fullmatch(path))
        if not (is_open or is_kept):
            await self._app(scope, receive, send)
            return
        if is_open and scope["method"] == "OPTIONS":
            await Response(status_code=204, headers={**_CORS, **_PREFLIGHT})(scope, receive, send)
            return
        sending = with_headers(send, _CORS) if is_open else send
        if scope["method"] != "GET":
            await self._app(scope, receive, sending)
            return
        try:
            if is_kept:
                await self._answer(scope, receive, sending)
            else:
                headers = await self._count(scope)
                app = self._zipping if path.startswith("/v1/history/") else self._app
                await app(scope, receive, with_headers(sending, headers))
        except Problem as e:
            await answer(e)(scope, receive, sending)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts: Parts = self._http.state.parts
        try:
            version = f"{parts.started} {await parts.reports.version()}"
        except (RedisError, OSError):
            # The app says what is wrong, in the form that was asked for.
            await self._app(scope, receive, send)
            return
        key = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
        kept = self._kept.get(key)
        if kept is not None and kept.version == version:
            self._kept.move_to_end(key)
            headers: Mapping[str, str] = self._limit.policy("reads")
        else:
            headers = await self._count(scope)
            # Many may ask for the same at once: it is made once.
            making = self._making.get(key + version)
            if making is None:
                making = self._making[key + version] = asyncio.create_task(self._make(scope, key, version))
                making.add_done_callback(lambda _: self._making.pop(key + version))
            made = await asyncio.shield(making)
            if isinstance(made, Response):
                await made(scope, receive, with_headers(send, headers))
                return
            kept = made
        await kept.answer_to(Headers(scope=scope))(scope, receive, with_headers(send, headers))

    async def _make(self, scope: Scope, key: str, version: str) -> Kept | Response:
        """Ask the app; keep what it says if that is of use to others."""
        start, body = await _capture(self._app, scope)
        headers = Headers(raw=start["headers"])
        if start["status"] != 200 or "no-store" in headers.get("cache-control", ""):
            response = Response(body, start["status"])
            response.raw_headers = list(start["headers"])
            return response
        kept = Kept(version, body, headers)
        self._put(key, kept)
        return kept

    def _put(self, key: str, kept: Kept) -> None:
        if (old := self._kept.pop(key, None)) is not None:
            self._size -= old.size
        self._kept[key] = kept
        self._size += kept.size
        while self._size > MOST_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._size -= oldest.size

    @property
    def _limit(self) -> Limit:
        return Limit(self._http.state.parts.settings.reads_per_minute, MINUTE, TOO_MANY)

    async def _count(self, scope: Scope) -> Mapping[str, str]:
        """Count a request that costs something; return the headers that say what is left, or raise TooMany."""
        parts: Parts = self._http.state.parts
        who = source_of(scope["client"][0]) if scope.get("client") else "unknown"
        cost = SEARCH_COST if _WORDS.search(scope["query_string"]) else 1
        try:
            return await take(parts.bus, "reads", who, self._limit, cost)
        except (RedisError, OSError):
            return {}


async def _capture(app: ASGIApp, scope: Scope) -> tuple[Message, bytes]:
    """What an app answers, whole."""
    start: Message = {}
    body = bytearray()

    async def nothing_more() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def taking(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.extend(message.get("body", b""))

    await app(scope, nothing_more, taking)
    return start, bytes(body)


def _takes_gzip(asked: Headers) -> bool:
    return any(
        part.split(";")[0].strip() == "gzip" and "q=0" not in part.replace(" ", "").split(";")[1:]
        for part in asked.get("accept-encoding", "").split(",")
    )
