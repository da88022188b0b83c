"""Lanes: fair turns, a share for each, and a closed lane costs one probe. The clock is moved by hand."""

from itertools import pairwise

from services.notify.core.lanes import CLOSED_AFTER, LONGEST_CLOSED, SLOW_SECONDS, Lane, Lanes

MIDDLE = 0.5


def lane(name: str = "a", most: int = 16, rate: float = 1e6) -> Lane[str]:
    return Lane(name, most, rate)


def put(lanes: Lanes[str], to: Lane[str], items: int) -> None:
    for number in range(items):
        lanes.put(to, f"{to.name}{number}")


def started(lanes: Lanes[str], now: float = 0.0) -> list[str]:
    turns = []
    while turn := lanes.next_turn(now):
        turns.append(turn[1])
    return turns


def held(lanes: Lanes[str], now: float = 0.0) -> int:
    """How many overflow."""
    return sum(len(each.items) for each in lanes.overflow(now))


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


def test_what_somebody_waits_for_is_what_a_closed_lane_is_tried_by() -> None:
    lanes, only = Lanes[str](100), lane()
    put(lanes, only, 5)
    for now in range(CLOSED_AFTER):
        started(lanes, now)
        fail(lanes, only, now)
    assert not started(lanes, CLOSED_AFTER)
    lanes.put_first(only, "asked for")
    assert started(lanes, CLOSED_AFTER) == ["asked for"]
    fail(lanes, only, CLOSED_AFTER)
    assert not started(lanes, CLOSED_AFTER + 1)


def test_one_that_is_slow_to_answer_for_the_first_time_keeps_what_comes_waiting_outside() -> None:
    lanes, slow = Lanes[str](10), lane()
    put(lanes, slow, 1)
    assert started(lanes) == ["a0"]
    assert not lanes.turns_away(slow, 0.9 * SLOW_SECONDS)
    assert lanes.turns_away(slow, 1.1 * SLOW_SECONDS)
    assert slow.held


def test_an_overloaded_endpoint_gets_half_of_what_it_had() -> None:
    only = lane()
    only.allowed = 8
    only.failed(0, 1, MIDDLE, overloaded=True, retry_after=None)
    assert only.allowed == 4


def test_what_an_endpoint_asks_for_is_waited_for_within_bounds() -> None:
    lanes, only = Lanes[str](10), lane()
    put(lanes, only, 2)
    started(lanes)
    only.failed(0, 0, MIDDLE, overloaded=True, retry_after=10_000_000)
    lanes.done(only)
    assert not started(lanes)
    assert held(lanes) == 1
    put(lanes, only, 1)
    assert started(lanes, 3601)


def test_a_dead_endpoint_costs_one_attempt_an_interval_and_the_intervals_grow() -> None:
    lanes, dead = Lanes[str](100), lane()
    attempts, now, outside = [], 0.0, 0
    while now < 3600:
        put(lanes, dead, 1)
        for _ in started(lanes, now):
            attempts.append(now)
            fail(lanes, dead, now)
        outside += held(lanes, now)
        now += 1
    probes = attempts[CLOSED_AFTER:]
    gaps = [later - earlier for earlier, later in pairwise(probes)]
    assert len(attempts) < 25
    assert gaps == sorted(gaps)
    assert gaps[-1] == LONGEST_CLOSED
    assert outside > 3500


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
    put(lanes, only, 3)
    assert not started(lanes, 5.0)
    assert len(only.queue) == 3
    assert held(lanes, 10.0) == 0
    assert len(started(lanes, 10.0)) == 1
    succeed(lanes, only)
    assert len(started(lanes, 10.0)) == 2


def test_what_waited_when_the_lane_closed_is_held_in_its_order() -> None:
    lanes, only = Lanes[str](100), lane()
    put(lanes, only, CLOSED_AFTER + 2)
    for _ in range(CLOSED_AFTER):
        assert len(started(lanes)) == 1
        fail(lanes, only, 0.0)
    assert not started(lanes)
    [outside] = lanes.overflow(0.0)
    assert (outside.items, outside.until, len(only.queue)) == (("a3", "a4"), 10.0, 0)
    assert not list(lanes.overflow(0.0))


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
        put(lanes, only, 100)
        held(lanes, float(second))
        now_started = len(started(lanes, float(second)))
        total += now_started
        for _ in range(now_started):
            succeed(lanes, only)
    assert 90 <= total <= 120


def test_a_deep_queue_is_held_outside_beyond_its_share() -> None:
    lanes, deep, other = Lanes[str](1, share=100), lane("deep"), lane("other")
    put(lanes, deep, 150)
    [outside] = lanes.overflow(0.0)
    assert outside.items == tuple(f"deep{number}" for number in range(100, 150))
    put(lanes, other, 16)
    put(lanes, deep, 1)
    assert held(lanes) == 51
    assert (len(deep.queue), len(other.queue)) == (50, 16)


def test_a_deep_queue_goes_on_while_some_of_it_waits_to_be_held() -> None:
    lanes, deep = Lanes[str](1, share=20), lane("deep")
    put(lanes, deep, 30)
    assert started(lanes) == ["deep0"]
