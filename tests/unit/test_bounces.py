"""What mail services tell of mails that did not arrive."""

import json
from typing import Any

import pytest

from services.api.core.bounces import Bounce, BounceError, read_bounces

SES_BOUNCE = {
    "notificationType": "Bounce",
    "bounce": {
        "bounceType": "Permanent",
        "bouncedRecipients": [
            {"emailAddress": "Jo <Jo@Example.org>", "diagnosticCode": "smtp; 550\n no such user"}
        ],
    },
}
SES_COMPLAINT = {
    "eventType": "Complaint",
    "complaint": {
        "complainedRecipients": [{"emailAddress": "jo@example.org"}],
        "complaintFeedbackType": "abuse",
    },
}


def wrapped(message: dict[str, Any]) -> dict[str, str]:
    return {"Type": "Notification", "Message": json.dumps(message)}


@pytest.mark.parametrize("message", [SES_BOUNCE, wrapped(SES_BOUNCE)])
def test_a_permanent_bounce_of_ses_is_hard(message: dict[str, Any]) -> None:
    assert read_bounces("ses", message) == [Bounce("jo@example.org", "hard", "smtp; 550 no such user")]


def test_a_transient_bounce_of_ses_is_soft() -> None:
    transient = SES_BOUNCE | {"bounce": SES_BOUNCE["bounce"] | {"bounceType": "Transient"}}  # type: ignore[operator]
    assert read_bounces("ses", transient)[0].kind == "soft"


def test_a_complaint_of_ses() -> None:
    assert read_bounces("ses", wrapped(SES_COMPLAINT)) == [Bounce("jo@example.org", "complaint", "abuse")]


def test_a_mail_that_is_told_to_be_no_spam_is_no_complaint() -> None:
    complaint = SES_COMPLAINT["complaint"] | {"complaintFeedbackType": "not-spam"}  # type: ignore[operator]
    assert read_bounces("ses", SES_COMPLAINT | {"complaint": complaint}) == []


def test_a_delivery_of_ses_is_no_bounce() -> None:
    assert read_bounces("ses", {"notificationType": "Delivery"}) == []


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        ({"RecordType": "Bounce", "Type": "HardBounce"}, ["hard"]),
        ({"RecordType": "Bounce", "Type": "SoftBounce"}, ["soft"]),
        ({"RecordType": "Bounce", "Type": "SpamNotification"}, ["complaint"]),
        ({"RecordType": "Bounce", "Type": "AutoResponder"}, []),
        ({"RecordType": "SpamComplaint"}, ["complaint"]),
        ({"RecordType": "Delivery"}, []),
    ],
)
def test_what_postmark_tells(told: dict[str, str], kinds: list[str]) -> None:
    found = read_bounces("postmark", {"Email": "jo@example.org", "Description": "x", **told})
    assert [bounce.kind for bounce in found] == kinds


def test_a_domain_in_its_own_letters_is_told_as_alerts_keep_it() -> None:
    told = {"address": "Jo@Bücher.example", "kind": "hard"}
    assert read_bounces("generic", told)[0].address == "jo@xn--bcher-kva.example"
    odd = {"address": "jo@-odd_.example", "kind": "hard"}
    assert read_bounces("generic", odd)[0].address == "jo@-odd_.example"


def test_the_generic_form() -> None:
    assert read_bounces("generic", {"address": "jo@example.org", "kind": "soft"}) == [
        Bounce("jo@example.org", "soft", "")
    ]


@pytest.mark.parametrize(
    ("sender", "message"),
    [
        ("generic", {"address": "jo@example.org", "kind": "other"}),
        ("generic", {"address": ["jo@example.org"], "kind": "hard"}),
        ("generic", []),
        ("ses", {"Message": "not JSON"}),
        ("ses", {"notificationType": "Bounce"}),
        (
            "ses",
            {"notificationType": "Bounce", "bounce": {"bounceType": "Permanent", "bouncedRecipients": 5}},
        ),
        ("postmark", {"Email": "jo@example.org"}),
    ],
)
def test_what_is_something_else_is_refused(sender: Any, message: Any) -> None:
    with pytest.raises(BounceError):
        read_bounces(sender, message)
