"""Incidents in the store: what intake tells about them, and how far the worker is with them."""

import logging

import msgspec

from alert_handler.model import Case, Findings, Incident, Labels
from alert_handler.store.attempts import write_attempt
from alert_handler.store.outbox import add_messages
from alert_handler.store.sqlite import Database, Row, Transaction
from chassis.logs import event

log = logging.getLogger(__name__)

_LABELS = msgspec.json.Decoder(Labels)
_FINDINGS = msgspec.json.Decoder(Findings)
_PLAIN_COLUMNS = tuple(name for name in Incident.__struct_fields__ if name not in ("labels", "annotations"))


class Transition(msgspec.Struct, frozen=True):
    """One row of the timeline."""

    at: float
    stage: str
    outcome: str
    text: str


class Incidents:
    """Claims, saves and lists incidents; *channels* are those that every message goes to."""

    def __init__(self, database: Database, channels: tuple[str, ...] = ()) -> None:
        self._database = database
        self._channels = channels

    def claim(self, owner: str, now: float) -> Case | None:
        """The incident that is due longest, now *owner*'s alone, or None."""
        with self._database.write() as tx:
            row = tx.one("incident_claim", {"owner": owner, "now": now})
            return case_of(row) if row else None

    def next_due(self) -> float | None:
        """When the next incident is due; None when none waits."""
        with self._database.read() as tx:
            row = tx.one("incident_next_due")
            return row["due_at"] if row else None

    def save(self, case: Case, stage: str, at: float, *, keep_claim: bool) -> None:
        """Commit what *stage* did: the case, its attempt, its line in the timeline and its messages, or nothing."""
        with self._database.write() as tx:
            write_case(tx, case, at, keep_claim=keep_claim)
            if case.attempt:
                write_attempt(tx, case.attempt)
            if case.note:
                add_transition(tx, case.incident.id, Transition(at, stage, case.note.outcome, case.note.text))
            add_messages(tx, case.messages, self._channels)

    def release(self, case: Case, at: float, due_at: float, problem: str) -> None:
        """Give a case back unchanged, to be tried again at *due_at*, and say why in the timeline."""
        with self._database.write() as tx:
            tx.run("incident_release", {"id": case.incident.id, "due_at": due_at})
            add_transition(tx, case.incident.id, Transition(at, case.stage or "", "error", problem))

    def release_all(self) -> int:
        """Take back every claim: to be called once at the start, when no worker of this store can live."""
        with self._database.write() as tx:
            return tx.run("incident_release_all")

    def wake_all(self, now: float) -> None:
        """Let every incident that waits be looked at now: each stage knows itself whether it is too early."""
        with self._database.write() as tx:
            tx.run("incident_wake_all", {"now": now})

    def get(self, incident: int) -> Case | None:
        """The case of one incident, or None."""
        with self._database.read() as tx:
            row = tx.one("incident_get", {"id": incident})
            return case_of(row) if row else None

    def list(self, *, state: str = "", before: int = 2**62, limit: int = 100) -> list[Case]:
        """Incidents, newest first; *state* "open" or "closed" narrows, *before* (an id) pages on."""
        with self._database.read() as tx:
            rows = tx.all("incidents_list", {"state": state, "before": before, "limit": limit})
            return [case_of(row) for row in rows]

    def timeline(self, incident: int) -> tuple[Transition, ...]:
        """All transitions of an incident, oldest first."""
        with self._database.read() as tx:
            return tuple(Transition(**row) for row in tx.all("transitions_of", {"incident_id": incident}))

    def open_by_severity(self) -> dict[str, int]:
        """How many incidents are open, by severity ("" before triage)."""
        with self._database.read() as tx:
            return {row["severity"]: row["n"] for row in tx.all("incidents_open_by_severity")}


def case_of(row: Row) -> Case:
    """The case that a row of `incidents` holds."""
    incident = Incident(
        labels=_LABELS.decode(row["labels"]),
        annotations=_LABELS.decode(row["annotations"]),
        **{name: row[name] for name in _PLAIN_COLUMNS},
    )
    findings = msgspec.structs.asdict(_findings(row))
    return Case(incident=incident, stage=row["stage"], due_at=row["due_at"], **findings)


def _findings(row: Row) -> Findings:
    """What the stages have found; nothing when another version wrote it in words that this one does not know.

    Such a row must not stop the workers, the pages and every other incident. What was done stays known: the attempts
    have a table of their own, and `act` looks there.
    """
    try:
        return _FINDINGS.decode(row["findings"])
    except msgspec.ValidationError as error:
        event(log, logging.ERROR, "findings of another version are put away", incident=row["id"], error=error)
        return Findings()


def write_case(tx: Transaction, case: Case, at: float, *, keep_claim: bool) -> None:
    """Write how far *case* is at time *at*; the columns of its alert are intake's and stay."""
    tx.run(
        "incident_save",
        {
            "id": case.incident.id,
            "stage": case.stage,
            "starts_at": case.incident.starts_at,
            "received_at": case.incident.received_at,
            "status": case.incident.status,
            "at": at,
            "due_at": case.due_at,
            "severity": case.triage.severity if case.triage else "",
            "category": case.triage.category if case.triage else "",
            "verdict": case.verdict.value if case.verdict else "",
            "state": case.incident.state,
            "closed_at": case.incident.closed_at,
            "claimed_by": "worker" if keep_claim else None,
            "findings": msgspec.json.encode(case.findings).decode(),
        },
    )


def add_transition(tx: Transaction, incident: int, transition: Transition) -> None:
    """Add a line to an incident's timeline inside an open transaction."""
    tx.run("transition_add", {"incident_id": incident, **msgspec.structs.asdict(transition)})
