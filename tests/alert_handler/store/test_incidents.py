import pytest

from alert_handler.errors import StoreUnavailable
from alert_handler.model import Case, Message, Note, Severity, Triage
from alert_handler.store.attempts import Attempts
from alert_handler.store.incidents import Incidents, Transition
from alert_handler.store.outbox import Outbox
from alert_handler.store.sqlite import Database
from tests.alert_handler.doubles import NOW, attempt, decision, fill_up, make_room, stored_incident, verdict
from tests.alert_handler.store.test_attempts import PLAN

TOLD = Message(key="k", kind="action", severity=Severity.HIGH, title="t", text="t", at=NOW)


@pytest.fixture
def incidents(database: Database) -> Incidents:
    """The incidents, with one channel."""
    return Incidents(database, ("log",))


@pytest.fixture
def claimed(database: Database, incidents: Incidents) -> Case:
    """A fresh incident, claimed."""
    stored_incident(database)
    case = incidents.claim("worker", NOW)
    assert case is not None
    return case


def change(database: Database, assignment: str) -> None:
    """What intake writes while a stage runs."""
    with database.write():
        database._connection().execute(f"UPDATE incidents SET {assignment}")  # noqa: S608 -- of the test itself


def loaded(incidents: Incidents, number: int = 1) -> Case:
    """The incident as it is stored."""
    case = incidents.get(number)
    assert case is not None
    return case


def test_claim_gives_each_incident_to_one_worker(claimed: Case, incidents: Incidents) -> None:
    """What is claimed is nobody else's until it is saved or released."""
    assert claimed.stage == "triage"
    assert incidents.claim("worker", NOW + 1e6) is None
    assert incidents.next_due() is None


def test_claim_takes_what_is_due_longest_and_nothing_early(database: Database, incidents: Incidents) -> None:
    """Order is by due time; what is due later waits."""
    late, early = stored_incident(database, {"a": "1"}, NOW + 5), stored_incident(database, {"a": "2"}, NOW)
    assert [case and case.incident.id for case in (incidents.claim("w", NOW), incidents.claim("w", NOW))] == [
        early,
        None,
    ]
    assert incidents.next_due() == NOW + 5
    taken = incidents.claim("w", NOW + 5)
    assert taken is not None
    assert taken.incident.id == late


def test_save_writes_everything_or_nothing(database: Database, claimed: Case, incidents: Incidents) -> None:
    """Case, attempt, timeline and messages are one commit: a full disk in the middle leaves the stage before."""
    after = claimed.evolve(stage="act", note=Note(outcome="o", text="x" * 100_000), messages=(TOLD,))
    fill_up(database)
    with pytest.raises(StoreUnavailable):
        incidents.save(after, "decide", NOW, keep_claim=False)
    make_room(database)
    assert (loaded(incidents).stage, incidents.timeline(1)) == ("triage", ())
    assert Outbox(database, ("log",)).head("log") is None


def test_save_brings_back_what_was_found(database: Database, claimed: Case, incidents: Incidents) -> None:
    """Findings, attempt, message and transition come back as they were."""
    ran = Attempts(database).claim(1, 1, "disk", PLAN, NOW).evolve(state="succeeded")
    triage = Triage(severity=Severity.HIGH, category="code", service="shop")
    found = {"triage": triage, "decision": decision(), "attempt": ran, "verdict": verdict()}
    after = claimed.evolve(stage="notify", note=Note(outcome="fixed", text="t"), messages=(TOLD,), **found)
    incidents.save(after, "verify", NOW + 2, keep_claim=True)
    stored = loaded(incidents)
    assert {name: getattr(stored, name) for name in found} == found
    assert incidents.timeline(1) == (Transition(NOW + 2, "verify", "fixed", "t"),)
    assert incidents.claim("other", NOW + 1e6) is None


@pytest.mark.parametrize("state", ["open", "closed"])
def test_save_new_episode_during_the_last_stage_is_not_lost(
    database: Database, claimed: Case, incidents: Incidents, state: str
) -> None:
    """The alert fired anew while the last stage ran: the incident stays open and begins again."""
    change(database, f"starts_at = {NOW + 60}")
    resting = claimed.evolve(stage=None, incident=claimed.incident.evolve(state=state, closed_at=NOW))
    incidents.save(resting, "learn", NOW, keep_claim=False)
    stored = loaded(incidents)
    assert (stored.stage, stored.incident.state, stored.incident.closed_at) == ("triage", "open", None)
    assert incidents.claim("worker", NOW) is not None


def test_save_resolved_during_the_last_stage_goes_on_to_learn(
    database: Database, claimed: Case, incidents: Incidents
) -> None:
    """An incident that would come to rest firing, and is not any more, is closed."""
    change(database, "status = 'resolved'")
    incidents.save(claimed.evolve(stage=None), "learn", NOW, keep_claim=False)
    assert loaded(incidents).stage == "learn"


def test_save_status_changed_during_decide_does_not_wait(
    database: Database, claimed: Case, incidents: Incidents
) -> None:
    """A hold of an hour is not slept through when the alert was resolved while the policy was asked."""
    change(database, "status = 'resolved', stage = 'decide'")
    incidents.save(claimed.evolve(stage="decide", due_at=NOW + 3600), "decide", NOW + 1, keep_claim=False)
    assert loaded(incidents).due_at == NOW + 1


def test_save_hold_without_news_waits(claimed: Case, incidents: Incidents) -> None:
    """Without a change of status the policy's time holds."""
    incidents.save(claimed.evolve(stage="decide", due_at=NOW + 3600), "decide", NOW + 1, keep_claim=False)
    assert loaded(incidents).due_at == NOW + 3600


def test_release_gives_back_unchanged_and_says_why(claimed: Case, incidents: Incidents) -> None:
    """The problem stands in the timeline at the time when it came up, not when it is tried again."""
    incidents.release(claimed, NOW + 1, NOW + 11, "it raised")
    assert incidents.timeline(1) == (Transition(NOW + 1, "triage", "error", "it raised"),)
    assert incidents.claim("worker", NOW + 10) is None
    assert incidents.claim("worker", NOW + 11) is not None


def test_release_all_takes_back_what_a_dead_process_held(claimed: Case, incidents: Incidents) -> None:
    """At the start no other worker can live."""
    assert incidents.release_all() == 1
    taken = incidents.claim("worker", NOW)
    assert taken is not None
    assert taken.incident.id == claimed.incident.id


def test_claim_findings_of_another_version_stop_nobody(database: Database, claimed: Case, incidents: Incidents) -> None:
    """After an upgrade a row that cannot be read any more is started afresh; it must not block workers and pages."""
    incidents.save(claimed.evolve(attempt=attempt(), stage="act"), "decide", NOW, keep_claim=False)
    change(database, """findings = '{"decision": {"verdict": "of 2031"}}'""")
    taken = incidents.claim("worker", NOW)
    assert taken is not None
    assert (taken.stage, taken.decision, len(incidents.list())) == ("act", None, 1)


def test_list_pages_backwards_and_narrows(database: Database, incidents: Incidents) -> None:
    """Newest first, by state, from an id on."""
    for number in range(3):
        stored_incident(database, {"n": str(number)})
    assert [case.incident.id for case in incidents.list(before=3, limit=1)] == [2]
    assert (len(incidents.list(state="open")), incidents.list(state="closed")) == (3, [])
    assert incidents.open_by_severity() == {"": 3}


def test_get_unknown_incident_is_none(incidents: Incidents) -> None:
    """No row, no case."""
    assert incidents.get(99) is None
