import pytest

from alert_handler.decide import DecideStage, Rulebook, plan_for
from alert_handler.errors import PrometheusUnavailable
from alert_handler.metrics import Metrics
from alert_handler.model import Case, DecisionVerdict, Mode, Plan, Reason, Risk
from alert_handler.policy import Policy
from alert_handler.store.attempts import Attempts
from alert_handler.store.incidents import Incidents
from alert_handler.store.sqlite import Database
from alert_handler.switches import Switches
from alert_handler.verify import Conditions
from tests.alert_handler.doubles import (
    LABELS,
    NOW,
    FakeClock,
    LedgerRemediation,
    ScriptedPrometheus,
    attempt,
    case,
    decision,
    incident,
    playbook,
    stored_incident,
    verdict,
)

PLAYBOOK = playbook()


@pytest.fixture
def stage(
    attempts: Attempts, ledger: LedgerRemediation, prometheus: ScriptedPrometheus, metrics: Metrics, clock: FakeClock
) -> DecideStage:
    """The stage in mode act with one playbook."""
    switches = Switches(None, ledger.file.parent / "kill", {})
    rulebook = Rulebook(Mode.ACT, Policy(), (PLAYBOOK,), {"ledger": ledger}, switches)
    return DecideStage(rulebook, attempts, Conditions(prometheus), metrics, clock)  # type: ignore[arg-type]


def write_attempts(database: Database, count: int, **changes: object) -> None:
    """Attempts of another incident in the store."""
    number = stored_incident(database, {**LABELS, "instance": "other"})
    incidents, attempts = Incidents(database), Attempts(database)
    for index in range(1, count + 1):
        plan = Plan(remediation="ledger", target="shop", summary="")
        claimed = attempts.start(attempts.claim(number, index, "disk", plan, NOW - 2000), NOW - 2000)
        ended = claimed.evolve(state="succeeded", finished_at=NOW - 1990, **changes)
        incidents.save(Case(incident=incident(id=number), attempt=ended), "act", NOW, keep_claim=False)


def test_allowed_case_goes_on_to_act_with_its_plan(stage: DecideStage, prometheus: ScriptedPrometheus) -> None:
    """The plan, the playbook and a note for the timeline; the condition was asked just now."""
    decided = stage(case(stage="act"))
    assert decided.decision is not None
    assert (decided.decision.verdict, decided.decision.playbook, decided.stage) == ("act", "disk", "act")
    assert decided.decision.plan is not None
    assert decided.decision.plan.target == "shop"
    assert prometheus.asked == ['used{service="shop"}']


def test_decision_names_the_latest_attempt_that_it_knew(stage: DecideStage, database: Database) -> None:
    """What is claimed after this is what the stage act notices; also when the latest is older than the window."""
    write_attempts(database, 2)
    decided = stage(case())
    assert decided.decision is not None
    assert decided.decision.newest_attempt == 2


def test_verified_failures_of_another_incident_escalate(
    stage: DecideStage, database: Database, metrics: Metrics
) -> None:
    """Three failures on the same target by an earlier incident call a person, and are counted."""
    write_attempts(database, 3, verdict="not_fixed")
    decided = stage(case(verdict=verdict("not_fixed")))
    assert decided.decision is not None
    assert (decided.decision.reason, decided.stage, decided.verdict) == (Reason.STRIKES, "notify", None)
    value = metrics.registry.get_sample_value
    assert value("nightshift_escalations_total", {"reason": "strikes"}) == 1


def test_prometheus_that_does_not_answer_holds(stage: DecideStage, prometheus: ScriptedPrometheus) -> None:
    """Nothing is done about a fault that cannot be seen."""
    prometheus.answer = PrometheusUnavailable("no answer")
    decided = stage(case())
    assert decided.decision is not None
    assert (decided.decision.reason, decided.stage) == (Reason.CANNOT_CHECK, "decide")
    assert decided.due_at > NOW


def test_hold_that_goes_on_is_noted_and_counted_once(
    stage: DecideStage, prometheus: ScriptedPrometheus, metrics: Metrics, clock: FakeClock
) -> None:
    """Hours of waiting are one line in the timeline."""
    prometheus.answer = ()
    first = stage(case())
    clock.advance(5)
    second = stage(first.evolve(note=None))
    clock.advance(5)
    third = stage(second)
    assert first.note is not None
    assert (second.note, third.note) == (None, None)
    count = metrics.registry.get_sample_value(
        "nightshift_decisions_total", {"verdict": "hold", "reason": "cannot_check"}
    )
    assert count == 1


def test_hold_of_a_quarter_of_an_hour_is_told_once_and_goes_on(
    stage: DecideStage, clock: FakeClock, ledger: LedgerRemediation
) -> None:
    """A forgotten kill switch does not hide an alert from people for the night."""
    (ledger.file.parent / "kill").touch()
    held, ways = case(), []
    for _ in range(90):
        held = stage(held)
        ways.append(held.stage)
        clock.advance(15)
    assert ways.count("notify") == 1
    assert ways[60] == "notify"


