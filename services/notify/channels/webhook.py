"""Posts signed JSON (Standard Webhooks). Follows no redirect; waits for no answer past a deadline."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache

from services.notify.core.channel import DeliveryError, Sent, WebhookMessage, one_line
from services.notify.core.schedule import parse_retry_after
from services.notify.core.signature import signed_headers
from shared.address_guard import AddressGuard, ForbiddenURL
from shared.http_answer import Answer, HttpError
from shared.http_client import CONNECTIONS, HttpClient, OpensHttp
from shared.subscriptions import WebhookEndpoint

DEADLINE_SECONDS = 15.0
ANSWER_LIMIT = 16_384
URLS_KEPT = 100_000
GONE = 410
OVERLOADED = (429, 502, 503, 504)


class WebhookChannel(OpensHttp):
    """Carries a body to a URL, over connections that are kept alive. Open it with `async with`."""

    def __init__(
        self,
        guard: AddressGuard,
        clock: Callable[[], datetime],
        *,
        deadline: float = DEADLINE_SECONDS,
        user_agent: str = "Tocsin",
        connections: int = CONNECTIONS,
        addresses: Iterable[str] = (),
    ) -> None:
        self._clock = clock
        self._deadline = deadline
        self._checked = lru_cache(URLS_KEPT)(guard.check_url)
        self._http = HttpClient(
            guard,
            user_agent=user_agent,
            max_bytes=ANSWER_LIMIT,
            # The receiver has it: a body that never ends changes nothing.
            head_is_enough=True,
            # An answer is read as it comes: a small one that unpacks to gigabytes costs nothing.
            decompress=False,
            connections=connections,
            addresses=addresses,
        )

    async def send(self, message: WebhookMessage, endpoint: WebhookEndpoint) -> Sent:
        """Return when the receiver answered 2xx; raise DeliveryError otherwise.

        The deadline covers everything from the name's look-up to the last byte that is read of the answer.
        """
        try:
            url = self._checked(endpoint.url)
            answer = await self._http.send(
                url, body=message.body, headers=self._headers(message, endpoint), timeout=self._deadline
            )
        except ForbiddenURL as e:
            raise DeliveryError(str(e), permanent=True) from e
        except HttpError as e:
            raise self._delivery_error(e) from e
        return self._judged(answer)

    def _headers(self, message: WebhookMessage, endpoint: WebhookEndpoint) -> dict[str, str]:
        timestamp = int(self._clock().timestamp())
        signed = signed_headers(message.secrets, message.id, timestamp, message.body)
        return {**endpoint.headers, "Content-Type": "application/json", **signed}

    def _judged(self, answer: Answer) -> Sent:
        if not answer.head.endswith((b"\n\r\n", b"\n\n")):
            raise DeliveryError("the answer broke off within its head")
        words = one_line(answer.body.decode("utf-8", "replace")) if answer.body else ""
        wish = answer.headers.get("webhook-delivery", "") if b"ebhook-" in answer.head.lower() else ""
        if 200 <= answer.status < 300:
            return Sent(answer.status, words, enough=wish == "disable")
        raise self._refusal(answer, words, wish)

    def _refusal(self, answer: Answer, words: str, wish: str) -> DeliveryError:
        reason = f"answered {answer.status}" + (f": {words}" if words else "")
        if 300 <= answer.status < 400:
            reason = f"answered {answer.status}, a redirect; give the address that it leads to"
        return DeliveryError(
            reason,
            status=answer.status,
            retry_after=parse_retry_after(answer.headers.get("Retry-After"), self._clock()),
            permanent=wish == "abort-message",
            gone=answer.status == GONE or wish == "disable",
            overloaded=answer.status in OVERLOADED,
        )

    def _delivery_error(self, error: HttpError) -> DeliveryError:
        """What went wrong on the way, in words. Bytes of what answered are left out: it may be no web server."""
        if error.kind == "timeout":
            return DeliveryError(f"no answer within {self._deadline:g} s", overloaded=True)
        return DeliveryError(str(error), permanent=error.kind == "refused")
