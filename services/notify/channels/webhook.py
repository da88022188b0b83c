"""Posts signed JSON (Standard Webhooks). Follows no redirect; waits for no answer past a deadline."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from types import TracebackType

import aiohttp
from aiohttp.abc import AbstractResolver

from services.notify.core.channel import DeliveryError, Sent, WebhookMessage, one_line
from services.notify.core.schedule import parse_retry_after
from services.notify.core.signature import signed_headers
from shared.address_guard import AddressGuard, ForbiddenURL, blocked_cause
from shared.subscriptions import WebhookEndpoint

DEADLINE_SECONDS = 15.0
ANSWER_LIMIT = 16_384
KEEPALIVE_SECONDS = 45.0
GONE = 410
OVERLOADED = (429, 502, 503, 504)


class WebhookChannel:
    """Carries a body to a URL, over connections that are kept alive. Open it with `async with`."""

    def __init__(
        self,
        guard: AddressGuard,
        clock: Callable[[], datetime],
        *,
        deadline: float = DEADLINE_SECONDS,
        user_agent: str = "Tocsin",
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._deadline = deadline
        self._user_agent = user_agent
        self._resolver = resolver

    async def __aenter__(self) -> "WebhookChannel":
        # No limit here: whoever calls decides how many are under way, and waiting would eat up the deadline.
        connector = self._guard.connector(
            limit=0, keepalive_timeout=KEEPALIVE_SECONDS, resolver=self._resolver
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            # An answer is read as it comes: a small one that unpacks to gigabytes costs nothing.
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, message: WebhookMessage, endpoint: WebhookEndpoint) -> Sent:
        """Return when the receiver answered 2xx; raise DeliveryError otherwise.

        The deadline covers everything from the name's look-up to the last byte that is read of the answer.
        """
        end = asyncio.get_running_loop().time() + self._deadline
        try:
            url = self._guard.check_url(endpoint.url)
            async with asyncio.timeout_at(end):
                answer = await self._post(url, message)
        except ForbiddenURL as e:
            raise DeliveryError(str(e), permanent=True) from e
        except TimeoutError as e:
            raise DeliveryError(f"no answer within {self._deadline:g} s", overloaded=True) from e
        except aiohttp.ClientError as e:
            raise _delivery_error(e) from e
        async with answer:
            words = await _first_words(answer, end)
        if 200 <= answer.status < 300:
            # The receiver has it: a body that never ended changes nothing.
            return Sent(answer.status, words)
        raise _refusal(answer, words, self._clock())

    async def _post(self, url: str, message: WebhookMessage) -> aiohttp.ClientResponse:
        timestamp = int(self._clock().timestamp())
        headers = signed_headers(message.secrets, message.id, timestamp, message.body)
        headers["Content-Type"] = "application/json"
        return await self._session.post(url, data=message.body, headers=headers, allow_redirects=False)


async def _first_words(answer: aiohttp.ClientResponse, end: float) -> str:
    """The beginning of the answer as one line. Reads at most 16 KB and not past `end`, then hangs up."""
    body = bytearray()
    with suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout_at(end):
            while len(body) < ANSWER_LIMIT:
                piece = await answer.content.read(ANSWER_LIMIT - len(body))
                if not piece:
                    return one_line(body.decode("utf-8", "replace"))
                body += piece
    answer.close()
    return one_line(body.decode("utf-8", "replace"))


def _refusal(answer: aiohttp.ClientResponse, words: str, now: datetime) -> DeliveryError:
    reason = f"answered {answer.status}" + (f": {words}" if words else "")
    if 300 <= answer.status < 400:
        reason = f"answered {answer.status}, a redirect; give the address that it leads to"
    retry_after = parse_retry_after(answer.headers.get("Retry-After"), now)
    return DeliveryError(
        reason,
        status=answer.status,
        retry_after=retry_after,
        gone=answer.status == GONE,
        overloaded=answer.status in OVERLOADED,
    )


def _delivery_error(error: aiohttp.ClientError) -> DeliveryError:
    """What went wrong on the way, in words. Bytes of what answered are left out: it may be no web server."""
    blocked = blocked_cause(error)
    if blocked:
        return DeliveryError(str(blocked), permanent=True)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return DeliveryError(f"the name {error.host} cannot be looked up")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return DeliveryError(f"no secure connection to {error.host}: {_tls_reason(error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return DeliveryError(
            f"cannot connect to {error.host}: {one_line(error.os_error.strerror or 'no address answers')}"
        )
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return DeliveryError("the connection was closed before an answer came")
    return DeliveryError("the answer is not HTTP")


def _tls_reason(error: aiohttp.ClientError) -> str:
    cause = error.__cause__
    return one_line(
        str(getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "no handshake")
    )
