import threading

import pytest

from alert_handler.act import FRESH_SECONDS, ORPHAN_LOOK_SECONDS, ActStage, Executor
from alert_handler.metrics import Metrics
from alert_handler.model import Case, DecisionVerdict, Outcome, Plan, Verdict
from alert_handler.notify import NotifyStage
from alert_handler.process import locked
from alert_handler.store.attempts import Attempts
from alert_handler.store.incidents import Incidents
from alert_handler.store.sqlite import Database
from alert_handler.switches import Switches
from tests.alert_handler.doubles import (
    LABELS,
    NOW,
    FakeClock,
    LedgerRemediation,
    decision,
    incident,
    playbook,
    stored_incident,
    verdict,
)


class Killed(BaseException):
    """The process is gone here: nothing after this line is run."""


def make_stage(
    database: Database, ledger: LedgerRemediation, clock: FakeClock, metrics: Metrics | None = None
) -> ActStage:
    """The stage over a real store, as the handler builds it; a second one is a restarted handler."""
    folder = database.path.parent
    switches = Switches(folder / "switches", folder / "kill", {})
    executor = Executor({"ledger": ledger}, {"disk": playbook()}, folder, switches)
    return ActStage(Attempts(database), executor, NotifyStage("http://nightshift", clock), metrics or Metrics(), clock)


@pytest.fixture
def stage(database: Database, ledger: LedgerRemediation, clock: FakeClock, metrics: Metrics) -> ActStage:
    """The stage over a real store."""
    return make_stage(database, ledger, clock, metrics)


@pytest.fixture
def decided(database: Database) -> Case:
    """A stored case that the policy allows to act."""
    number = stored_incident(database)
    return Case(incident=incident(id=number), stage="verify", decision=decision())


def save(database: Database, case: Case) -> Case:
    """Commit the case as the worker does; the case as it is read again."""
    incidents = Incidents(database)
    incidents.save(case, "act", NOW, keep_claim=False)
    stored = incidents.get(case.incident.id)
    assert stored is not None
    return stored


def claim_other(database: Database, target: str = "shop", started: bool = False) -> int:  # noqa: FBT001, FBT002
    """Another incident's attempt on *target*; its id."""
    other = stored_incident(database, {**LABELS, "instance": "other"})
    attempts = Attempts(database)
    claimed = attempts.claim(other, 1, "disk", Plan(remediation="ledger", target=target, summary=""), NOW)
    return (attempts.start(claimed, NOW) if started else claimed).id


def test_allowed_action_runs_once_and_is_told(stage: ActStage, decided: Case, ledger: LedgerRemediation) -> None:
    """One line in the ledger, the outcome in the case, one message, on to verify."""
    acted = stage(decided)
    assert ledger.lines == ["shop attempt-1.lock"]
    assert acted.attempt is not None
    assert (acted.attempt.state, acted.attempt.number, acted.stage) == ("succeeded", 1, "verify")
    assert (acted.attempt.started_at, acted.attempt.finished_at) == (NOW, NOW)
    assert [message.kind for message in acted.messages] == ["action"]


def test_rows_are_durable_before_the_effect(
    stage: ActStage, decided: Case, ledger: LedgerRemediation, attempts: Attempts
) -> None:
    """When the remediation begins, its attempt is in the store as started."""
    states: list[str] = []
    ledger.before = lambda: states.append(attempts.list()[0].state)
    stage(decided)
    assert states == ["started"]


@pytest.mark.parametrize("status", ["succeeded", "failed", "timed_out"])
def test_every_outcome_is_verified(stage: ActStage, decided: Case, ledger: LedgerRemediation, status: str) -> None:
    """Also a failed run may have changed something: Prometheus says what."""
    ledger.outcome = Outcome(status=status, summary="ended")  # type: ignore[arg-type]
    acted = stage(decided)
    assert acted.stage == "verify"
    assert acted.note is not None
    assert acted.note.outcome == status


