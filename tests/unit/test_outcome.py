"""What a delivery becomes, attempt by attempt, and when its endpoint is given up: the clock is moved by hand."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from services.notify.core.channel import DeliveryError, Sent
from services.notify.core.outcome import (
    after_failure,
    after_success,
    fallback_digest,
    has_failed_long_enough,
    is_for_fallback,
)
from services.notify.core.schedule import DEFAULT_SCHEDULE
from shared.delivery import ATTEMPTS_KEPT, Delivery, owed_report, read, written
from shared.endpoints import EmailEndpoint
from tests.message_builders import NOW, make_subscription

MIDDLE = 0.5
FAILURE = DeliveryError("answered 500", status=500)
MAIL = EmailEndpoint(type="email", address="second@example.org")


def test_the_clock_through_the_whole_schedule() -> None:
    delivery, now, begun = owed_report("sub_1", "r1", NOW), NOW, []
    while delivery.state == "pending":
        begun.append((now - NOW).total_seconds())
        delivery = after_failure(delivery, DEFAULT_SCHEDULE, FAILURE, now, MIDDLE, 12)
        now = delivery.next_attempt_at or now
    waits = [later - earlier for earlier, later in pairwise(begun)]
    assert waits == list(DEFAULT_SCHEDULE)
    assert (delivery.state, delivery.attempts) == ("given_up", 10)
    assert [each.outcome for each in delivery.log] == ["given_up"] + ["failed"] * 9
    assert [(NOW + timedelta(seconds=at)) for at in reversed(begun)] == [each.at for each in delivery.log]


def test_the_clock_through_the_days_of_an_endpoint_that_never_answers() -> None:
    patience, now = timedelta(days=5), NOW
    while not has_failed_long_enough(NOW, now, patience):
        now += timedelta(hours=1)
    assert now - NOW == patience


def test_the_second_channel_is_told_of_each_once_and_only_after_its_minutes() -> None:
    subscription = make_subscription(fallback=MAIL, fallback_confirmed=True, fallback_after=15)
    failed = after_failure(owed_report("sub_1", "r1", NOW), DEFAULT_SCHEDULE, FAILURE, NOW, MIDDLE, 12)
    told = [
        minute
        for minute in range(30)
        if is_for_fallback(failed, subscription, NOW, NOW + timedelta(minutes=minute))
    ]
    assert told == list(range(15, 30))
    assert is_for_fallback(failed, subscription, NOW, None), "nothing will be tried again"
    assert is_for_fallback(replace(failed, kind="digest"), subscription, NOW, NOW + timedelta(minutes=15))
    unconfirmed = subscription.model_copy(update={"fallback_confirmed": False})
    assert not is_for_fallback(failed, unconfirmed, NOW, NOW + timedelta(days=1))


@pytest.mark.parametrize("minutes", [1, 15, 60, 720, 1440])
def test_by_the_schedule_the_second_channel_is_told_as_soon_as_was_asked_for(minutes: int) -> None:
    subscription = make_subscription(fallback=MAIL, fallback_confirmed=True, fallback_after=minutes)
    delivery, now, last = owed_report("sub_1", "r1", NOW), NOW, NOW
    while not is_for_fallback(delivery, subscription, NOW, now):
        delivery, last = after_failure(delivery, DEFAULT_SCHEDULE, FAILURE, now, MIDDLE, 12), now
        now = delivery.next_attempt_at or now
    assert last < NOW + timedelta(minutes=minutes), "it is noted by then, not only at a later attempt"


def test_digests_to_the_second_channel_are_the_same_for_all_within_their_minutes() -> None:
    subscription = make_subscription(fallback=MAIL, fallback_after=15)
    start = NOW.replace(minute=30, second=0)
    ids = [
        fallback_digest(subscription, start + timedelta(minutes=minute)) for minute in (0, 7, 14.4, 14.6, 15)
    ]
    assert ids[0] == ids[1] == ids[2] != ids[3] == ids[4]
    assert ids[0][1] == start + timedelta(minutes=15)


def test_a_success_after_failures_is_the_end() -> None:
    failed = after_failure(owed_report("sub_1", "r1", NOW), DEFAULT_SCHEDULE, FAILURE, NOW, MIDDLE, 12)
    done = after_success(failed, Sent(204, "thanks"), NOW, 7)
    assert (done.state, done.attempts, done.next_attempt_at) == ("delivered", 2, None)


@pytest.mark.parametrize("note", ["", "fallback: why"])
def test_a_delivery_is_read_as_it_was_written(note: str) -> None:
    delivery: Delivery = owed_report("sub_1", "r1", NOW)
    for _ in range(ATTEMPTS_KEPT + 5):
        delivery = after_failure(delivery, (5.0,) * 50, FAILURE, NOW, MIDDLE, 12)
    delivery = Delivery(
        **{**{name: getattr(delivery, name) for name in Delivery.__slots__}, "note": note, "story": "r1"}
    )
    assert len(delivery.log) == ATTEMPTS_KEPT
    assert read(delivery.id, written(delivery)) == delivery
