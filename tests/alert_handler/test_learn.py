import pytest

from alert_handler.learn import LearnStage, goes_on, people_know
from alert_handler.metrics import Metrics
from alert_handler.model import Case, DecisionVerdict, Plan, Reason
from alert_handler.notify import NotifyStage
from alert_handler.store.attempts import Attempts
from alert_handler.store.incidents import Incidents
from alert_handler.store.sqlite import Database
from tests.alert_handler.doubles import NOW, FakeClock, attempt, case, decision, incident, stored_incident, verdict


@pytest.fixture
def stage(attempts: Attempts, metrics: Metrics, clock: FakeClock) -> LearnStage:
    """The stage over an empty store."""
    return LearnStage(attempts, NotifyStage("http://nightshift", clock), metrics, clock)


def judged(value: str, **changes: object) -> Case:
    """A case after act and verify."""
    return case(decision=decision(), attempt=attempt(verdict=value), verdict=verdict(value), **changes)


def outcomes(metrics: Metrics, value: str) -> float | None:
    """How many verified outcomes of this verdict were counted."""
    labels = {"remediation": "ledger", "playbook": "disk", "verdict": value}
    return metrics.registry.get_sample_value("nightshift_remediation_outcomes_total", labels)


def test_fixed_incident_rests_until_its_alert_resolves(stage: LearnStage) -> None:
    """A verdict does not close: the alert's sender does."""
    after = stage(judged("fixed"))
    assert (after.stage, after.incident.state) == (None, "open")


@pytest.mark.parametrize("value", ["not_fixed", "inconclusive"])
def test_incident_that_is_not_fixed_goes_back_to_the_policy(stage: LearnStage, value: str) -> None:
    """The policy decides whether there is another try."""
    assert stage(judged(value)).stage == "decide"


def test_outcome_is_counted_once(stage: LearnStage, metrics: Metrics) -> None:
    """The stage is passed again when the alert resolves: that counts nothing."""
    rested = stage(judged("fixed"))
    stage(rested.evolve(incident=incident(status="resolved")))
    assert outcomes(metrics, "fixed") == 1


def test_every_attempt_is_counted(stage: LearnStage, metrics: Metrics) -> None:
    """The second attempt's outcome counts too: the stage act puts the first one's lesson away."""
    first = stage(judged("not_fixed"))
    second = first.evolve(lesson="", attempt=attempt(number=2), verdict=verdict("fixed"))
    stage(second)
    assert (outcomes(metrics, "not_fixed"), outcomes(metrics, "fixed")) == (1, 1)


def test_held_case_goes_back_to_wait(stage: LearnStage) -> None:
    """A hold that was told goes on holding, without a line of its own in the timeline."""
    held = decision(DecisionVerdict.HOLD, Reason.COOLDOWN, retry_at=NOW + 60, since=NOW)
    after = stage(case(decision=held))
    assert (after.stage, after.due_at, after.note) == ("decide", NOW + 60, None)


def test_escalated_case_rests(stage: LearnStage) -> None:
    """A person was called: nothing is tried again in this episode."""
    after = stage(case(decision=decision(DecisionVerdict.ESCALATE, Reason.STRIKES), attempt=attempt()))
    assert after.stage is None


@pytest.mark.parametrize("value", ["fixed", "not_fixed", "inconclusive"])
def test_resolved_alert_closes_with_the_verdict_that_it_has(stage: LearnStage, metrics: Metrics, value: str) -> None:
    """Closing is no verdict: what was not fixed closes as not fixed, and its strike stays."""
    after = stage(judged(value, incident=incident(status="resolved", opened_at=NOW - 90)))
    assert (after.stage, after.incident.state, after.incident.closed_at) == (None, "closed", NOW)
    assert [message.text for message in after.messages] == [f"closed, {value.replace('_', ' ')}"]
    assert metrics.registry.get_sample_value("nightshift_incident_resolution_seconds_sum", {"verdict": value}) == 90


def test_verdict_that_an_escalation_put_away_still_closes_the_incident(stage: LearnStage, metrics: Metrics) -> None:
    """After three failures and a call for a person the incident did not end `without an action`."""
    escalated = decision(DecisionVerdict.ESCALATE, Reason.STRIKES)
    known = attempt(verdict="not_fixed", verified_at=NOW)
    closing = case(decision=escalated, attempt=known, incident=incident(status="resolved"))
    assert stage(closing).messages[0].text == "closed, not fixed"
    labels = {"verdict": "not_fixed"}
    assert metrics.registry.get_sample_value("nightshift_incident_resolution_seconds_count", labels) == 1


def test_clock_that_jumped_back_counts_zero_seconds(stage: LearnStage, metrics: Metrics) -> None:
    """A histogram never sees a negative time."""
    stage(case(incident=incident(status="resolved", opened_at=NOW + 999)))
    assert metrics.registry.get_sample_value("nightshift_incident_resolution_seconds_sum", {"verdict": "none"}) == 0


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (case(), False),
        (case(decision=decision(DecisionVerdict.OBSERVE, Reason.NO_PLAYBOOK)), False),
        (case(decision=decision(DecisionVerdict.REFUSE, Reason.RESOLVED)), False),
        (case(decision=decision(DecisionVerdict.RECOMMEND, Reason.NEEDS_TRUST)), True),
        (case(decision=decision(DecisionVerdict.ESCALATE, Reason.STRIKES)), True),
        (case(decision=decision()), True),
        (case(decision=decision(DecisionVerdict.REFUSE, Reason.RESOLVED), attempt=attempt()), True),
    ],
)
def test_end_is_told_to_those_who_heard_of_the_beginning(known: Case, expected: bool) -> None:  # noqa: FBT001
    """No message about the end of something that nobody was told of."""
    assert people_know(known) is expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (judged("fixed"), False),
        (judged("not_fixed"), True),
        (judged("not_fixed").evolve(decision=None), False),
        (judged("not_fixed").evolve(decision=decision(DecisionVerdict.RECOMMEND, Reason.NEEDS_TRUST)), False),
        (case(decision=decision()), False),
    ],
)
def test_policy_is_asked_again_only_after_an_action_that_did_not_fix(known: Case, expected: bool) -> None:  # noqa: FBT001
    """A recommendation or a rest is not turned into another round."""
    assert goes_on(known) is expected


def test_lesson_tells_how_often_the_remediation_helped(database: Database, stage: LearnStage) -> None:
    """Verified outcomes of this alert, over all its incidents."""
    number = stored_incident(database)
    plan = Plan(remediation="ledger", target="shop", summary="")
    for index, value in enumerate(("fixed", "not_fixed", "inconclusive"), 1):
        claimed = Attempts(database).claim(number, index, "disk", plan, NOW)
        ended = claimed.evolve(state="succeeded", verdict=value)
        Incidents(database).save(Case(incident=incident(id=number), attempt=ended), "act", NOW, keep_claim=False)
    assert stage(judged("fixed")).lesson == "ledger fixed DiskFull 1 of 2 times"


def test_lesson_without_any_verified_outcome_says_so(stage: LearnStage) -> None:
    """Nothing known is said as such."""
    assert stage(judged("inconclusive")).lesson == "ledger for DiskFull: no verified outcome yet"
