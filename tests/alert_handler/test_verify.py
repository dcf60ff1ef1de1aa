import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.errors import PrometheusRejected, PrometheusUnavailable
from alert_handler.model import Case, Verification
from alert_handler.playbooks import Verify
from alert_handler.verify import (
    HELD_PER_LOOK_SECONDS,
    LOOK_SECONDS,
    Conditions,
    Observation,
    VerifyStage,
    judge,
    observe,
)
from tests.alert_handler.doubles import (
    LABELS,
    NOW,
    FakeClock,
    ScriptedPrometheus,
    attempt,
    case,
    decision,
    incident,
    playbook,
)

Look = Callable[[Case, str], Case]

SETTLE = 10.0
VERIFY = Verify(query='used{service="{service}"}', healthy="< 0.8", hold_seconds=10.0, within_seconds=120.0)


@pytest.fixture
def stage(prometheus: ScriptedPrometheus, clock: FakeClock) -> VerifyStage:
    """The stage with one playbook that holds 10 s within 120 s, after 10 s of settling."""
    return VerifyStage(Conditions(prometheus), (playbook(verify=VERIFY),), SETTLE, clock)  # type: ignore[arg-type]


@pytest.fixture
def acted() -> Case:
    """A case just after its action."""
    return case(attempt=attempt(), decision=decision())


@pytest.fixture
def look(stage: VerifyStage, clock: FakeClock, prometheus: ScriptedPrometheus) -> Look:
    """Runs the stage whenever it is due: h(ealthy), u(nhealthy) or n(o data), one letter a look."""

    def look(acted: Case, seen: str) -> Case:
        answers = {"h": (0.5,), "u": (0.95,), "n": ()}
        after = acted if acted.verification else stage(acted)
        for letter in seen:
            clock.now = max(clock.now, after.due_at)
            prometheus.answer = answers[letter]
            after = stage(after.evolve(note=None))
        return after

    return look


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.5,), "healthy"),
        ((0.5, 0.95), "unhealthy"),
        ((), "no_data"),
        ((math.nan,), "no_data"),
        ((0.5, math.nan), "no_data"),
        ((0.95, math.nan), "unhealthy"),
        ((math.inf,), "unhealthy"),
        ((-math.inf,), "healthy"),
        ((0.8,), "unhealthy"),
    ],
)
def test_condition_is_healthy_only_when_every_series_is(values: tuple[float, ...], expected: str) -> None:
    """All series decide; a NaN is no data, never a fault to act on and never health."""
    assert Conditions(ScriptedPrometheus(*values)).look(VERIFY, LABELS)[0] == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [PrometheusUnavailable("no answer"), PrometheusRejected("parse error")])
def test_condition_that_cannot_be_asked_is_no_data(error: Exception) -> None:
    """Whatever Prometheus' trouble is, it shows no data and says why."""
    broken = ScriptedPrometheus()
    broken.answer = error
    assert Conditions(broken).look(VERIFY, LABELS) == ("no_data", str(error))  # type: ignore[arg-type]


def test_hostile_label_never_reaches_prometheus(prometheus: ScriptedPrometheus) -> None:
    """A label that could change the query is no data, and nothing is asked."""
    seen, _ = Conditions(prometheus).look(VERIFY, {"service": 'shop"} or vector(0) #'})  # type: ignore[arg-type]
    assert (seen, prometheus.asked) == ("no_data", [])


def test_first_look_waits_for_a_scrape_and_an_evaluation(
    stage: VerifyStage, acted: Case, prometheus: ScriptedPrometheus
) -> None:
    """The verification begins by waiting, without a look."""
    begun = stage(acted)
    assert (begun.stage, begun.due_at) == ("verify", NOW + SETTLE)
    assert prometheus.asked == []


def test_stage_that_is_run_too_early_does_not_look(
    stage: VerifyStage, acted: Case, clock: FakeClock, prometheus: ScriptedPrometheus
) -> None:
    """Whatever woke it: before the settling time is over it only waits."""
    begun = stage(acted)
    clock.advance(SETTLE - 0.1)
    again = stage(begun)
    assert (again.due_at, prometheus.asked) == (NOW + SETTLE, [])


@pytest.mark.parametrize(
    ("seen", "expected", "count"),
    [
        ("hhhhhh", "fixed", 6),
        ("hhhhhuhhhhhh", "fixed", 12),
        ("hhhhhnhhhhhh", "fixed", 12),
        ("u" * 61, "not_fixed", 61),
        ("n" * 61, "inconclusive", 61),
        ("u" * 60 + "n", "inconclusive", 61),
        ("n" * 60 + "u", "not_fixed", 61),
        ("hhhhh" + "n" * 56, "inconclusive", 61),
        ("u" * 58 + "hhhhhh", "fixed", 64),
        ("u" * 60 + "hhhhu", "not_fixed", 65),
    ],
)
def test_verdict_comes_after_this_many_looks(look: Look, acted: Case, seen: str, expected: str, count: int) -> None:
    """Healthy must hold, one bad look begins anew, no data is never `fixed`; the last look has the last word."""
    before = look(acted, seen[:-1])
    after = look(before, seen[-1])
    assert len(seen) == count
    assert before.verdict is None
    assert after.verdict is not None
    assert (after.verdict.value, after.attempt and after.attempt.verdict) == (expected, expected)


