"""Attempts in the store: the rows that make a remediation run at most once."""

import sqlite3

import msgspec

from alert_handler.model import Attempt, Outcome, Plan
from alert_handler.store.sqlite import Database, Row, Transaction

_OUTCOME = msgspec.json.Decoder(Outcome)


class Claimed(Exception):
    """The row exists: this attempt was claimed before, or another one holds the target."""


class Attempts:
    """Claims, finishes and lists attempts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, incident: int, number: int, playbook: str, plan: Plan, at: float) -> Attempt:
        """Write, durably, that attempt *number* of an incident is about to start.

        Raises:
            Claimed: it was claimed before, or an attempt on the same target runs.
        """
        attempt = Attempt(
            id=0,
            incident_id=incident,
            number=number,
            playbook=playbook,
            remediation=plan.remediation,
            target=plan.target,
            digest=plan.digest,
            state="claimed",
            claimed_at=at,
        )
        try:
            with self._database.write() as tx:
                return attempt.evolve(id=tx.add("attempt_claim", msgspec.structs.asdict(attempt)))
        except sqlite3.IntegrityError as error:
            raise Claimed(f"attempt {number} of incident {incident} on {plan.target}") from error

    def start(self, attempt: Attempt, at: float) -> Attempt:
        """Write, durably, that the effect begins now: from here on a crash leaves an unknown outcome."""
        with self._database.write() as tx:
            tx.run("attempt_start", {"id": attempt.id, "started_at": at})
        return attempt.evolve(state="started", started_at=at)

    def get(self, incident: int, number: int) -> Attempt | None:
        """Attempt *number* of an incident, or None."""
        with self._database.read() as tx:
            row = tx.one("attempt_of", {"incident_id": incident, "number": number})
            return attempt_of(row) if row else None

    def of(self, incident: int) -> tuple[Attempt, ...]:
        """All attempts of an incident, first to last."""
        with self._database.read() as tx:
            return tuple(attempt_of(row) for row in tx.all("attempts_of", {"incident_id": incident}))

    def since(self, at: float) -> tuple[Attempt, ...]:
        """All attempts claimed after *at*, of every incident: what strikes, cooldowns and budgets are counted on."""
        with self._database.read() as tx:
            return tuple(attempt_of(row) for row in tx.all("attempts_since", {"since": at}))

    def list(self, *, before: int = 2**62, limit: int = 100) -> list[Attempt]:
        """Attempts, newest first; *before* (an id) pages on."""
        with self._database.read() as tx:
            return [attempt_of(row) for row in tx.all("attempts_list", {"before": before, "limit": limit})]

    def success(self, remediation: str, alertname: str) -> tuple[int, int]:
        """How often *remediation* fixed *alertname*, of how many verified attempts."""
        with self._database.read() as tx:
            row = tx.one("attempts_success", {"remediation": remediation, "alertname": alertname})
            return (row["fixed"] or 0, row["n"]) if row else (0, 0)


def write_attempt(tx: Transaction, attempt: Attempt) -> None:
    """Write how *attempt* stands inside an open transaction."""
    row = {name: getattr(attempt, name) for name in ("id", "state", "finished_at", "verdict", "verified_at")}
    outcome = msgspec.json.encode(attempt.outcome).decode() if attempt.outcome else None
    tx.run("attempt_write", {**row, "outcome": outcome})


def attempt_of(row: Row) -> Attempt:
    """The attempt that a row of `attempts` holds."""
    columns = {name: row[name] for name in Attempt.__struct_fields__ if name != "outcome"}
    outcome = _OUTCOME.decode(row["outcome"]) if row["outcome"] else None
    return Attempt(outcome=outcome, **columns)
