"""What a receiver's answer, or its silence, means for a delivery, in words for the subscriber's log."""

from datetime import datetime

from services.notify.core.channel import DeliveryError, one_line
from services.notify.core.schedule import parse_retry_after
from shared.http_handle import Answer, HttpError

ANSWER_LIMIT = 16_384
"""How many bytes are read of an answer."""
_OVERLOADED = (429, 502, 503, 504)


def check_whole(answer: Answer) -> None:
    """Raise DeliveryError if an answer broke off within its head, which libcurl lets pass."""
    if not answer.head.endswith((b"\n\r\n", b"\n\n")):
        raise DeliveryError("the answer broke off within its head")


def words_of(answer: Answer) -> str:
    """Return the first words of an answer's body, as one line."""
    return one_line(answer.body.decode("utf-8", "replace")) if answer.body else ""


def refused(
    answer: Answer,
    now: datetime,
    *,
    gone: bool,
    unwanted: bool = False,
    wish: str = "",
    retry_after: float | None = None,
) -> DeliveryError:
    """Return what an answer that is no success means; `wish` is what it said in a header.

    `retry_after` is for an answer that has no such header.
    """
    asked = parse_retry_after(answer.headers.get("Retry-After"), now)
    words = words_of(answer)
    reason = f"answered {answer.status}" + (f": {words}" if words else "")
    if 300 <= answer.status < 400:
        reason = f"answered {answer.status}, a redirect; give the address that it leads to"
    if wish:
        reason += f" ({wish})"
    return DeliveryError(
        reason,
        status=answer.status,
        retry_after=retry_after if asked is None else asked,
        unwanted=unwanted,
        gone=gone,
        overloaded=answer.status in _OVERLOADED,
    )


def unanswered(error: HttpError, deadline: float) -> DeliveryError:
    """Return what it means that no answer came. Bytes of what answered are left out: it may be no web server."""
    if error.kind == "timeout":
        return DeliveryError(f"no answer within {deadline:g} s", overloaded=True)
    return DeliveryError(str(error), permanent=error.kind == "refused")
