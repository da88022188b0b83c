"""Posts to chat services. The same client and the same guard as for webhooks: no address inside is reached."""

from collections.abc import Callable
from datetime import datetime

from services.notify.core.answer import ANSWER_LIMIT, check_whole, refused, unanswered, words_of
from services.notify.core.channel import ChatMessage, DeliveryError, Sent
from services.notify.core.chat import chat_request, is_gone, seconds_asked_for
from shared.address_guard import AddressGuard, ForbiddenURL
from shared.endpoints import ChatEndpoint
from shared.http_client import CONNECTIONS, HttpClient, OpensHttp
from shared.http_handle import HttpError


class ChatChannel(OpensHttp):
    """Carries a message to a chat service. Open it with `async with`."""

    def __init__(
        self,
        guard: AddressGuard,
        clock: Callable[[], datetime],
        *,
        deadline: float,
        user_agent: str,
        connections: int = CONNECTIONS,
    ) -> None:
        self._guard, self._clock, self._deadline = guard, clock, deadline
        self._http = HttpClient(
            guard, user_agent=user_agent, max_bytes=ANSWER_LIMIT, head_is_enough=True, connections=connections
        )

    async def send(self, message: ChatMessage, endpoint: ChatEndpoint) -> Sent:
        """Return when the service took the message; raise DeliveryError otherwise."""
        request = chat_request(endpoint, message)
        try:
            answer = await self._http.send(
                self._guard.check_url(request.url),
                body=request.body,
                headers={**request.headers, "Content-Type": "application/json"},
                timeout=self._deadline,
                method=request.method,
            )
        except ForbiddenURL as e:
            raise DeliveryError(str(e), permanent=True) from e
        except HttpError as e:
            raise unanswered(e, self._deadline) from e
        check_whole(answer)
        if 200 <= answer.status < 300:
            return Sent(answer.status, words_of(answer))
        raise refused(
            answer,
            self._clock(),
            gone=is_gone(endpoint.service, answer.status),
            retry_after=seconds_asked_for(answer.body),
        )
