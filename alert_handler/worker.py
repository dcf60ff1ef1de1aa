"""Workers: threads that take what is due and move it one stage at a time.

Each worker claims one incident and runs its stages until it waits or rests. A stage that raises leaves the case as it
was and is run again a little later; nothing that one incident does can stop another one.
"""

import logging
import threading
import time

from alert_handler.clock import Clock
from alert_handler.errors import StoreUnavailable
from alert_handler.metrics import Metrics
from alert_handler.model import Case
from alert_handler.pipeline import Pipeline
from alert_handler.store.incidents import Incidents

log = logging.getLogger(__name__)

#: How long an idle worker sleeps at the most; it is woken when something is stored.
IDLE_SECONDS = 1.0
#: A stage that raised is run again after this.
RETRY_SECONDS = 10.0


class Bell:
    """Wakes every waiting worker."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung = 0

    @property
    def rung(self) -> int:
        """How often it was rung; to be read before looking for work."""
        return self._rung

    def ring(self) -> None:
        """Wake everybody who waits."""
        with self._changed:
            self._rung += 1
            self._changed.notify_all()

    def wait(self, rung: int, timeout: float) -> None:
        """Return when it is rung again after it was *rung*, at the latest after *timeout* seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._rung != rung, timeout)


class Worker:
    """Moves due incidents through *pipeline*, which may be exchanged between two turns."""

    def __init__(self, incidents: Incidents, pipeline: Pipeline, metrics: Metrics, clock: Clock) -> None:
        self._incidents = incidents
        self.pipeline = pipeline
        self._metrics = metrics
        self._clock = clock

    def turn(self) -> bool:
        """Take one due incident as far as it goes now; whether there was one.

        Raises:
            StoreUnavailable: the store does not work; the claim is taken back at the next start.
        """
        case = self._incidents.claim("worker", self._clock())
        if case is None:
            return False
        while case is not None:
            case = self._stage(case)
        return True

    def next_due_in(self) -> float:
        """Seconds until the next incident is due, within 0 and `IDLE_SECONDS`."""
        due = self._incidents.next_due()
        return IDLE_SECONDS if due is None else min(max(0.0, due - self._clock()), IDLE_SECONDS)

    def _stage(self, case: Case) -> Case | None:
        """Run one stage and commit it; the case to go on with, or None when it waits, rests or failed."""
        name = case.stage or ""
        began = time.monotonic()
        try:
            after = self.pipeline.step(case)
        except StoreUnavailable:
            raise
        except Exception as error:
            log.exception("stage %s of incident %d raised", name, case.incident.id)
            self._metrics.stage_failures.labels(name).inc()
            text = f"{name}: {type(error).__name__}: {error}; again in {RETRY_SECONDS:.0f} s"
            self._incidents.release(case, self._clock() + RETRY_SECONDS, text)
            return None
        self._metrics.stage_duration.labels(name).observe(time.monotonic() - began)
        now = self._clock()
        goes_on = after.stage is not None and after.due_at <= now
        self._incidents.save(after, name, now, keep_claim=goes_on)
        return self._incidents.get(case.incident.id) if goes_on else None