@pytest.mark.parametrize("where", ["before", "after"])
def test_death_in_the_middle_of_an_action_never_runs_it_twice(
    database: Database, stage: ActStage, decided: Case, ledger: LedgerRemediation, where: str
) -> None:
    """Killed just before or after the effect: the successor runs nothing, calls it unknown and lets it be verified."""

    def die() -> None:
        raise Killed

    setattr(ledger, where, die)
    with pytest.raises(Killed):
        stage(decided)
    done = ledger.lines
    ledger.before = ledger.after = lambda: None
    resumed = make_stage(database, ledger, FakeClock())(decided)
    assert ledger.lines == done
    assert resumed.attempt is not None
    assert (resumed.attempt.state, resumed.stage) == ("unknown", "verify")


def test_death_between_claim_and_start_asks_the_policy_again(
    database: Database, decided: Case, ledger: LedgerRemediation, clock: FakeClock, attempts: Attempts
) -> None:
    """Nothing was done: the attempt is closed as failed, and the next one has its own number."""
    attempts.claim(decided.incident.id, 1, "disk", decision().plan, NOW)  # type: ignore[arg-type]
    resumed = make_stage(database, ledger, clock)(decided)
    assert (resumed.stage, resumed.messages, ledger.lines) == ("decide", (), [])
    stored = save(database, resumed)
    again = make_stage(database, ledger, clock)(stored.evolve(decision=decision(newest_attempt=1)))
    assert again.attempt is not None
    assert (again.attempt.number, ledger.lines) == (2, ["shop attempt-2.lock"])


def test_death_between_result_and_commit_never_runs_it_twice(
    database: Database, stage: ActStage, decided: Case, ledger: LedgerRemediation, clock: FakeClock
) -> None:
    """The result is lost with the process: the successor finds `started`, and runs nothing."""
    stage(decided)
    resumed = make_stage(database, ledger, clock)(decided)
    assert len(ledger.lines) == 1
    assert resumed.attempt is not None
    assert resumed.attempt.state == "unknown"


def test_committed_result_makes_room_for_the_next_number(
    database: Database, stage: ActStage, decided: Case, ledger: LedgerRemediation
) -> None:
    """A second attempt that the policy allows is another row."""
    stored = save(database, stage(decided))
    stage(stored.evolve(decision=decision(newest_attempt=1)))
    assert len(ledger.lines) == 2


@pytest.mark.parametrize("age", [FRESH_SECONDS + 0.1, -0.1, 3600.0])
def test_stale_decision_is_made_again(
    stage: ActStage, decided: Case, ledger: LedgerRemediation, clock: FakeClock, age: float
) -> None:
    """A decision older than two seconds, or of the future, is no permission."""
    clock.advance(age)
    after = stage(decided)
    assert (after.stage, ledger.lines) == ("decide", [])
    assert after.note is not None
    assert (after.note.outcome, "s old" in after.note.text) == ("stale", True)


def test_kill_switch_stops_what_was_allowed_already(
    database: Database, stage: ActStage, decided: Case, ledger: LedgerRemediation
) -> None:
    """The last look before an action is at the kill switch."""
    (database.path.parent / "kill").touch()
    after = stage(decided)
    assert (after.stage, ledger.lines, after.attempt) == ("decide", [], None)


@pytest.mark.parametrize("switch", ["AUTO_REMEDIATION_ENABLED", "AUTONOMOUS_MONITORING_ENABLED"])
def test_switch_thrown_after_the_decision_counts(
    database: Database, stage: ActStage, decided: Case, ledger: LedgerRemediation, switch: str
) -> None:
    """Every switch that stops acting is looked at once more, not the kill switch alone."""
    (database.path.parent / "switches").write_text(f"{switch}=false\n")
    after = stage(decided)
    assert (after.stage, ledger.lines, after.attempt) == ("decide", [], None)


