"""What mail services tell of mails that did not arrive, or were called spam. Knows no clock and no store."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

import idna

Kind = Literal["hard", "soft", "complaint"]
Sender = Literal["generic", "ses", "postmark"]

SOFT_LIMIT = 3
SOFT_DAYS = 7

_POSTMARK_HARD = ("HardBounce", "BadEmailAddress", "AddressChange", "ManuallyDeactivated", "Unsubscribe")
_POSTMARK_COMPLAINT = ("SpamComplaint", "SpamNotification")
# What is told of, and is no bounce: an answering machine, a challenge.
_POSTMARK_NONE = ("AutoResponder", "ChallengeVerification", "Subscribe", "TestSubscription")


class BounceError(ValueError):
    """A message that is not what this service sends; the text says what is missing."""


class Bounce(NamedTuple):
    """One address that a mail did not reach, or whose owner calls it spam; `reason` is the service's words."""

    address: str
    kind: Kind
    reason: str


def read_bounces(sender: Sender, message: Any) -> list[Bounce]:
    """Return what a message tells of; an empty list if it is of another kind. Raise BounceError."""
    if not isinstance(message, Mapping):
        raise BounceError("a JSON object is expected")
    try:
        return {"generic": _generic, "ses": _ses, "postmark": _postmark}[sender](message)
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        raise BounceError(f"this is not what {sender} sends: {type(e).__name__} {e}"[:200]) from e


def parsed(message: bytes) -> Any:
    """Return the JSON of a message that was not said to be JSON, as SNS sends it (text/plain); raise BounceError."""
    try:
        return json.loads(message)
    except ValueError as e:
        raise BounceError("a JSON object is expected") from e


def _generic(message: Mapping[str, Any]) -> list[Bounce]:
    """{"address", "kind": "hard" | "soft" | "complaint", "reason"?}"""
    kind = message["kind"]
    if kind not in ("hard", "soft", "complaint"):
        raise ValueError("kind is hard, soft or complaint")
    return [_bounce(message["address"], kind, message.get("reason"))]


def _ses(message: Mapping[str, Any]) -> list[Bounce]:
    """Amazon SES by SNS, wrapped in its notification or as it is (raw message delivery)."""
    told = json.loads(message["Message"]) if "Message" in message else message
    kind = told.get("notificationType") or told.get("eventType")
    if kind == "Complaint" and told["complaint"].get("complaintFeedbackType") == "not-spam":
        # Said of a mail that a filter had taken for spam.
        return []
    if kind == "Complaint":
        return [
            _bounce(each["emailAddress"], "complaint", told["complaint"].get("complaintFeedbackType"))
            for each in _many(told["complaint"]["complainedRecipients"])
        ]
    if kind != "Bounce":
        return []
    hardness: Kind = "hard" if told["bounce"]["bounceType"] == "Permanent" else "soft"
    return [
        _bounce(each["emailAddress"], hardness, each.get("diagnosticCode"))
        for each in _many(told["bounce"]["bouncedRecipients"])
    ]


def _postmark(message: Mapping[str, Any]) -> list[Bounce]:
    if message["RecordType"] == "SpamComplaint":
        return [_bounce(message["Email"], "complaint", message.get("Description"))]
    if message["RecordType"] != "Bounce" or message["Type"] in _POSTMARK_NONE:
        return []
    kind: Kind = "complaint" if message["Type"] in _POSTMARK_COMPLAINT else "soft"
    return [
        _bounce(
            message["Email"],
            "hard" if message["Type"] in _POSTMARK_HARD else kind,
            message.get("Description"),
        )
    ]


def _many(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return rows[:1000]


def _bounce(address: Any, kind: Kind, reason: Any) -> Bounce:
    if not isinstance(address, str) or "@" not in address:
        raise ValueError("no address")
    # "Jo <jo@example.org>" as some write it.
    plain = address.rpartition("<")[2].rstrip("> ").strip().lower()
    local, _, domain = plain.rpartition("@")
    # As alerts keep it; some tell of the domain in its own letters.
    with suppress(idna.IDNAError):
        plain = f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}"
    return Bounce(plain, kind, " ".join(str(reason or "").split())[:200])
