"""What can be wrong with a request, as RFC 9457 problem details. The tree of api's errors."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

_CHANNELS = ("webhook", "email")


class FieldError(NamedTuple):
    """What is wrong with one field, e.g. ("filter.query", "a quotation mark is opened and never closed …")."""

    field: str
    detail: str


class Problem(Exception):
    """A request that cannot be done. `detail` is for whoever sent it; `headers` go with the answer, `more` into it."""

    status = 400
    title = "Bad request"

    @property
    def code(self) -> str:
        """A word for programs that never changes, e.g. "too-many-requests"."""
        return self.title.lower().replace(" ", "-").replace("'", "")

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.more = dict(more or {})


class Unauthorized(Problem):
    status, title = 401, "Unauthorized"

    def __init__(
        self, detail: str = "send `Authorization: Bearer <manage_token>` with the token of this subscription"
    ) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="tocsin"'})


class Forbidden(Problem):
    status, title = 403, "Forbidden"


class Closed(Forbidden):
    """Sign-up is not open to everybody."""

    def __init__(self) -> None:
        super().__init__(
            "this installation takes no sign-ups from everybody: ask whoever runs it; with the admin token, send "
            "`Authorization: Bearer <TOCSIN_ADMIN_TOKEN>`"
        )


class NotFound(Problem):
    status, title = 404, "Not found"


class Conflict(Problem):
    """The subscription's state does not allow it."""

    status, title = 409, "Conflict"


class CursorGone(Problem):
    """What follows a cursor is not all kept. `floor` is the oldest cursor that still works."""

    status, title = 410, "Cursor gone"

    def __init__(self, detail: str, *, floor: str, last: str) -> None:
        super().__init__(
            f"{detail}; the oldest cursor that works is {floor}", more={"floor": floor, "last": last}
        )


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

    def __init__(self, detail: str, retry_after: int, more: Mapping[str, str] | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after), **(more or {})})


class NotReady(Problem):
    """Something that is needed is not there yet."""

    status, title = 503, "Not ready"


_WHAT_TO_DO = {
    400: "Go back, look at the address or at what was typed, and try again.",
    403: "Open the link again from the newest message of the alert: the whole of it, as it stands there.",
    404: "It may have been removed, or its address was cut short on the way. Look for it on the first page.",
    409: "Open the page of the alert again to see how it stands now.",
    422: "Go back, look at what was typed, and try again.",
    429: "Nothing is broken: wait a little, and try again.",
    500: "Try again. If it stays so, tell whoever runs this installation what you did.",
    503: "It mends itself as a rule. The status page says what is missing.",
}


def what_to_do(status: int) -> str:
    """Return what somebody who sees an error on a page may do about it; empty if there is nothing to say."""
    return _WHAT_TO_DO.get(status, "")


def as_json(problem: Problem) -> dict[str, Any]:
    """Return the problem as an RFC 9457 object."""
    document: dict[str, Any] = {
        "type": f"/problems#{problem.code}",
        "title": problem.title,
        "code": problem.code,
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
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


class Meaning(NamedTuple):
    """What a code says."""

    code: str
    status: int
    meaning: str


_MEANINGS = (
    ("bad-request", 400, "The request as a whole, or a parameter of its address, cannot be taken as it is."),
    ("unauthorized", 401, "A token is missing, or is not the one of this thing."),
    ("forbidden", 403, "This may not be done here, or not with this key."),
    ("not-found", 404, "There is nothing of that name; reports are kept for a limited time."),
    ("method-not-allowed", 405, "The address is right, and this cannot be done with it."),
    ("request-timeout", 408, "The body did not come in time."),
    ("conflict", 409, "The state of the thing does not allow it."),
    ("cursor-gone", 410, "What follows the cursor is not all kept; floor is the oldest that still works."),
    ("content-too-large", 413, "The body is longer than is taken."),
    ("invalid-fields", 422, "One or more fields are wrong; errors names each."),
    ("too-many-requests", 429, "Asked for too often: come again after the seconds of Retry-After."),
    ("internal-server-error", 500, "A fault of ours. It has been logged."),
    (
        "not-ready",
        503,
        "Something that is needed is not there, or too many are served: try again in a moment.",
    ),
)


def every_problem() -> list[Meaning]:
    """Return the codes that there are."""
    return [Meaning(*row) for row in _MEANINGS]