def test_verdict_is_written_to_attempt_and_timeline(look: Look, acted: Case, clock: FakeClock) -> None:
    """Strikes are counted on the attempt, so the verdict stands there too."""
    after = look(acted, "hhhhhh")
    assert after.attempt is not None
    assert (after.attempt.verdict, after.attempt.verified_at) == ("fixed", clock.now)
    assert after.note is not None
    assert (after.note.outcome, after.note.text) == ("fixed", "healthy for 10 s: 0.5 (healthy: < 0.8)")


@pytest.mark.parametrize(
    ("seen", "text"),
    [("u", "still there: 0.95 (healthy: < 0.8)"), ("n", "nothing to see: Prometheus has no such series now")],
)
def test_verdict_says_what_was_seen_last(look: Look, acted: Case, seen: str, text: str) -> None:
    """People read the value, not only the word, and the last look is kept."""
    after = look(acted, seen * 61)
    assert after.verdict is not None
    assert after.verification is not None
    assert (after.verdict.text, after.verification.last[0]) == (text, seen)


def test_resolved_alert_changes_no_verdict(look: Look, acted: Case) -> None:
    """Killing the exporter resolves the alert: what counts is what Prometheus shows, and it shows nothing."""
    gone = acted.evolve(incident=incident(status="resolved"))
    after = look(gone, "n" * 61)
    assert after.verdict is not None
    assert after.verdict.value == "inconclusive"


def test_restart_between_two_healthy_looks_proves_nothing(look: Look, acted: Case, clock: FakeClock) -> None:
    """Nobody looked while the handler was down: the gap counts as one ordinary look, not as time held."""
    seen_once = look(acted, "h")
    clock.advance(3600)
    restarted = look(seen_once, "h")
    assert restarted.verdict is None
    assert look(restarted, "hhh").verdict is not None


def test_stored_verification_goes_on_after_a_restart(
    look: Look, prometheus: ScriptedPrometheus, acted: Case, clock: FakeClock
) -> None:
    """Another process with the stored case comes to the same verdict at the same look."""
    stored = look(acted, "hhhhh")
    assert stored.verdict is None
    successor = VerifyStage(Conditions(prometheus), (playbook(verify=VERIFY),), SETTLE, clock)  # type: ignore[arg-type]
    clock.now, prometheus.answer = stored.due_at, (0.5,)
    assert successor(stored).verdict is not None


def test_clock_that_jumped_back_neither_shortens_nor_stops_the_hold() -> None:
    """A look that seems to lie before the last one adds nothing; later ones go on counting."""
    began = Verification(not_before=NOW, until=NOW + 120)
    first = observe(began, "healthy", "", NOW)
    back = observe(first, "healthy", "", NOW - 3600)
    on = observe(back, "healthy", "", NOW - 3600 + LOOK_SECONDS)
    assert [v.held_seconds for v in (first, back, on)] == [0.0, 0.0, LOOK_SECONDS]


def test_hold_of_zero_is_met_by_one_look() -> None:
    """A playbook may ask for no hold at all."""
    seen = observe(Verification(not_before=NOW, until=NOW), "healthy", "0.5", NOW)
    verdict = judge(seen, Verify(query="x", healthy="< 1", hold_seconds=0), NOW)
    assert verdict is not None
    assert verdict.value == "fixed"


def test_playbook_that_is_gone_gives_inconclusive(
    prometheus: ScriptedPrometheus, acted: Case, clock: FakeClock
) -> None:
    """After a reload without the playbook nobody knows what to ask."""
    after = VerifyStage(Conditions(prometheus), (), SETTLE, clock)(acted)  # type: ignore[arg-type]
    assert after.verdict is not None
    assert (after.verdict.value, "no longer configured" in after.verdict.text) == ("inconclusive", True)


def test_case_without_attempt_goes_to_notify(stage: VerifyStage) -> None:
    """There is nothing to verify."""
    after = stage(case())
    assert (after.stage, after.note is not None) == ("notify", True)


LOOKS = st.lists(
    st.tuples(st.sampled_from(["healthy", "healthy", "unhealthy", "no_data"]), st.floats(-5, 200)),
    min_size=1,
    max_size=80,
)


@settings(deadline=None, max_examples=300)
@given(LOOKS, st.sampled_from([0.0, 5.0, 10.0, 60.0]))
def test_fixed_needs_enough_healthy_looks_at_the_end(steps: list[tuple[Observation, float]], hold: float) -> None:
    """Whatever the clock does: `fixed` only after an unbroken run of healthy looks that covers the hold."""
    verification, verify, now, run = Verification(not_before=NOW, until=NOW + 120), Verify("x", "< 1", hold), NOW, 0
    for seen, step in steps:
        now += step
        verification = observe(verification, seen, "", now)
        run = run + 1 if seen == "healthy" else 0
        verdict = judge(verification, verify, now)
        if verdict is not None:
            assert verdict.value == "fixed" or (now >= verification.until and seen != "healthy")
            assert verdict.value != "fixed" or (run - 1) * HELD_PER_LOOK_SECONDS >= hold
            assert (verdict.value == "inconclusive") == (seen == "no_data")
            return