def test_alert_without_playbook_is_left_to_people(stage: DecideStage, prometheus: ScriptedPrometheus) -> None:
    """Nothing is planned and nothing is asked."""
    decided = stage(case(incident=incident({"alertname": "Other"})))
    assert decided.decision is not None
    assert (decided.decision.reason, prometheus.asked) == (Reason.NO_PLAYBOOK, [])
    assert decided.decision.at == NOW


@pytest.mark.parametrize("own", [Mode.RECOMMEND, Mode.OBSERVE])
def test_playbook_mode_only_lowers_the_mode(
    attempts: Attempts, ledger: LedgerRemediation, prometheus: ScriptedPrometheus, own: Mode
) -> None:
    """The more careful of the two modes counts, whichever side it stands on."""
    for mode, entry in ((Mode.ACT, playbook(mode=own)), (own, PLAYBOOK)):
        rulebook = Rulebook(mode, Policy(), (entry,), {"ledger": ledger}, Switches(None, None, {}))
        stage = DecideStage(rulebook, attempts, Conditions(prometheus), Metrics(), FakeClock())  # type: ignore[arg-type]
        decided = stage(case()).decision
        assert decided is not None
        assert decided.verdict is not DecisionVerdict.ACT


def test_resolved_alert_is_not_acted_on(stage: DecideStage) -> None:
    """The alert ended before anything was done."""
    decided = stage(case(incident=incident(status="resolved")))
    assert decided.decision is not None
    assert (decided.decision.reason, decided.stage) == (Reason.RESOLVED, "notify")


def test_recovered_fault_is_watched_and_acted_on_when_it_returns(
    stage: DecideStage, prometheus: ScriptedPrometheus, clock: FakeClock
) -> None:
    """A healthy look while the alert fires on does not put the incident to rest."""
    prometheus.answer = (0.1,)
    watched = stage(case())
    assert watched.decision is not None
    assert (watched.decision.reason, watched.stage) == (Reason.RECOVERED, "decide")
    prometheus.answer = (0.95,)
    clock.now = watched.due_at
    back = stage(watched.evolve(stage="act"))
    assert back.decision is not None
    assert back.decision.verdict is DecisionVerdict.ACT


@pytest.mark.parametrize(
    ("params", "labels", "problem"),
    [
        ({"target": "{service}"}, {}, "the alert has no label 'service'"),
        ({"target": "{service}"}, {"service": "$(reboot)"}, "is not plain text"),
        ({"target": 5}, LABELS, "Expected `str`, got `int`"),
        ({"target": "mail"}, LABELS, "undeclared"),
    ],
)
def test_plan_that_cannot_be_made_says_why(
    ledger: LedgerRemediation, params: dict[str, object], labels: dict[str, str], problem: str
) -> None:
    """A missing or hostile label, a wrong type, a refusal: no plan, and the playbook's name with the reason."""
    ledger.refusal = "undeclared" if params == {"target": "mail"} else ""
    plan, text = plan_for(playbook(params=params), ledger, labels)
    assert plan is None
    assert text.startswith("playbook disk: ")
    assert problem in text


def test_unplannable_case_escalates_with_the_reason(stage: DecideStage, ledger: LedgerRemediation) -> None:
    """A remediation that refuses calls a person."""
    ledger.refusal = "nothing to clean"
    decided = stage(case())
    assert decided.decision is not None
    assert (decided.decision.reason, decided.stage) == (Reason.UNPLANNABLE, "notify")
    assert "nothing to clean" in decided.decision.text


def test_risk_of_the_plan_counts(
    stage: DecideStage, ledger: LedgerRemediation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan can be riskier than its kind."""
    risky = Plan(remediation="ledger", target="shop", summary="delete all", risk=Risk.MAJOR)
    monkeypatch.setattr(ledger, "plan", lambda _: risky)
    decided = stage(case())
    assert decided.decision is not None
    assert decided.decision.reason is Reason.NEEDS_TRUST


def test_earlier_decision_that_was_no_hold_is_noted_again(stage: DecideStage) -> None:
    """Asked twice and allowed twice, the timeline shows both."""
    assert stage(case(decision=decision())).note is not None


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"attempt": attempt(state="unknown")}, Reason.OUTCOME_UNKNOWN),
        ({"attempt": attempt(), "verdict": verdict("inconclusive")}, Reason.INCONCLUSIVE),
        ({"attempt": attempt(), "verdict": verdict("not_fixed")}, Reason.ALLOWED),
    ],
)
def test_own_attempt_and_its_verdict_are_facts(stage: DecideStage, known: dict[str, object], expected: Reason) -> None:
    """What this very incident went through is known to the policy."""
    decided = stage(case(**known))
    assert decided.decision is not None
    assert decided.decision.reason is expected
