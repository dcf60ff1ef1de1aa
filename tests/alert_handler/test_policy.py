import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.model import Attempt, Decision, DecisionVerdict, Mode, Plan, Reason, Risk
from alert_handler.policy import (
    CHECK_PATIENCE_SECONDS,
    HOLD_PATIENCE_SECONDS,
    HOUR,
    RULES,
    Facts,
    Policy,
    decide,
    strike_count,
    told_late,
)
from alert_handler.switches import SwitchState
from tests.alert_handler.doubles import NOW, attempt, verdict

PLAN = Plan(remediation="ledger", target="shop", summary="write shop down").sealed()
POLICY = Policy()
LONG_AGO = NOW - 1000


def facts(**changes: object) -> Facts:
    """Facts that nothing objects to."""
    allowed = Facts(
        now=NOW,
        mode=Mode.ACT,
        switches=SwitchState(),
        playbook="disk",
        plan=PLAN,
        idempotent=False,
    )
    return msgspec.structs.replace(allowed, **changes)


def elsewhere(count: int, **changes: object) -> list[Attempt]:
    """Attempts on other targets within the last hour."""
    return [attempt(id=n, target=f"other-{n}", claimed_at=NOW - 60 - n, **changes) for n in range(1, count + 1)]


NOT_FIXED = [attempt(id=n, claimed_at=LONG_AGO, finished_at=LONG_AGO, verdict="not_fixed") for n in (1, 2, 3)]
CUT_OFF = attempt(state="unknown", claimed_at=LONG_AGO, finished_at=LONG_AGO, verdict="not_fixed")
RUNNING = attempt(id=8, state="started", finished_at=None)
JUST_ENDED = attempt(id=9, finished_at=NOW - 10)

#: Every rule in the order in which it is asked: (reason, verdict, the facts that make it object).
TABLE: list[tuple[Reason, DecisionVerdict, dict[str, object]]] = [
    (Reason.MONITORING_DISABLED, DecisionVerdict.REFUSE, {"monitoring": False}),
    (Reason.RESOLVED, DecisionVerdict.REFUSE, {"resolved": True}),
    (Reason.NO_PLAYBOOK, DecisionVerdict.OBSERVE, {"playbook": ""}),
    (Reason.OBSERVE_MODE, DecisionVerdict.OBSERVE, {"mode": Mode.OBSERVE}),
    (Reason.RECOVERED, DecisionVerdict.HOLD, {"condition": "healthy"}),
    (Reason.STRIKES, DecisionVerdict.ESCALATE, {"attempts": NOT_FIXED}),
    (Reason.OUTCOME_UNKNOWN, DecisionVerdict.ESCALATE, {"attempts": [CUT_OFF]}),
    (Reason.INCONCLUSIVE, DecisionVerdict.ESCALATE, {"last_verdict": verdict("inconclusive")}),
    (Reason.UNPLANNABLE, DecisionVerdict.ESCALATE, {"plan": None, "unplannable": "nothing to clean"}),
    (Reason.RECOMMEND_MODE, DecisionVerdict.RECOMMEND, {"mode": Mode.RECOMMEND}),
    (Reason.NEEDS_TRUST, DecisionVerdict.RECOMMEND, {"risk": Risk.MAJOR}),
    (Reason.REMEDIATION_DISABLED, DecisionVerdict.RECOMMEND, {"remediation": False}),
    (Reason.KILL_SWITCH, DecisionVerdict.HOLD, {"killed": True}),
    (Reason.CANNOT_CHECK, DecisionVerdict.HOLD, {"condition": "no_data"}),
    (Reason.TARGET_BUSY, DecisionVerdict.HOLD, {"attempts": [RUNNING]}),
    (Reason.COOLDOWN, DecisionVerdict.HOLD, {"attempts": [JUST_ENDED]}),
    (Reason.RATE_ACTION, DecisionVerdict.HOLD, {"attempts": elsewhere(10)}),
    (Reason.RATE_TOTAL, DecisionVerdict.HOLD, {"attempts": elsewhere(20, remediation="other")}),
    (Reason.ALLOWED, DecisionVerdict.ACT, {}),
]
SWITCHES = ("monitoring", "remediation", "killed")
#: Needs a plan, so it cannot meet the rule that there is none.
NEED_A_PLAN = {
    Reason.STRIKES,
    Reason.OUTCOME_UNKNOWN,
}


