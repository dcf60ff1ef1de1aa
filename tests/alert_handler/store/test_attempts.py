import threading

import pytest

from alert_handler.model import Attempt, Outcome, Plan
from alert_handler.store.attempts import Attempts, Claimed, write_attempt
from alert_handler.store.sqlite import Database
from tests.alert_handler.doubles import NOW, stored_incident

PLAN = Plan(remediation="ledger", target="shop", summary="write").sealed()


@pytest.fixture
def incident(database: Database) -> int:
    """An incident in the store."""
    return stored_incident(database)


def finish(database: Database, attempt: Attempt, **changes: object) -> None:
    """Write how *attempt* ended."""
    with database.write() as tx:
        write_attempt(tx, attempt.evolve(**changes))


def test_claim_same_attempt_twice_is_refused(attempts: Attempts, incident: int, database: Database) -> None:
    """R3: whoever comes second does not start, even after the first one ended."""
    claimed = attempts.claim(incident, 1, "disk", PLAN, NOW)
    finish(database, claimed, state="failed")
    with pytest.raises(Claimed, match=f"attempt 1 of incident {incident}"):
        attempts.claim(incident, 1, "disk", PLAN.evolve(target="other"), NOW)


def test_claim_busy_target_is_refused_until_it_is_free(attempts: Attempts, incident: int, database: Database) -> None:
    """One at a time per target, whichever incident asks."""
    claimed = attempts.claim(incident, 1, "disk", PLAN, NOW)
    attempts.start(claimed, NOW)
    other = stored_incident(database, {"alertname": "Other"})
    with pytest.raises(Claimed):
        attempts.claim(other, 1, "disk", PLAN, NOW)
    finish(database, claimed, state="unknown")
    assert attempts.claim(other, 1, "disk", PLAN, NOW).number == 1


def test_claim_of_many_threads_has_one_winner(attempts: Attempts, incident: int) -> None:
    """However many workers race, one gets it."""
    won: list[int] = []
    lost: list[Claimed] = []

    def race() -> None:
        try:
            won.append(attempts.claim(incident, 1, "disk", PLAN, NOW).id)
        except Claimed as error:
            lost.append(error)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)


def test_start_is_durable_before_the_effect(attempts: Attempts, incident: int) -> None:
    """After start a successor finds the attempt started."""
    attempts.start(attempts.claim(incident, 1, "disk", PLAN, NOW), NOW + 1)
    found = attempts.get(incident, 1)
    assert found is not None
    assert (found.state, found.started_at, found.digest) == ("started", NOW + 1, PLAN.digest)


def test_get_unknown_attempt_is_none(attempts: Attempts) -> None:
    """No row, no attempt."""
    assert attempts.get(1, 1) is None


def test_write_attempt_keeps_outcome_and_verdict(attempts: Attempts, incident: int, database: Database) -> None:
    """What is written comes back as it was."""
    outcome = Outcome(status="succeeded", summary="wrote", figures={"bytes": 1.5})
    claimed = attempts.claim(incident, 1, "disk", PLAN, NOW)
    finish(database, claimed, state="succeeded", outcome=outcome, verdict="fixed", verified_at=NOW + 9)
    [found] = attempts.of(incident)
    assert (found.outcome, found.verdict, found.verified_at) == (outcome, "fixed", NOW + 9)


def test_since_list_and_success_count_over_all_incidents(attempts: Attempts, database: Database) -> None:
    """Strikes and budgets are counted over every incident; success only over what was verified."""
    for number, verdict in enumerate(["fixed", "not_fixed", "inconclusive", ""]):
        incident = stored_incident(database, {"alertname": "DiskFull", "n": str(number)})
        claimed = attempts.claim(incident, 1, "disk", PLAN, NOW + number)
        finish(database, claimed, state="succeeded", verdict=verdict)
    assert [a.claimed_at - NOW for a in attempts.since(NOW + 1)] == [2.0, 3.0]
    assert [a.id for a in attempts.list(before=3)] == [2, 1]
    assert attempts.success("ledger", "DiskFull") == (1, 2)
    assert attempts.success("ledger", "Other") == (0, 0)
