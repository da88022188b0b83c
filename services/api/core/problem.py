"""What can be wrong with a request, as RFC 9457 problem details. The tree of api's errors."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

_CHANNELS = ("webhook", "email")


class FieldError(NamedTuple):
    """What is wrong with one field, e.g. ("filter.query", "a quotation mark is opened and never closed …")."""

    field: str
    detail: str


class Problem(Exception):
    """A request that cannot be done. `detail` is for whoever sent it; `headers` go with the answer."""

    status = 400
    title = "Bad request"

    def __init__(
        self, detail: str, *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class Unauthorized(Problem):
    status, title = 401, "Unauthorized"

    def __init__(
        self, detail: str = "send `Authorization: Bearer <manage_token>` with the token of this subscription"
    ) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="tocsin"'})


class Forbidden(Problem):
    status, title = 403, "Forbidden"


class NotFound(Problem):
    status, title = 404, "Not found"


class Conflict(Problem):
    """The subscription's state does not allow it."""

    status, title = 409, "Conflict"


class TooLarge(Problem):
    status, title = 413, "Content too large"


class Invalid(Problem):
    """One or more fields cannot be taken as they are."""

    status, title = 422, "Invalid fields"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.detail}" for error in errors), errors=errors)


class TooMany(Problem):
    """Asked for too often. `retry_after` is in seconds."""

    status, title = 429, "Too many requests"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class NotReady(Problem):
    """Something that is needed is not there yet."""

    status, title = 503, "Not ready"


def as_json(problem: Problem) -> dict[str, Any]:
    """Return the problem as an RFC 9457 object."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        document["errors"] = [error._asdict() for error in problem.errors]
    return document


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Return pydantic's errors with fields named as in the request body, and words of our own where its are ours."""
    return [FieldError(_path(error["loc"]), _detail(error)) for error in errors]


def _path(location: Sequence[str | int]) -> str:
    parts = [str(part) for part in location]
    if parts[:1] in (["body"], ["query"], ["path"]):
        parts = parts[1:]
    # pydantic names the kind of channel as if it were a field.
    if len(parts) > 1 and parts[0] == "channel" and parts[1] in _CHANNELS:
        del parts[1]
    return ".".join(parts) or "body"


def _detail(error: Mapping[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")