def merged(*changes: dict[str, object]) -> Facts:
    """The facts with several changes at once: lists add up, switches come together."""
    together: dict[str, object] = {}
    for change in changes:
        for name, value in change.items():
            together[name] = [*together.get(name, []), *value] if isinstance(value, list) else value  # type: ignore[misc]
    switches = {name: together.pop(name) for name in SWITCHES if name in together}
    return facts(switches=msgspec.structs.replace(SwitchState(), **switches), **together)


def test_table_names_every_reason_in_the_order_of_the_model() -> None:
    """The table, the rules and the model's list of reasons are one order."""
    assert [reason for reason, _, _ in TABLE] == list(Reason)
    assert [rule.__name__ for rule in RULES] == [reason.value for reason in Reason if reason is not Reason.ALLOWED]


@pytest.mark.parametrize(("reason", "expected", "change"), TABLE, ids=[row[0] for row in TABLE])
def test_each_reason_is_given_for_its_facts(
    reason: Reason, expected: DecisionVerdict, change: dict[str, object]
) -> None:
    """One fact, one answer; a hold says when to ask again, and nothing else does."""
    decision = decide(merged(change), POLICY)
    assert (decision.verdict, decision.reason) == (expected, reason)
    assert (decision.retry_at is not None) == (expected is DecisionVerdict.HOLD)
    assert decision.text
    asked = merged(change)
    assert (decision.playbook, decision.plan) == (asked.playbook, asked.plan)


PAIRS = [
    (first, later)
    for index, first in enumerate(TABLE)
    for later in TABLE[index + 1 :]
    if not (first[0] in NEED_A_PLAN and later[0] is Reason.UNPLANNABLE)
    and not set(first[2]) & set(later[2]) - {"attempts"}
]


@pytest.mark.parametrize(("first", "later"), PAIRS, ids=[f"{first[0]}-{later[0]}" for first, later in PAIRS])
def test_the_earlier_rule_wins_against_every_later_one(
    first: tuple[Reason, DecisionVerdict, dict[str, object]],
    later: tuple[Reason, DecisionVerdict, dict[str, object]],
) -> None:
    """When two rules object, the one that is asked first answers."""
    assert decide(merged(later[2], first[2]), POLICY).reason is first[0]


def test_defaults_are_those_of_the_design() -> None:
    """Three strikes an hour, 10 runs of one remediation and 20 of all an hour, safe ones only."""
    assert msgspec.structs.asdict(POLICY) == {
        "strikes": 3,
        "strike_window_seconds": 3600.0,
        "per_remediation_and_hour": 10,
        "total_per_hour": 20,
        "max_risk": Risk.SAFE,
    }


