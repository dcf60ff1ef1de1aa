from alert_handler.diagnoser import Sources
from alert_handler.diagnosers.history import MOST, WINDOW_SECONDS, History
from alert_handler.model import Case, Incident, Plan
from alert_handler.store.attempts import Attempts
from alert_handler.store.incidents import Incidents
from alert_handler.store.sqlite import Database
from tests.alert_handler.doubles import LABELS, NOW, incident, stored_incident


def write(database: Database, row: tuple[int, int], target: str, at: float, verdict: str = "") -> None:
    """One ended attempt in the store; *row* is its incident and number."""
    plan = Plan(remediation="ledger", target=target, summary="")
    ended = Attempts(database).claim(*row, "disk", plan, at).evolve(state="succeeded", verdict=verdict)
    Incidents(database).save(Case(incident=incident(id=row[0]), attempt=ended), "act", at, keep_claim=False)


def told(database: Database, about: Incident) -> list[str]:
    """What history says."""
    diagnoser = History(Sources(None, Attempts(database)))  # type: ignore[arg-type]
    return [evidence.text for evidence in diagnoser.look(about, NOW)]


def test_past_attempts_on_the_service_are_told_newest_first(database: Database) -> None:
    """Of this incident and of others whose target names the service."""
    mine = stored_incident(database)
    other = stored_incident(database, {**LABELS, "x": "y"})
    write(database, (mine, 1), "mail", NOW - 600, "not_fixed")
    write(database, (other, 1), "unit:shop", NOW - 60)
    write(database, (other, 2), "workshop", NOW - 30)
    assert told(database, incident(id=mine)) == [
        "1 min ago: ledger on unit:shop: succeeded",
        "10 min ago: ledger on mail: not fixed",
    ]


def test_no_more_than_five_of_the_last_week_are_told(database: Database) -> None:
    """Old ones and many ones explain nothing."""
    mine = stored_incident(database)
    for number in range(1, 10):
        write(database, (mine, number), "shop", NOW - number * WINDOW_SECONDS / 8)
    assert len(told(database, incident(id=mine))) == MOST


def test_incident_without_service_has_only_its_own_past(database: Database) -> None:
    """An empty service matches no target."""
    mine = stored_incident(database, {"alertname": "A"})
    other = stored_incident(database)
    write(database, (other, 1), "", NOW - 60)
    assert told(database, incident({"alertname": "A"}, id=mine)) == []
