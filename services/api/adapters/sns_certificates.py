"""The certificates that Amazon SNS signs with, fetched once, from public addresses only."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.api.core.sns import SnsError, certificate_url, check_signature
from shared.address_guard import AddressGuard
from shared.http_answer import HttpError
from shared.http_client import HttpClient

KEPT = 16
MOST_BYTES = 20_000
SECONDS = 10.0


class SnsCertificates:
    """Checks signatures. `known` are certificates by address."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    async def check(self, message: Mapping[str, Any]) -> None:
        """Raise SnsError unless Amazon SNS signed the message."""
        url = certificate_url(message)
        if url not in self.known:
            certificate = await self._fetched(url)
            check_signature(message, certificate, datetime.now(UTC))
            if len(self.known) >= KEPT:
                self.known.clear()
            self.known[url] = certificate
            return
        check_signature(message, self.known[url], datetime.now(UTC))

    async def _fetched(self, url: str) -> bytes:
        guard = AddressGuard()
        try:
            async with HttpClient(guard, user_agent="Tocsin", max_bytes=MOST_BYTES) as http:
                answer = await http.send(guard.check_url(url), timeout=SECONDS)
        except HttpError as e:
            raise SnsError(f"its certificate could not be fetched: {e}") from e
        if answer.status != 200:
            raise SnsError(f"its certificate could not be fetched: answered {answer.status}")
        return answer.body
