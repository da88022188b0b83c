"""What can be wrong with a request, as RFC 9457 problem details. The tree of api's errors."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)

_ENDPOINTS, _TYPES = ("channel", "fallback"), ("webhook", "email", "chat")


class Kind(NamedTuple):
    """A kind of problem: its title, what it says to programs, and what somebody who sees it on a page may do."""

    title: str
    meaning: str
    advice: str = ""

    @property
    def code(self) -> str:
        """A word for programs that never changes, e.g. "too-many-requests"."""
        return self.title.lower().replace(" ", "-")


KINDS: Mapping[int, Kind] = {
    400: Kind(
        "Bad request",
        "The request as a whole, or a parameter of its address, cannot be taken as it is.",
        "Go back, look at the address or at what was typed, and try again.",
    ),
    401: Kind("Unauthorized", "A token is missing, or is not the one of this thing."),
    403: Kind(
        "Forbidden",
        "This may not be done here, or not with this key.",
        "Open the link again from the newest message of the alert: the whole of it, as it stands there.",
    ),
    404: Kind(
        "Not found",
        "There is nothing of that name; reports are kept for a limited time.",
        "It may have been removed, or its address was cut short on the way. Look for it on the first page.",
    ),
    405: Kind("Method not allowed", "The address is right, and this cannot be done with it."),
    408: Kind("Request timeout", "The body did not come in time."),
    409: Kind(
        "Conflict",
        "The state of the thing does not allow it.",
        "Open the page of the alert again to see how it stands now.",
    ),
    410: Kind(
        "Cursor gone", "What follows the cursor is not all kept; floor is the oldest that still works."
    ),
    413: Kind("Content too large", "The body is longer than is taken."),
    422: Kind(
        "Invalid fields",
        "One or more fields are wrong; errors names each.",
        "Go back, look at what was typed, and try again.",
    ),
    429: Kind(
        "Too many requests",
        "Asked for too often: come again after the seconds of Retry-After.",
        "Nothing is broken: wait a little, and try again.",
    ),
    500: Kind(
        "Internal server error",
        "A fault of ours. It has been logged.",
        "Try again. If it stays so, tell whoever runs this installation what you did.",
    ),
    503: Kind(
        "Not ready",
        "Something that is needed is not there, or too many are served: try again in a moment.",
        "It mends itself as a rule. The status page says what is missing.",
    ),
}


class FieldError(NamedTuple):
    """What is wrong with one field, e.g. ("filter.query", "a quotation mark is opened and never closed …")."""

    field: str
    detail: str


class Problem(Exception):
    """A request that cannot be done. `detail` is for whoever sent it; `headers` go with the answer, `more` into it."""

    status = 400

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status or self.status
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    @property
    def kind(self) -> Kind:
        """What kind of problem it is, by its status."""
        return KINDS.get(self.status) or Kind(HTTPStatus(self.status).phrase, "")


class Unauthorized(Problem):
    """No token, or a wrong one; `token` is the one to send."""

    status = 401

    def __init__(self, token: str, of: str = "") -> None:
        detail = f"send `Authorization: Bearer <{token}>`{of}"
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="tocsin"'})


class Forbidden(Problem):
    status = 403


class NotFound(Problem):
    status = 404


class Conflict(Problem):
    """The state of the thing does not allow it."""

    status = 409


class CursorGone(Problem):
    """What follows a cursor is not all kept. `floor` is the oldest cursor that still works."""

    status = 410

    def __init__(self, detail: str, *, floor: str, last: str) -> None:
        super().__init__(
            f"{detail}; the oldest cursor that works is {floor}", more={"floor": floor, "last": last}
        )


class TooLarge(Problem):
    status = 413


class Invalid(Problem):
    """One or more fields cannot be taken as they are."""

    status = 422

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.detail}" for error in errors), errors=errors)


class TooMany(Problem):
    """Asked for too often. `retry_after` is in seconds."""

    status = 429

    def __init__(self, detail: str, retry_after: int, more: Mapping[str, str] | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after), **(more or {})})


class NotReady(Problem):
    """Something that is needed is not there yet."""

    status = 503


def as_json(problem: Problem) -> dict[str, Any]:
    """Return the problem as an RFC 9457 object."""
    kind = problem.kind
    document: dict[str, Any] = {
        "type": f"/problems#{kind.code}",
        "title": kind.title,
        "code": kind.code,
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }
    if problem.errors:
        document["errors"] = [error._asdict() for error in problem.errors]
    return document


def validated(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """Return what these fields make; raise Invalid with everything that is wrong in them."""
    try:
        return model.model_validate(fields)
    except ValidationError as e:
        raise Invalid(field_errors(e.errors(include_url=False))) from e


def field_errors(errors: Iterable[Any]) -> list[FieldError]:
    """Return pydantic's errors with fields named as in the request body, and words of our own where its are ours."""
    return [
        FieldError(_path(error["loc"]), str(error["msg"]).removeprefix("Value error, ")) for error in errors
    ]


def _path(location: Sequence[str | int]) -> str:
    parts = [str(part) for part in location]
    if parts[:1] in (["body"], ["query"], ["path"]):
        parts = parts[1:]
    # pydantic names the type of an endpoint as if it were a field.
    if len(parts) > 1 and parts[0] in _ENDPOINTS and parts[1] in _TYPES:
        del parts[1]
    return ".".join(parts) or "body"