def test_playbook_that_is_gone_after_a_reload_sends_back(stage: ActStage, decided: Case, attempts: Attempts) -> None:
    """A decision of the former configuration claims nothing under the new one."""
    after = stage(decided.evolve(decision=decision(playbook="former")))
    assert (after.stage, attempts.list()) == ("decide", [])


@pytest.mark.parametrize("verdict_given", [v for v in DecisionVerdict if v is not DecisionVerdict.ACT])
def test_decision_that_is_no_permission_runs_nothing(
    stage: ActStage, decided: Case, ledger: LedgerRemediation, verdict_given: DecisionVerdict
) -> None:
    """Only `act` acts, whatever plan stands in the decision."""
    after = stage(decided.evolve(decision=decision(verdict_given)))
    assert (after.stage, ledger.lines) == ("notify", [])


def test_case_without_decision_runs_nothing(stage: ActStage, decided: Case, ledger: LedgerRemediation) -> None:
    """No decision, no action."""
    after = stage(decided.evolve(decision=None))
    assert (after.stage, ledger.lines) == ("notify", [])
    assert after.note is not None


def test_target_that_another_incident_holds_is_waited_for(
    database: Database, stage: ActStage, decided: Case, ledger: LedgerRemediation
) -> None:
    """The unique row on the target refuses; asking again takes a pause, so that nothing spins."""
    other = claim_other(database, started=True)
    after = stage(decided.evolve(decision=decision(newest_attempt=other)))
    assert (after.stage, ledger.lines) == ("decide", [])
    assert after.due_at > NOW


def test_action_of_another_incident_since_the_decision_asks_again(
    database: Database, stage: ActStage, decided: Case, ledger: LedgerRemediation
) -> None:
    """Cooldown, strikes and rates were counted without that attempt, on whatever target."""
    claim_other(database, target="mail")
    after = stage(decided)
    assert (after.stage, ledger.lines) == ("decide", [])
    assert after.note is not None
    assert "another action began" in after.note.text


