"""Stage diagnose: gathers evidence from every diagnoser, side by side, under one deadline.

A diagnoser that fails or is late is named as missing and holds nothing up: acting does not wait for understanding.
"""

import logging
import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from alert_handler.clock import Clock
from alert_handler.diagnoser import Diagnoser
from alert_handler.errors import AlertHandlerError
from alert_handler.model import Case, Diagnosis, Evidence, Note
from chassis.logs import event

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 2.0
_SURE_ENOUGH = 0.9


class DiagnoseStage:
    """Asks *diagnosers* (by name)."""

    def __init__(self, diagnosers: Mapping[str, Diagnoser], pool: ThreadPoolExecutor, clock: Clock) -> None:
        self._diagnosers = diagnosers
        self._pool = pool
        self._clock = clock

    def __call__(self, case: Case) -> Case:
        """The case with what was found within the deadline."""
        now = self._clock()
        asked = {
            name: self._pool.submit(diagnoser.look, case.incident, now) for name, diagnoser in self._diagnosers.items()
        }
        wait(asked.values(), timeout=DEADLINE_SECONDS)
        found = {name: _result(name, future) for name, future in asked.items()}
        diagnosis = Diagnosis(
            evidence=tuple(_finite(item) for items in found.values() for item in items or ()),
            missing=tuple(name for name, items in found.items() if items is None),
        )
        diagnosis = diagnosis.evolve(probable_cause=probable_cause(diagnosis))
        return case.evolve(diagnosis=diagnosis, note=_note(diagnosis))


def probable_cause(diagnosis: Diagnosis) -> str:
    """The one resource that stands out, or "" when none or several do: better silent than wrong."""
    full = [e for e in diagnosis.evidence if e.source == "saturation" and (e.value or 0.0) >= _SURE_ENOUGH]
    return full[0].text if len(full) == 1 else ""


def _result(name: str, future: Future[list[Evidence]]) -> list[Evidence] | None:
    """What a diagnoser found; None when it is late or could not look."""
    if not future.done():
        future.cancel()
        event(log, logging.WARNING, "a diagnoser is late", diagnoser=name, deadline_seconds=DEADLINE_SECONDS)
        return None
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, AlertHandlerError):
        event(log, logging.WARNING, "a diagnoser could not look", diagnoser=name, error=error)
    else:
        log.error("diagnoser %s raised", name, exc_info=error)
    return None


def _finite(evidence: Evidence) -> Evidence:
    """*evidence* without NaN and infinity, which JSON cannot say: stored, they could not be read again."""
    value = evidence.value if evidence.value is not None and math.isfinite(evidence.value) else None
    return evidence.evolve(value=value, series=tuple(point for point in evidence.series if math.isfinite(point[1])))


def _note(diagnosis: Diagnosis) -> Note:
    parts = [f"{len(diagnosis.evidence)} pieces of evidence"]
    if diagnosis.probable_cause:
        parts.append(f"probable cause: {diagnosis.probable_cause}")
    if diagnosis.missing:
        parts.append(f"no answer from {', '.join(diagnosis.missing)}")
    return Note(outcome="cause" if diagnosis.probable_cause else "no_cause", text="; ".join(parts))
