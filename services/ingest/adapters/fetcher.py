"""Fetch a feed: politely, within limits, from public addresses only."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit

from services.ingest.adapters.host_slots import HostSlots
from services.ingest.core.feed import Feed
from services.ingest.core.health import Kind
from services.ingest.core.pace import freshness, retry_after
from shared.address_guard import AddressGuard, ForbiddenURL
from shared.http_client import Exchange, HttpClient, OpensHttp
from shared.http_handle import Answer, HttpError

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

# By kind of HttpError: what to say (None: what the error says), how bad it is, the fault.
_FAILURES: dict[str, tuple[str | None, Kind, str]] = {
    "dns": ("its name is not known (DNS)", "temporary", "dns"),
    "connect": (None, "temporary", "connection"),
    "certificate": (None, "soft", "certificate"),
    "tls": (None, "soft", "certificate"),
    "closed": ("it closed the connection before it had answered", "temporary", "connection"),
    "encoding": ("its answer is wrongly compressed", "temporary", "server"),
    "protocol": (None, "soft", "http"),
}


class FetchError(Exception):
    """A feed could not be fetched.

    `fault` is a short name for what is wrong. `kind`: hard if only a person can mend it, soft if it may mend
    itself, temporary if it most likely will. `retry_after` in seconds, if the server said so; `status` is None if
    there was no answer; `host` is who answered.
    """

    def __init__(
        self,
        reason: str,
        kind: Kind = "soft",
        *,
        fault: str = "http",
        status: int | None = None,
        retry_after: float | None = None,
        host: str = "",
    ) -> None:
        super().__init__(reason)
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


class Fetcher(OpensHttp):
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
        # Feeds of one host come one after another; for the next poll of them no connection is kept.
        self._http = HttpClient(guard, user_agent=user_agent(contact), max_bytes=max_bytes, keepalive=5)
        self._files_root = files_root
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._clock = clock

    async def fetch(
        self, feed: Feed, validators: Validators = Validators(), address: str | None = None
    ) -> Fetched:
        """Return what a feed answers; raise FetchError for all that is no document and no 304.

        `address` is where it has moved to, if it has.
        """
        if feed.is_file:
            return await asyncio.to_thread(self._read_file, feed.url)
        return await self._follow(feed, address or feed.address, validators)

    async def post(self, url: str, form: Mapping[str, str]) -> None:
        """Send a form, as to a WebSub hub; raise FetchError unless it is taken."""
        checked, body = self._check(url), urlencode(form).encode()
        async with self._slots.turn(_host(checked)):
            answer = await self._answer(self._http.send(checked, body=body, timeout=self._timeout))
        if not 200 <= answer.status < 300:
            said = answer.body[:200].decode(errors="replace").strip()
            raise FetchError(f"it answered {answer.status}: {said}", status=answer.status)

    def _read_file(self, path: str) -> Fetched:
        try:
            with (self._files_root / path).open("rb") as file:
                body = file.read(self._max_bytes + 1)
        except (OSError, ValueError) as e:
            reason = getattr(e, "strerror", None) or str(e)
            raise FetchError(f"the file cannot be read: {reason.lower()}", "hard", fault="file") from e
        if len(body) > self._max_bytes:
            raise self._too_big()
        return Fetched(200, body, path)

    async def _follow(self, feed: Feed, place: str, validators: Validators) -> Fetched:
        left, moved_to, only_permanent = self._timeout, None, True
        for hop in range(MAX_REDIRECTS + 1):
            checked = self._check(place, redirected=hop > 0)
            async with self._slots.turn(_host(checked)):
                started = asyncio.get_running_loop().time()
                answer = await self._request(feed, checked, validators, left)
                left -= asyncio.get_running_loop().time() - started
            if isinstance(answer, Fetched):
                return replace(answer, moved_to=moved_to)
            place = answer.location
            only_permanent = only_permanent and answer.permanent
            moved_to = place if only_permanent else moved_to
        raise FetchError(f"it redirects more than {MAX_REDIRECTS} times", "soft", fault="redirects")

    def _check(self, place: str, *, redirected: bool = False) -> str:
        try:
            return self._guard.check_url(place)
        except ForbiddenURL as e:
            where = "it redirects to a forbidden address: " if redirected else ""
            raise FetchError(f"{where}{e}", "hard", fault="forbidden") from e

    async def _request(
        self, feed: Feed, place: str, validators: Validators, left: float
    ) -> Fetched | _Redirect:
        """One request; the answer, or where it redirects to."""
        headers = {"Accept": ACCEPT, **validators.headers(), **_own_headers(feed, place)}
        verify = feed.tls == "verify"
        answer = await self._answer(
            self._http.send(place, headers=headers, timeout=max(left, 0), verify=verify)
        )
        if answer.status in _REDIRECTS and (location := answer.headers.get("Location")) is not None:
            return _Redirect(_joined(place, location), answer.status in _PERMANENT)
        return self._accept(place, answer, validators)

    async def _answer(self, exchange: Exchange) -> Answer:
        try:
            return await exchange
        except HttpError as e:
            raise self._explain(e) from e

    def _explain(self, error: HttpError) -> FetchError:
        """What went wrong, in words for whoever runs this installation."""
        match error.kind:
            case "refused":
                return FetchError(f"its address is forbidden: {error}", "hard", fault="forbidden")
            case "size":
                return self._too_big()
            case "timeout":
                reason = f"it did not finish within {self._timeout:g} seconds"
                return FetchError(reason, "temporary", fault="connection")
            case _:
                words, kind, fault = _FAILURES[error.kind]
                return FetchError(words or str(error), kind, fault=fault)

    def _accept(self, place: str, answer: Answer, validators: Validators) -> Fetched:
        status, headers = answer.status, answer.headers
        if not (200 <= status < 300 or (status == 304 and validators.headers())):
            raise self._refusal(place, answer)
        if not answer.body and status not in (200, 304):
            raise FetchError(f"it answered {status} without a document", status=status)
        return Fetched(
            status=status,
            body=answer.body,
            url=place,
            validators=_validators(headers, validators if status == 304 else Validators()),
            content_type=headers.get("Content-Type"),
            max_age=freshness(headers),
        )

    def _too_big(self) -> FetchError:
        return FetchError(f"it is larger than {self._max_bytes / 1e6:g} MB", "hard", fault="size")

    def _refusal(self, place: str, answer: Answer) -> FetchError:
        status, headers = answer.status, answer.headers
        temporary = status == 429 or status >= 500
        kind: Kind = "temporary" if temporary else "hard" if status == 401 else "soft"
        fault, meaning = _MEANINGS.get(status) or ("server", f"its server has a fault ({status})")
        if status < 400:
            fault, meaning = "http", f"it answered {status}, which is no document"
        if "cf-mitigated" in headers:
            fault, meaning = "wall", f"it lets no robots in, and takes us for one ({status})"
        wait = retry_after(headers, self._clock()) if temporary else None
        host = _host(place)
        return FetchError(meaning, kind, fault=fault, status=status, retry_after=wait, host=host)


def _own_headers(feed: Feed, place: str) -> dict[str, str]:
    """The feed's own headers, which may hold a password: for its own host only, and never in the open."""
    in_the_open = place.startswith("http:") and feed.url.startswith("https:")
    return feed.request_headers() if _host(place) == feed.host and not in_the_open else {}


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _joined(place: str, location: str) -> str:
    """Where a redirect leads; bytes that are no text lead nowhere, but are no reason to stumble."""
    try:
        return urljoin(place, location.encode(errors="surrogateescape").decode(errors="replace"))
    except ValueError:
        return location


def _validators(headers: Mapping[str, str], known: Validators) -> Validators:
    """Those of the last answer; a 304 that leaves one out does not mean that it is void."""
    etag, last_modified = headers.get("ETag"), headers.get("Last-Modified")
    return Validators(_fit(etag) or known.etag, _fit(last_modified) or known.last_modified)


def _fit(value: str | None) -> str | None:
    return value if value and len(value) <= VALIDATOR_LIMIT and value.isprintable() else None
