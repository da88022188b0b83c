"""What a poll changes in what is known of a feed, and what is said of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.core import moving, trust
from services.ingest.core.health import FeedState, Kind, after_failure, after_success, diagnose
from services.ingest.core.moving import Whereabouts, is_gone
from services.ingest.core.rhythm import Rhythm
from services.ingest.core.trust import Answer, Trust, is_probe_due

NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)
WORKED = FeedState(last_success=NOW)


def failed(
    state: FeedState = WORKED, kind: Kind = "soft", times: int = 1, status: int | None = 500
) -> FeedState:
    for _ in range(times):
        state = after_failure(state, NOW, reason="no", fault="server", status=status, kind=kind)
    return state


def test_a_failure_keeps_what_was_known_and_a_success_heals() -> None:
    bad = failed(FeedState(etag='"1"', failures=2))
    assert (bad.etag, bad.failures, bad.last_error, bad.is_well) == ('"1"', 3, "no", False)
    good = after_success(bad, NOW, status=200, published=0)
    assert (good.failures, good.trouble, good.is_well, good.last_success) == (0, 0, True, NOW)


@pytest.mark.parametrize(("kind", "times"), [("hard", 1), ("soft", 2), ("temporary", 4)])
def test_faults_weigh_differently_until_a_feed_is_bad(kind: Kind, times: int) -> None:
    assert diagnose(failed(kind=kind, times=times - 1), NOW).condition == "well"
    assert diagnose(failed(kind=kind, times=times), NOW).condition == "bad"


def test_a_feed_that_never_worked_is_bad_at_once() -> None:
    assert diagnose(failed(FeedState(), "temporary"), NOW).condition == "bad"


def test_what_is_wrong_is_said_with_what_to_do() -> None:
    said = diagnose(failed(), NOW)
    assert said.wrong == "no"
    assert "tried again" in (said.advice or "")


def test_a_quiet_feed_is_silent_and_says_since_when() -> None:
    rhythm = Rhythm(gap=60, silent_after=86_400, last_entry=NOW - timedelta(days=2))
    said = diagnose(replace(WORKED, rhythm=rhythm), NOW)
    assert said.condition == "silent"
    assert "2026-08-02" in (said.wrong or "")


def test_a_redirect_to_other_entries_is_pointed_out() -> None:
    where = Whereabouts(target="https://other.example/", seen=1)
    assert "other entries" in (diagnose(replace(WORKED, where=where), NOW).advice or "")


# Gone and moved --------------------------------------------------------------------------------------------


def gone_at(*moments: datetime) -> Whereabouts:
    where = Whereabouts()
    for moment in moments:
        where = moving.after_failure(where, status=410, temporary=False, now=moment)
    return where


def test_gone_is_believed_after_days() -> None:
    days = [NOW + timedelta(days=number) for number in range(3)]
    assert not is_gone(gone_at(NOW, NOW, NOW, NOW), NOW)
    assert not is_gone(gone_at(*days[:2]), days[1])
    assert is_gone(gone_at(*days), days[2])


def test_gone_is_forgotten_when_the_feed_is_back() -> None:
    where = gone_at(*[NOW + timedelta(days=number) for number in range(3)])
    assert moving.after_answer(where, None, same=True, now=NOW) == Whereabouts()


def moved(
    polls: int, *, days: float = 1, same: bool = True, target: str = "https://new.example/"
) -> Whereabouts:
    where = Whereabouts()
    for number in range(polls):
        where = moving.after_answer(where, target, same=same, now=NOW + timedelta(days=days * number))
    return where


def test_a_new_address_is_kept_when_it_lasts_and_is_the_same_feed() -> None:
    assert moved(4).address is None
    assert moved(5) == Whereabouts(address="https://new.example/")


def test_a_new_address_is_not_kept_in_a_hurry_nor_for_another_feed() -> None:
    assert moved(50, days=0.01).address is None
    assert moved(50, same=False).address is None


def test_a_target_that_changes_begins_anew() -> None:
    where = moving.after_answer(moved(4), "https://other.example/", same=True, now=NOW + timedelta(days=9))
    assert (where.seen, where.address) == (1, None)


def test_a_redirect_that_ends_is_forgotten() -> None:
    assert moving.after_answer(moved(4), None, same=True, now=NOW) == Whereabouts()


def test_a_new_address_that_fails_is_given_up_for_the_old_one() -> None:
    assert moving.after_failure(moved(5), status=404, temporary=False, now=NOW).address is None
    assert moving.after_failure(moved(5), status=503, temporary=True, now=NOW).address is not None


# Trust in validators ---------------------------------------------------------------------------------------

UNCHANGED = Answer(conditional=True, probe=False, full=False, same_validators=True, news=False)
TOLD = Answer(conditional=True, probe=False, full=True, same_validators=False, news=True)
CLEAN_PROBE = Answer(conditional=False, probe=True, full=True, same_validators=True, news=False)
CAUGHT = replace(CLEAN_PROBE, news=True)


def trust_after(*answers: Answer, since: Trust = Trust(last_full=NOW)) -> Trust:
    for number, answer in enumerate(answers, 1):
        since = trust.after_answer(since, answer, NOW + timedelta(days=3 * number))
    return since


def test_a_probe_is_due_three_days_after_the_last_whole_document() -> None:
    known = trust_after(UNCHANGED, UNCHANGED)
    assert not is_probe_due(known, NOW + timedelta(days=2.9))
    assert is_probe_due(known, NOW + timedelta(days=3))
    assert not is_probe_due(trust_after(CLEAN_PROBE), NOW + timedelta(days=5))


@pytest.mark.parametrize("proof", [TOLD, CLEAN_PROBE])
def test_a_server_that_proved_honest_is_never_probed(proof: Answer) -> None:
    assert not is_probe_due(trust_after(proof, proof, proof), NOW + timedelta(days=1000))


def test_a_server_is_caught_by_news_under_the_same_validators() -> None:
    caught = trust_after(CAUGHT)
    assert caught.is_lost
    assert not is_probe_due(caught, NOW + timedelta(days=1000))


def test_news_under_new_validators_is_no_lie() -> None:
    assert not trust_after(replace(CAUGHT, same_validators=False)).is_lost
