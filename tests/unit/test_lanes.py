"""Lanes: fair turns, a share for each, and a closed lane costs one probe. The clock is moved by hand."""

from collections.abc import Iterator
from itertools import pairwise

from services.notify.core.lanes import CLOSED_AFTER, LONGEST_CLOSED, Held, Lane, Lanes

MIDDLE = 0.5


def lane(name: str = "a", most: int = 16, rate: float = 1e6) -> Lane[str]:
    return Lane(name, most, rate)


def put(lanes: Lanes[str], to: Lane[str], items: int, now: float = 0.0) -> int:
    """Queue that many; return how many were held."""
    return sum(lanes.put(to, f"{to.name}{number}", now) is not None for number in range(items))


def started(lanes: Lanes[str], now: float = 0.0) -> list[str]:
    return [turn[1] for turn in turns(lanes, now) if not isinstance(turn, Held)]


def turns(lanes: Lanes[str], now: float) -> Iterator[tuple[Lane[str], str] | Held[str]]:
    while turn := lanes.next_turn(now):
        yield turn


def fail(lanes: Lanes[str], at: Lane[str], now: float, began: float | None = None) -> None:
    at.failed(now if began is None else began, now, MIDDLE, overloaded=False, retry_after=None)
    lanes.done(at)


def succeed(lanes: Lanes[str], at: Lane[str]) -> None:
    at.succeeded()
    lanes.done(at)


def test_a_new_lane_has_one_attempt_and_earns_more() -> None:
    lanes, only = Lanes[str](100), lane(most=4)
    put(lanes, only, 20)
    seen = []
    while now_started := len(started(lanes)):
        seen.append(only.under_way)
        for _ in range(now_started):
            succeed(lanes, only)
    assert seen[:4] == [1, 2, 4, 4]


def test_a_shallow_queue_is_not_delayed_by_a_deep_one() -> None:
    lanes, deep, shallow = Lanes[str](2), lane("deep"), lane("shallow")
    for each in (deep, shallow):
        each.allowed, each.proven = 16, True
    put(lanes, deep, 1000)
    put(lanes, shallow, 2)
    order = []
    for _ in range(4):
        order += started(lanes)
        for each in (deep, shallow):
            while each.under_way:
                succeed(lanes, each)
    assert {"shallow0", "shallow1"} <= set(order[:4])


def test_an_overloaded_endpoint_gets_half_of_what_it_had() -> None:
    only = lane()
    only.allowed = 8
    only.failed(0, 1, MIDDLE, overloaded=True, retry_after=None)
    assert only.allowed == 4


def test_what_an_endpoint_asks_for_is_waited_for_within_bounds() -> None:
    lanes, only = Lanes[str](10), lane()
    put(lanes, only, 1)
    started(lanes)
    only.failed(0, 0, MIDDLE, overloaded=True, retry_after=10_000_000)
    lanes.done(only)
    assert put(lanes, only, 1) == 1
    assert put(lanes, only, 1, now=3601) == 0


def test_a_dead_endpoint_costs_one_attempt_an_interval_and_the_intervals_grow() -> None:
    lanes, dead = Lanes[str](100), lane()
    attempts, now, held = [], 0.0, 0
    while now < 3600:
        held += put(lanes, dead, 1, now)
        for turn in turns(lanes, now):
            if not isinstance(turn, Held):
                attempts.append(now)
                fail(lanes, dead, now)
        now += 1
    probes = attempts[CLOSED_AFTER:]
    gaps = [later - earlier for earlier, later in pairwise(probes)]
    assert len(attempts) < 25
    assert gaps == sorted(gaps)
    assert gaps[-1] == LONGEST_CLOSED
    assert held > 3500


def test_failures_that_were_under_way_when_the_lane_closed_do_not_close_it_longer() -> None:
    lanes, only = Lanes[str](100), lane()
    only.allowed = 16
    put(lanes, only, 16)
    assert len(started(lanes)) == 16
    for _ in range(16):
        fail(lanes, only, now=15.0, began=0.0)
    assert only.open_from == 25.0


def test_a_probe_that_succeeds_opens_the_lane() -> None:
    lanes, only = Lanes[str](100), lane()
    for _ in range(CLOSED_AFTER):
        put(lanes, only, 1)
        started(lanes)
        fail(lanes, only, 0.0)
    assert put(lanes, only, 1, now=5.0) == 1
    assert put(lanes, only, 3, now=10.0) == 0
    assert len(started(lanes, 10.0)) == 1
    succeed(lanes, only)
    assert len(started(lanes, 10.0)) == 2


def test_what_waited_when_the_lane_closed_is_held() -> None:
    lanes, only = Lanes[str](100), lane()
    put(lanes, only, CLOSED_AFTER + 2)
    for _ in range(CLOSED_AFTER):
        assert len(started(lanes)) == 1
        fail(lanes, only, 0.0)
    [held] = turns(lanes, 0.0)
    assert isinstance(held, Held)
    assert (len(held.items), held.until, len(only.queue)) == (2, 10.0, 0)


def test_lanes_that_hang_leave_connections_to_those_that_do_not() -> None:
    lanes = Lanes[str](10)
    good = lane("good")
    good.proven, good.allowed = True, 16
    for number in range(50):
        put(lanes, lane(f"hangs{number}-"), 1)
    assert len(started(lanes)) == 8
    put(lanes, good, 5)
    assert [item[:4] for item in started(lanes)] == ["good", "good"]


def test_a_lane_keeps_to_its_rate_after_a_burst() -> None:
    lanes, only = Lanes[str](1000), lane(most=1000, rate=10)
    only.allowed, only.proven, total = 1000, True, 0
    for second in range(10):
        put(lanes, only, 100, float(second))
        now_started = len(started(lanes, float(second)))
        total += now_started
        for _ in range(now_started):
            succeed(lanes, only)
    assert 90 <= total <= 120


def test_a_deep_queue_is_held_outside_beyond_its_share() -> None:
    lanes, deep, other = Lanes[str](1, share=100), lane("deep"), lane("other")
    assert put(lanes, deep, 150) == 50
    assert put(lanes, other, 16) == 0