@pytest.mark.parametrize(
    "values",
    [
        {"strikes": 0},
        {"strike_window_seconds": math.nan},
        {"strike_window_seconds": math.inf},
        {"per_remediation_and_hour": 0},
        {"total_per_hour": -1},
    ],
)
def test_numbers_that_would_switch_a_rule_off_are_refused(values: dict[str, float]) -> None:
    """A window of NaN counts no strike at all: it must never be accepted."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, Policy)


def test_major_risk_is_allowed_when_it_is_trusted() -> None:
    """The operator can trust major remediations."""
    assert decide(facts(risk=Risk.MAJOR), Policy(max_risk=Risk.MAJOR)).reason is Reason.ALLOWED


def test_two_failures_are_no_strikes_and_three_are() -> None:
    """The limit is exact."""
    assert decide(facts(attempts=NOT_FIXED[:2]), POLICY).reason is Reason.ALLOWED
    assert decide(facts(attempts=NOT_FIXED), POLICY).reason is Reason.STRIKES


@pytest.mark.parametrize("other", [{"target": "mail"}, {"remediation": "other"}, {"verdict": "fixed"}, {"verdict": ""}])
def test_strikes_count_only_verified_failures_of_this_action_on_this_target(other: dict[str, str]) -> None:
    """Another target, another remediation or another verdict is no strike."""
    mixed = [*NOT_FIXED[:2], NOT_FIXED[2].evolve(**other)]
    assert strike_count(facts(attempts=mixed), POLICY) == 2


def test_strikes_are_the_same_for_every_incident_and_episode() -> None:
    """Neither `resolved` in between, nor a new start of the alert, nor another incident resets strikes."""
    others = [a.evolve(incident_id=7 + a.id) for a in NOT_FIXED]
    fresh = facts(attempts=others, last_attempt=None, last_verdict=None, before=None)
    assert decide(fresh, POLICY).reason is Reason.STRIKES


def test_strikes_end_with_their_window() -> None:
    """One second before the end of the window they count, at its end they do not."""
    since = LONG_AGO + HOUR
    assert decide(facts(now=since - 1, attempts=NOT_FIXED), POLICY).reason is Reason.STRIKES
    assert decide(facts(now=since, attempts=NOT_FIXED), POLICY).reason is Reason.ALLOWED


def test_cut_off_attempt_that_was_verified_as_fixed_is_forgotten() -> None:
    """A run with unknown end that Prometheus calls fixed does not stand in the way of the next episode."""
    fixed = CUT_OFF.evolve(verdict="fixed")
    assert decide(facts(attempts=[fixed], last_attempt=fixed), POLICY).reason is Reason.ALLOWED


def test_cut_off_attempt_of_an_idempotent_remediation_may_be_repeated() -> None:
    """What may be repeated is repeated."""
    assert decide(facts(attempts=[CUT_OFF], idempotent=True), POLICY).reason is Reason.ALLOWED


def test_own_cut_off_attempt_escalates_before_any_verdict() -> None:
    """The incident's own attempt with unknown end is never followed by another one."""
    own = CUT_OFF.evolve(verdict="")
    assert decide(facts(last_attempt=own), POLICY).reason is Reason.OUTCOME_UNKNOWN


def test_cut_off_attempt_of_another_incident_is_waited_for_until_verified() -> None:
    """While another incident verifies its cut-off attempt on the target, this one waits."""
    other = CUT_OFF.evolve(verdict="", incident_id=2)
    assert decide(facts(attempts=[other]), POLICY).reason is Reason.TARGET_BUSY


@pytest.mark.parametrize(("left", "expected"), [(0.1, Reason.COOLDOWN), (0.0, Reason.ALLOWED)])
def test_cooldown_counts_from_the_end_of_the_attempt(left: float, expected: Reason) -> None:
    """A long run does not use up its own cooldown, and at its last moment it is over."""
    ended = attempt(claimed_at=LONG_AGO, started_at=LONG_AGO, finished_at=NOW - 300 + left)
    assert decide(facts(attempts=[ended]), POLICY).reason is expected


def test_attempt_that_never_started_costs_no_cooldown() -> None:
    """A handler that dies between claim and start has changed nothing."""
    cut = attempt(state="failed", started_at=None, finished_at=NOW)
    assert decide(facts(attempts=[cut]), POLICY).reason is Reason.ALLOWED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, DecisionVerdict.HOLD),
        ({"state": "started", "finished_at": None}, DecisionVerdict.HOLD),
        ({"verdict": "not_fixed"}, DecisionVerdict.ESCALATE),
        ({"remediation": "other"}, DecisionVerdict.ESCALATE),
        ({"state": "failed", "started_at": None}, DecisionVerdict.ESCALATE),
    ],
)
def test_nothing_to_do_is_no_call_before_the_verdict_on_what_was_done(
    changes: dict[str, object], expected: DecisionVerdict
) -> None:
    """Two alerts about one disk: the second finds nothing to clean, because the first has just cleaned it."""
    other = attempt(target="root", incident_id=2, **changes)
    asked = facts(plan=None, unplannable="nothing to clean", remediation="ledger", attempts=[other])
    decision = decide(asked, POLICY)
    assert (decision.reason, decision.verdict) == (Reason.UNPLANNABLE, expected)


