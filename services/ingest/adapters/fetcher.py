"""Fetch a feed: politely, within limits, from public addresses only."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from services.ingest.adapters.host_slots import HostSlots
from services.ingest.core.feed import Feed
from services.ingest.core.health import Kind
from services.ingest.core.pace import freshness, retry_after
from shared.address_guard import AddressGuard, ForbiddenURL, blocked_cause

MAX_REDIRECTS = 5
MAX_BYTES = 10_000_000
TIMEOUT_SECONDS = 30.0
VALIDATOR_LIMIT = 1000
ACCEPT = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_PERMANENT = frozenset((301, 308))
_MEANINGS = {
    401: ("password", "it wants a password (401)"),
    403: ("refused", "it refuses us (403); perhaps it lets no robots in"),
    404: ("missing", "there is nothing at this address (404)"),
    410: ("missing", "it says that the feed is gone (410)"),
    429: ("busy", "it asks us to come less often (429)"),
}


class FetchError(Exception):
    """A feed could not be fetched.

    `fault` is a short name for what is wrong. `kind`: hard if only a person can mend it, soft if it may mend
    itself, temporary if it most likely will. `retry_after` in seconds, if the server said so; `status` is None if
    there was no answer; `host` is who answered.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        kind: Kind = "soft",
        *,
        fault: str = "http",
        status: int | None = None,
        retry_after: float | None = None,
        host: str = "",
    ) -> None:
        super().__init__(reason)
        self.url = url
        self.fault = fault
        self.host = host
        self.reason = reason
        self.kind = kind
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Validators:
    """What the server told us to send back: raw, exactly as last received."""

    etag: str | None = None
    last_modified: str | None = None

    def headers(self) -> dict[str, str]:
        """The request headers; an empty value is not sent, for some servers answer it with 200."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: status 200 or the like with a body, or 304 without. `url` is where it came from at last.

    `max_age` is for how many seconds it stays fresh; `moved_to` is where permanent redirects led, if it was asked
    for elsewhere.
    """

    status: int
    body: bytes
    url: str
    validators: Validators = Validators()
    content_type: str | None = None
    max_age: float | None = None
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class _Redirect:
    location: str
    permanent: bool


