"""What mail services tell of mails that did not arrive."""

import json
from typing import Any

import pytest

from services.api.core.bounces import Bounce, BounceError, parsed, read_bounces

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


def test_what_ses_says_of_a_mail_is_no_bounce_of_its_address() -> None:
    large = {"bounceType": "Transient", "bounceSubType": "MessageTooLarge"}
    assert read_bounces("ses", SES_BOUNCE | {"bounce": SES_BOUNCE["bounce"] | large}) == []  # type: ignore[operator]


def test_of_several_addresses_those_that_can_be_read_are() -> None:
    rows = [
        {"emailAddress": "nobody"},
        {"emailAddress": "\ud800@example.org"},
        {"emailAddress": "jo@example.org"},
    ]
    told = {"bounceType": "Permanent", "bouncedRecipients": rows, "feedbackId": "0100-1"}
    message = {"notificationType": "Bounce", "bounce": told}
    assert read_bounces("ses", message) == [Bounce("jo@example.org", "hard", "", "0100-1")]
    with pytest.raises(BounceError):
        read_bounces("ses", message | {"bounce": told | {"bouncedRecipients": rows[:2]}})


@pytest.mark.parametrize(
    "message",
    [
        {"Type": "UnsubscribeConfirmation", "Message": "You have chosen to deactivate"},
        {
            "Type": "Notification",
            "Message": "Successfully validated SNS topic for Amazon SES event publishing.",
        },
    ],
)
def test_what_sns_says_of_itself_is_no_bounce(message: dict[str, str]) -> None:
    assert read_bounces("ses", message) == []


@pytest.mark.parametrize(
    "address", ["rfc822;jo\u0308@example.org", "J\u00d6@Example.org.", "<jö@example.org>"]
)
def test_an_address_is_found_however_it_is_spelled(address: str) -> None:
    assert read_bounces("generic", {"address": address, "kind": "hard"})[0].address == "jö@example.org"


def test_what_nests_too_deep_is_refused() -> None:
    deep = "[" * 60_000
    with pytest.raises(BounceError):
        parsed(deep.encode())
    with pytest.raises(BounceError):
        read_bounces("ses", {"Message": deep})


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
        ({"RecordType": "Bounce", "Type": "SpamNotification"}, ["soft"]),
        ({"RecordType": "Bounce", "Type": "DMARCPolicy"}, []),
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