def test_condition_that_cannot_be_checked_escalates_after_its_own_patience() -> None:
    """Patience counts from the first look without data, not from the alert: one missed scrape later is no reason."""
    old = facts(condition="no_data")
    first = decide(old, POLICY)
    at = NOW + CHECK_PATIENCE_SECONDS
    still = decide(msgspec.structs.replace(old, now=at, before=first), POLICY)
    late = decide(msgspec.structs.replace(old, now=at + 1, before=still), POLICY)
    assert [d.verdict for d in (first, still, late)] == ["hold", "hold", "escalate"]


def test_hold_for_another_reason_begins_anew() -> None:
    """`since` is when holding for this very reason began."""
    first = decide(facts(condition="no_data"), POLICY)
    other = decide(facts(now=NOW + 60, switches=SwitchState(killed=True), before=first), POLICY)
    assert (first.since, other.since) == (NOW, NOW + 60)


def test_since_in_the_future_is_now() -> None:
    """After a clock jumped back, a hold does not claim to have begun in the future."""
    before = decide(facts(now=NOW + 999, condition="no_data"), POLICY)
    assert decide(facts(condition="no_data", before=before), POLICY).since == NOW


def test_long_hold_is_told_once() -> None:
    """The look that crosses the patience tells; those before and after do not."""
    held = [
        Decision(verdict=DecisionVerdict.HOLD, reason=Reason.COOLDOWN, text="", at=NOW + s, since=NOW)
        for s in (0, 890, 905, 920)
    ]
    told = [told_late(now, before) for before, now in zip([None, *held], held, strict=False)]
    assert HOLD_PATIENCE_SECONDS == 900
    assert told == [False, False, True, False]


def test_decision_that_is_no_hold_is_not_told_late() -> None:
    """Only a hold that goes on is told as such."""
    acted = decide(facts(), POLICY)
    held = decide(facts(condition="no_data"), POLICY)
    assert not told_late(acted, held)
    assert not told_late(held, acted)


def test_rate_waits_until_the_oldest_run_that_counts_is_an_hour_old() -> None:
    """With 11 runs, the second oldest has to leave the hour before there is room."""
    decision = decide(facts(attempts=elsewhere(11)), POLICY)
    assert decision.retry_at == pytest.approx(NOW - 60 - 10 + HOUR, abs=0.5)


@pytest.mark.parametrize("minutes", [1, 90, 60 * 24 * 365])
def test_clock_that_jumped_back_shortens_nothing(minutes: int) -> None:
    """Attempts in the future count for cooldown, strikes and rates, and no wait is longer than its own window."""
    future = NOW + minutes * 60
    ended = attempt(claimed_at=future, finished_at=future)
    decision = decide(facts(attempts=[ended]), POLICY)
    assert decision.reason is Reason.COOLDOWN
    assert NOW < (decision.retry_at or 0) <= NOW + 300
    failed = [ended.evolve(id=n, verdict="not_fixed") for n in (1, 2, 3)]
    assert decide(facts(attempts=failed), POLICY).reason is Reason.STRIKES
    rate = decide(facts(attempts=[a.evolve(target="other", claimed_at=future) for a in elsewhere(10)]), POLICY)
    assert NOW < (rate.retry_at or 0) <= NOW + HOUR


