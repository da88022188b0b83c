"""Posts signed JSON (Standard Webhooks). Follows no redirect; waits for no answer past a deadline."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache

from services.notify.core.answer import ANSWER_LIMIT, check_whole, refused, unanswered, words_of
from services.notify.core.channel import DeliveryError, Sent, WebhookMessage
from services.notify.core.signature import signed_lines
from shared.address_guard import AddressGuard, ForbiddenURL
from shared.endpoints import WebhookEndpoint
from shared.http_client import CONNECTIONS, HttpClient, OpensHttp, header_lines
from shared.http_handle import Answer, HttpError

DEADLINE_SECONDS = 15.0
URLS_KEPT = 100_000
GONE = 410
_JSON = b"Content-Type: application/json"


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
        now = self._clock()
        lines = signed_lines(message.secrets, message.id, int(now.timestamp()), message.body)
        lines.append(_JSON)
        if endpoint.headers:
            lines += header_lines(endpoint.headers)
        try:
            answer = await self._http.send(
                self._checked(endpoint.url), body=message.body, headers=lines, timeout=self._deadline
            )
        except ForbiddenURL as e:
            raise DeliveryError(str(e), permanent=True) from e
        except HttpError as e:
            raise unanswered(e, self._deadline) from e
        return self._judged(answer)

    def _judged(self, answer: Answer) -> Sent:
        check_whole(answer)
        wish = answer.headers.get("webhook-delivery", "").lower() if b"ebhook-" in answer.head.lower() else ""
        if 200 <= answer.status < 300:
            return Sent(answer.status, words_of(answer), enough=wish == "disable")
        gone = answer.status == GONE or wish == "disable"
        abort = wish == "abort-message"
        said = f"webhook-delivery: {wish}" if abort or wish == "disable" else ""
        raise refused(answer, self._clock(), gone=gone, unwanted=abort, wish=said)