def user_agent(contact: str) -> str:
    """Return how we introduce ourselves to those who run feeds."""
    return f"Tocsin/{version('tocsin')} (+{contact})"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Fetcher:
    """Fetches feeds over HTTP and from files. Use as an asynchronous context manager.

    `files_root` is the folder that file paths are relative to. `timeout` is in seconds, for a whole document
    with its redirects, waiting for a turn at the host aside; `max_bytes` counts after decompression.
    """

    def __init__(
        self,
        guard: AddressGuard,
        slots: HostSlots,
        contact: str,
        *,
        files_root: Path = Path(),
        timeout: float = TIMEOUT_SECONDS,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._guard = guard
        self._slots = slots
        self._headers = {"User-Agent": user_agent(contact), "Accept": ACCEPT}
        self._files_root = files_root
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._clock = clock
        self._open_session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Fetcher":
        self._open_session = aiohttp.ClientSession(
            connector=self._guard.connector(limit=0, keepalive_timeout=5),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open_session:
            await self._open_session.close()

    async def fetch(
        self, feed: Feed, validators: Validators = Validators(), address: str | None = None
    ) -> Fetched:
        """Return what a feed answers; raise FetchError for all that is no document and no 304.

        `address` is where it has moved to, if it has.
        """
        if feed.is_file:
            return await asyncio.to_thread(self._read_file, feed.url)
        return await self._follow(_Target(feed, address or feed.address), validators)

    async def post(self, url: str, form: Mapping[str, str]) -> None:
        """Send a form, as to a WebSub hub; raise FetchError unless it is taken."""
        checked = self._check(url, url)
        assert self._open_session, "use the fetcher inside `async with`"
        try:
            async with (
                self._slots.turn(checked.host or ""),
                asyncio.timeout(self._timeout),
                self._open_session.post(checked, data=form, allow_redirects=False) as response,
            ):
                if not 200 <= response.status < 300:
                    said = (await response.content.read(200)).decode(errors="replace").strip()
                    raise FetchError(url, f"it answered {response.status}: {said}", status=response.status)
        except TimeoutError as e:
            raise FetchError(url, f"it did not answer within {self._timeout:g} seconds", "temporary") from e
        except (aiohttp.ClientError, ValueError) as e:
            raise _explain(url, e) from e

    def _read_file(self, path: str) -> Fetched:
        try:
            with (self._files_root / path).open("rb") as file:
                body = file.read(self._max_bytes + 1)
        except (OSError, ValueError) as e:
            reason = getattr(e, "strerror", None) or str(e)
            raise FetchError(path, f"the file cannot be read: {reason.lower()}", "hard", fault="file") from e
        if len(body) > self._max_bytes:
            raise self._too_big(path)
        return Fetched(200, body, path)

    async def _follow(self, target: "_Target", validators: Validators) -> Fetched:
        left, place, moved_to, url = self._timeout, target.address, None, target.address
        only_permanent = True
        for _ in range(MAX_REDIRECTS + 1):
            checked = self._check(url, place)
            async with self._slots.turn(checked.host or ""):
                started = asyncio.get_running_loop().time()
                answer = await self._request(target, checked, validators, left)
                left -= asyncio.get_running_loop().time() - started
            if isinstance(answer, Fetched):
                return replace(answer, moved_to=moved_to)
            place = answer.location
            only_permanent = only_permanent and answer.permanent
            moved_to = place if only_permanent else moved_to
        raise FetchError(url, f"it redirects more than {MAX_REDIRECTS} times", "soft", fault="redirects")

    def _check(self, url: str, place: str) -> URL:
        try:
            # Encoded already: what is asked for is what was checked, to the letter.
            return URL(self._guard.check_url(place), encoded=True)
        except ForbiddenURL as e:
            where = "" if place == url else "it redirects to a forbidden address: "
            raise FetchError(url, f"{where}{e}", "hard", fault="forbidden") from e

    async def _request(
        self, target: "_Target", place: URL, validators: Validators, left: float
    ) -> Fetched | _Redirect:
        """One request; the answer, or where it redirects to."""
        assert self._open_session, "use the fetcher inside `async with`"
        url = target.address
        get = self._open_session.get(
            place,
            headers={**validators.headers(), **target.headers(place)},
            allow_redirects=False,
            ssl=target.feed.tls == "verify",
        )
        try:
            async with asyncio.timeout(max(left, 0)), get as response:
                if response.status in _REDIRECTS and "Location" in response.headers:
                    location = urljoin(str(place), response.headers["Location"])
                    return _Redirect(location, response.status in _PERMANENT)
                return await self._accept(url, response, validators)
        except TimeoutError as e:
            reason = f"it did not finish within {self._timeout:g} seconds"
            raise FetchError(url, reason, "temporary", fault="connection") from e
        except (aiohttp.ClientError, ValueError) as e:
            raise _explain(url, e) from e

    async def _accept(self, url: str, response: aiohttp.ClientResponse, validators: Validators) -> Fetched:
        status, headers = response.status, response.headers
        if status == 304 and validators.headers():
            body = b""
        elif 200 <= status < 300:
            body = await self._read_body(url, response)
            if not body and status != 200:
                raise FetchError(url, f"it answered {status} without a document", status=status)
        else:
            raise self._refusal(url, response)
        return Fetched(
            status=status,
            body=body,
            url=str(response.url),
            validators=_validators(headers, validators if status == 304 else Validators()),
            content_type=headers.get("Content-Type"),
            max_age=freshness(headers),
        )

    async def _read_body(self, url: str, response: aiohttp.ClientResponse) -> bytes:
        """The decompressed body; reading stops as soon as it is over the limit."""
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._max_bytes:
                raise self._too_big(url)
        return bytes(body)

    def _too_big(self, url: str) -> FetchError:
        return FetchError(url, f"it is larger than {self._max_bytes / 1e6:g} MB", "hard", fault="size")

    def _refusal(self, url: str, response: aiohttp.ClientResponse) -> FetchError:
        status, headers = response.status, response.headers
        temporary = status == 429 or status >= 500
        kind: Kind = "temporary" if temporary else "hard" if status == 401 else "soft"
        fault, meaning = _MEANINGS.get(status) or ("server", f"its server has a fault ({status})")
        if status < 400:
            fault, meaning = "http", f"it answered {status}, which is no document"
        if "cf-mitigated" in headers:
            fault, meaning = "wall", f"it lets no robots in, and takes us for one ({status})"
        wait = retry_after(headers, self._clock()) if temporary else None
        host = response.url.host or ""
        return FetchError(url, meaning, kind, fault=fault, status=status, retry_after=wait, host=host)


@dataclass(frozen=True, slots=True)
class _Target:
    """A feed, and where to ask for it."""

    feed: Feed
    address: str

    def headers(self, place: URL) -> dict[str, str]:
        """The feed's own headers, which may hold a password: for its own host only, and never in the open."""
        in_the_open = place.scheme == "http" and self.feed.url.startswith("https:")
        return self.feed.request_headers() if place.host == self.feed.host and not in_the_open else {}


def _validators(headers: Mapping[str, str], known: Validators) -> Validators:
    """Those of the last answer; a 304 that leaves one out does not mean that it is void."""
    etag, last_modified = headers.get("ETag"), headers.get("Last-Modified")
    return Validators(_fit(etag) or known.etag, _fit(last_modified) or known.last_modified)


def _fit(value: str | None) -> str | None:
    return value if value and len(value) <= VALIDATOR_LIMIT and value.isprintable() else None


def _explain(url: str, error: Exception) -> FetchError:
    """What went wrong, in words for whoever runs this installation."""
    blocked = blocked_cause(error)
    if blocked:
        return FetchError(url, f"its address is forbidden: {blocked}", "hard", fault="forbidden")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return FetchError(url, "its name is not known (DNS)", "temporary", fault="dns")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return FetchError(url, "its certificate is not valid", "soft", fault="certificate")
    if isinstance(error, aiohttp.ClientSSLError):
        return FetchError(url, "no secure connection could be made", "soft", fault="certificate")
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = (error.os_error.strerror or "failed").lower()
        return FetchError(url, f"no connection: {reason}", "temporary", fault="connection")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return FetchError(url, "it closed the connection before it answered", "temporary", fault="connection")
    if isinstance(error, aiohttp.ClientPayloadError):
        reason = "its answer broke off or was wrongly compressed"
        return FetchError(url, reason, "temporary", fault="server")
    return FetchError(url, f"its answer is not proper HTTP ({type(error).__name__})", "soft")