STATES = ("claimed", "started", "succeeded", "failed", "timed_out", "unknown")
TIMES = st.floats(min_value=NOW - 2 * HOUR, max_value=NOW + 2 * HOUR)
ATTEMPTS = st.builds(
    lambda index, target, kind, state, at, judged: attempt(
        id=index,
        target=target,
        remediation=kind,
        state=state,
        claimed_at=at,
        started_at=None if state == "claimed" else at,
        finished_at=None if state in ("claimed", "started") else at,
        verdict="" if state in ("claimed", "started") else judged,
    ),
    st.integers(1, 50),
    st.sampled_from(["shop", "mail"]),
    st.sampled_from(["ledger", "other"]),
    st.sampled_from(STATES),
    TIMES,
    st.sampled_from(["", "fixed", "not_fixed", "inconclusive"]),
)
FACTS = st.builds(
    facts,
    mode=st.sampled_from(Mode),
    switches=st.builds(SwitchState, st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    resolved=st.booleans(),
    plan=st.sampled_from([PLAN, PLAN, PLAN, None]),
    condition=st.sampled_from(["unhealthy", "unhealthy", "healthy", "no_data"]),
    idempotent=st.booleans(),
    risk=st.sampled_from(Risk),
    cooldown_seconds=st.sampled_from([0.0, 1.0, 300.0, 7200.0]),
    attempts=st.lists(ATTEMPTS, max_size=30),
    last_attempt=st.none() | ATTEMPTS,
)


def may_act(asked: Facts) -> bool:
    """The promise, written a second time: may Nightshift act on these facts?"""
    on_target = [a for a in asked.attempts if a.target == "shop"]
    struck = [
        a for a in on_target if a.remediation == "ledger" and a.verdict == "not_fixed" and a.claimed_at > NOW - HOUR
    ]
    recent = [a for a in asked.attempts if a.claimed_at > NOW - HOUR]
    cold = all(a.claimed_at + asked.cooldown_seconds <= NOW for a in on_target if a.started_at is not None)
    switches = asked.switches.monitoring and asked.switches.remediation and not asked.switches.killed
    return (
        asked.mode is Mode.ACT
        and switches
        and asked.risk is Risk.SAFE
        and asked.plan is not None
        and not asked.resolved
        and asked.condition == "unhealthy"
        and len(struck) < 3
        and not any(a.state in ("claimed", "started") for a in on_target)
        and cold
        and len(recent) < 20
        and len([a for a in recent if a.remediation == "ledger"]) < 10
    )


@settings(deadline=None, max_examples=400)
@given(FACTS)
def test_action_is_allowed_only_when_every_promise_holds(asked: Facts) -> None:
    """Whatever the facts: `act` only when mode, switches, strikes, target, cooldown and rates all say yes."""
    decision = decide(asked, POLICY)
    assert decision.verdict is not DecisionVerdict.ACT or may_act(asked)
    assert (decision.retry_at is not None and decision.retry_at > NOW) == (decision.verdict is DecisionVerdict.HOLD)
    assert decision.at == NOW


@settings(deadline=None, max_examples=200)
@given(FACTS, st.floats(min_value=0, max_value=HOUR))
def test_setting_the_clock_back_never_allows_what_was_not(asked: Facts, back: float) -> None:
    """A decision that is not `act` does not become one because the clock was set back."""
    allowed = decide(asked, POLICY).verdict is DecisionVerdict.ACT
    earlier = decide(msgspec.structs.replace(asked, now=NOW - back), POLICY).verdict is DecisionVerdict.ACT
    assert allowed or not earlier


@settings(deadline=None, max_examples=200)
@given(FACTS, st.booleans())
def test_strikes_know_nothing_of_episodes(asked: Facts, resolved: bool) -> None:  # noqa: FBT001
    """`resolved` and a new start of the alert leave the count of strikes as it is."""
    again = msgspec.structs.replace(asked, resolved=resolved, last_attempt=None, last_verdict=None, before=None)
    assert strike_count(again, POLICY) == strike_count(asked, POLICY)