def test_two_workers_with_the_same_facts_act_once(
    database: Database, ledger: LedgerRemediation, clock: FakeClock, decided: Case
) -> None:
    """Two incidents of one target, decided at the same moment: one acts, even when the other's run is over by then."""
    other = Case(incident=incident(id=stored_incident(database, {**LABELS, "x": "y"})), decision=decision())
    stage, both = make_stage(database, ledger, clock), threading.Barrier(2)
    done: list[Case] = []

    def work(case: Case) -> None:
        both.wait(10)
        done.append(save(database, stage(case)))

    threads = [threading.Thread(target=work, args=(case,)) for case in (decided, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(ledger.lines) == 1
    assert sorted(case.attempt is None for case in done) == [False, True]


def test_orphan_that_still_runs_is_waited_for(
    database: Database, stage: ActStage, decided: Case, ledger: LedgerRemediation, attempts: Attempts
) -> None:
    """As long as a child of the dead handler holds the lock, nothing is decided about the target."""
    started = attempts.start(attempts.claim(decided.incident.id, 1, "disk", decision().plan, NOW), NOW)  # type: ignore[arg-type]
    with locked(database.path.parent / f"attempt-{started.id}.lock"):
        waiting = stage(decided)
    assert (waiting.stage, waiting.due_at, waiting.messages) == ("act", NOW + ORPHAN_LOOK_SECONDS, ())
    assert stage(decided).attempt is not None
    assert ledger.lines == []


def test_orphan_beyond_its_deadline_calls_a_person(
    database: Database, stage: ActStage, decided: Case, clock: FakeClock, attempts: Attempts
) -> None:
    """A run that nobody can end any more is told, always under the same key."""
    started = attempts.start(attempts.claim(decided.incident.id, 1, "disk", decision().plan, NOW), NOW)  # type: ignore[arg-type]
    with locked(database.path.parent / f"attempt-{started.id}.lock"):
        clock.advance(playbook().deadline_seconds)
        assert stage(decided).messages == ()
        clock.advance(1)
        told = [stage(decided).messages for _ in range(2)]
    assert [message.kind for message in told[0]] == ["escalation"]
    assert told[0][0].key == told[1][0].key


def test_lock_file_is_removed_at_the_end(database: Database, stage: ActStage, decided: Case) -> None:
    """Nothing is left beside the store."""
    (database.path.parent / "attempt-1.lock").touch()
    stage(decided)
    assert not list(database.path.parent.glob("attempt-*"))


def test_earlier_verdict_and_lesson_are_put_away(stage: ActStage, decided: Case) -> None:
    """The new attempt is verified and counted for itself."""
    judged: Verdict = verdict("not_fixed")
    acted = stage(decided.evolve(verdict=judged, lesson="it never helped"))
    assert (acted.verdict, acted.verification, acted.lesson) == (None, None, "")


def test_figures_that_json_cannot_say_are_left_out(
    database: Database, stage: ActStage, decided: Case, ledger: LedgerRemediation
) -> None:
    """NaN would be stored as null, and the case could never be read again."""
    ledger.outcome = Outcome(status="succeeded", summary="x", figures={"bytes": float("nan"), "files": 1.0})
    stored = save(database, stage(decided))
    assert stored.attempt is not None
    assert stored.attempt.outcome is not None
    assert stored.attempt.outcome.figures == {"files": 1.0}


def test_metrics_count_attempts_failures_and_reaction(
    stage: ActStage, decided: Case, ledger: LedgerRemediation, metrics: Metrics, clock: FakeClock
) -> None:
    """One started, one failed, and the seconds from the webhook to the start."""
    clock.advance(1.5)
    ledger.outcome = Outcome(status="failed", summary="no")
    stage(decided)
    value = metrics.registry.get_sample_value
    assert value("nightshift_remediation_attempts_total", {"remediation": "ledger"}) == 1
    assert value("nightshift_remediation_failures_total", {"remediation": "ledger"}) == 1
    assert (value("nightshift_reaction_seconds_count"), value("nightshift_reaction_seconds_sum")) == (1, 1.5)
    assert value("nightshift_remediation_running") == 0
    assert 0 <= (value("nightshift_remediation_duration_seconds_sum", {"remediation": "ledger"}) or 0) < 60


@pytest.mark.parametrize(("later", "count"), [(-1.0, 1), (50.0, 2)])
def test_reaction_is_observed_once_an_episode(database: Database, decided: Case, later: float, count: int) -> None:
    """A later attempt of the same episode is no reaction; the first one of the next episode is."""
    metrics, ledger = Metrics(), LedgerRemediation(database.path.parent / "ledger")
    stage = make_stage(database, ledger, FakeClock(), metrics)
    stored = save(database, stage(decided))
    episode = stored.incident.evolve(received_at=NOW + later)
    stage(stored.evolve(incident=episode, decision=decision(newest_attempt=1)))
    assert metrics.registry.get_sample_value("nightshift_reaction_seconds_count") == count


@pytest.mark.parametrize("ended", [("succeeded", 1), ("failed", 2)])
def test_action_and_its_failure_are_logged_in_the_agreed_words(
    stage: ActStage, decided: Case, ledger: LedgerRemediation, caplog: pytest.LogCaptureFixture, ended: tuple[str, int]
) -> None:
    """The product requirements name these lines; a failure has one of its own."""
    caplog.set_level("INFO")
    status, lines = ended
    ledger.outcome = Outcome(status=status, summary="so")  # type: ignore[arg-type]
    stage(decided)
    logged = [record.getMessage() for record in caplog.records if record.name == "alert_handler.act"]
    expected = [f"🔧 Executed ledger for DiskFull: {status}, so", "❌ Failed to ledger: so"][:lines]
    assert [line.partition(" incident=")[0] for line in logged] == expected
