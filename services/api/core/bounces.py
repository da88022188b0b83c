"""What mail services tell of mails that did not arrive, or were called spam. Knows no clock and no store."""

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

import idna

Kind = Literal["hard", "soft", "complaint"]
Sender = Literal["generic", "ses", "postmark"]

# What SES posts to a topic that it was told to use.
_SES_HELLO = "Successfully validated SNS topic"

SOFT_LIMIT = 3
SOFT_DAYS = 7

_POSTMARK_HARD = ("HardBounce", "BadEmailAddress", "AddressChange", "ManuallyDeactivated", "Unsubscribe")
# What is told of, and says nothing of the mailbox: an answering machine, a challenge; the sender's domain or account.
_POSTMARK_NONE = (
    *("AutoResponder", "ChallengeVerification", "Subscribe", "TestSubscription"),
    *("DMARCPolicy", "SMTPApiError", "InboundError", "TemplateRenderingFailed"),
)
# Of this mail.
_SES_NONE = ("MessageTooLarge", "ContentRejected", "AttachmentRejected")


class BounceError(ValueError):
    """A message that is not what this service sends; the text says what is missing."""


class Bounce(NamedTuple):
    """One address that a mail did not reach, or whose owner calls it spam; `reason` is the service's words.

    What is told twice has the same `id`, where the service names one.
    """

    address: str
    kind: Kind
    reason: str
    id: str = ""


def read_bounces(sender: Sender, message: Any) -> list[Bounce]:
    """Return what a message tells of; an empty list if it is of another kind. Raise BounceError."""
    if not isinstance(message, Mapping):
        raise BounceError("a JSON object is expected")
    try:
        return {"generic": _generic, "ses": _ses, "postmark": _postmark}[sender](message)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as e:
        raise BounceError(f"this is not what {sender} sends: {type(e).__name__} {e}"[:200]) from e


def parsed(message: bytes) -> Any:
    """Return the JSON of a message that was not said to be JSON, as SNS sends it (text/plain); raise BounceError."""
    try:
        return json.loads(message)
    except (ValueError, RecursionError) as e:
        raise BounceError("a JSON object is expected") from e


def _generic(message: Mapping[str, Any]) -> list[Bounce]:
    """{"address", "kind": "hard" | "soft" | "complaint", "reason"?, "id"?}"""
    kind = message["kind"]
    if kind not in ("hard", "soft", "complaint"):
        raise ValueError("kind is hard, soft or complaint")
    return [_bounce(message["address"], kind, message.get("reason"), message.get("id"))]


def _ses(message: Mapping[str, Any]) -> list[Bounce]:
    """Amazon SES by SNS, wrapped in its notification or as it is (raw message delivery)."""
    if message.get("Type") == "UnsubscribeConfirmation" or str(message.get("Message")).startswith(_SES_HELLO):
        return []
    told = json.loads(message["Message"]) if "Message" in message else message
    kind = told.get("notificationType") or told.get("eventType")
    if kind == "Complaint":
        words, told_as = told["complaint"].get("complaintFeedbackType"), told["complaint"].get("feedbackId")
        if words == "not-spam":
            # Said of a mail that a filter had taken for spam.
            return []
        rows = _many(told["complaint"]["complainedRecipients"])
        return _readable((each["emailAddress"], "complaint", words, told_as) for each in rows)
    if kind != "Bounce" or told["bounce"].get("bounceSubType") in _SES_NONE:
        return []
    hardness: Kind = "hard" if told["bounce"]["bounceType"] == "Permanent" else "soft"
    rows, told_as = _many(told["bounce"]["bouncedRecipients"]), told["bounce"].get("feedbackId")
    return _readable((each["emailAddress"], hardness, each.get("diagnosticCode"), told_as) for each in rows)


def _postmark(message: Mapping[str, Any]) -> list[Bounce]:
    kind: Kind = "soft"
    if "SpamComplaint" in (message["RecordType"], message.get("Type")):
        kind = "complaint"
    elif message["RecordType"] != "Bounce" or message["Type"] in _POSTMARK_NONE:
        return []
    elif message["Type"] in _POSTMARK_HARD:
        kind = "hard"
    return [_bounce(message["Email"], kind, message.get("Description"), message.get("ID"))]


def _many(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return rows[:1000]


def _readable(rows: Iterable[tuple[Any, Kind, Any, Any]]) -> list[Bounce]:
    """What can be read of several; raise ValueError if that is nothing."""
    found, unread = list[Bounce](), 0
    for row in rows:
        try:
            found.append(_bounce(*row))
        except ValueError:
            unread += 1
    if unread and not found:
        raise ValueError("no address")
    return found


def _bounce(address: Any, kind: Kind, reason: Any, told_as: Any) -> Bounce:
    if not isinstance(address, str) or "@" not in address:
        raise ValueError("no address")
    # "Jo <jo@example.org>" as some write it, "rfc822;jo@example.org" as others do (RFC 3464, 2.3.1).
    plain = address.rpartition("<")[2].rpartition(";")[2].rstrip("> .").strip().lower()
    plain = unicodedata.normalize("NFC", plain)
    plain.encode()  # ValueError: half of a pair
    local, _, domain = plain.rpartition("@")
    # As alerts keep it; some tell of the domain in its own letters.
    with suppress(idna.IDNAError):
        plain = f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}"
    return Bounce(plain, kind, " ".join(str(reason or "").split())[:200], str(told_as or "")[:200])
