"""Workers: threads that take what is due and move it one stage at a time.

Each worker claims one incident and runs its stages until it waits or rests. A stage that raises leaves the case as it
was and is run again a little later; nothing that one incident does can stop another one.
"""

import logging
import threading
import time
from collections import deque

from alert_handler.clock import Clock
from alert_handler.errors import StoreUnavailable
from alert_handler.metrics import Metrics
from alert_handler.model import Case
from alert_handler.pipeline import Pipeline
from alert_handler.store.incidents import Incidents
from chassis.logs import clean

log = logging.getLogger(__name__)

#: How long an idle worker sleeps at the most; it is woken when something is stored.
IDLE_SECONDS = 1.0
#: A stage that raised is run again after this.
RETRY_SECONDS = 10.0
#: A clock that goes back by more than this was set: what waits is looked at anew.
SET_BACK_SECONDS = 1.0


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
    """Moves due incidents through *pipeline*; both may be exchanged while stages run."""

    def __init__(self, incidents: Incidents, pipeline: Pipeline, metrics: Metrics, clock: Clock) -> None:
        self.incidents = incidents
        self.pipeline = pipeline
        self._metrics = metrics
        self._clock = clock
        self._stopping = threading.Event()
        #: Cases whose claim could not be given back, because the store failed.
        self._stranded: deque[Case] = deque()
        self._last_turn = clock()

    def stop(self) -> None:
        """Start no further stage: what runs is finished and saved, the rest waits for the next start."""
        self._stopping.set()

    def turn(self) -> bool:
        """Take one due incident as far as it goes now; whether there was one.

        Raises:
            StoreUnavailable: the store does not work; the claim is given back as soon as it does.
        """
        self._free_stranded()
        self._mind_the_clock()
        case = None if self._stopping.is_set() else self.incidents.claim("worker", self._clock())
        if case is None:
            return False
        while case is not None:
            running = case
            try:
                case = self._stage(running)
            except StoreUnavailable:
                self._stranded.append(running)
                raise
        return True

    def next_due_in(self) -> float:
        """Seconds until the next incident is due, within 0 and `IDLE_SECONDS`."""
        due = self.incidents.next_due()
        return IDLE_SECONDS if due is None else min(max(0.0, due - self._clock()), IDLE_SECONDS)

    def _mind_the_clock(self) -> None:
        """What waits for a time that a clock set back has moved away is asked again now."""
        now, before = self._clock(), self._last_turn
        if now < before - SET_BACK_SECONDS:
            self.incidents.wake_all(now)
        self._last_turn = now

    def _free_stranded(self) -> None:
        """Give back what a failing store held on to: as after a crash, its stage is run again."""
        while self._stranded:
            case = self._stranded.popleft()
            try:
                now = self._clock()
                self.incidents.release(case, now, now, f"{case.stage}: cut off by the store: resumed")
            except StoreUnavailable:
                self._stranded.append(case)
                raise

    def _stage(self, case: Case) -> Case | None:
        """Run one stage and commit it; the case to go on with, or None when it waits, rests or failed."""
        name = case.stage or ""
        try:
            goes_on = self._run(case, name)
        except StoreUnavailable:
            raise
        except Exception as error:  # one stage: the incident is taken up again, the others go on
            log.exception("stage %s of incident %d raised", name, case.incident.id)
            self._metrics.stage_failures.labels(name).inc()
            text = clean(f"{name}: {type(error).__name__}: {error}")
            now = self._clock()
            again = f"{text}; again in {RETRY_SECONDS:.0f} s"
            self.incidents.release(case, now, now + RETRY_SECONDS, again)
            return None
        return self.incidents.get(case.incident.id) if goes_on else None

    def _run(self, case: Case, name: str) -> bool:
        """Run the stage *name* and commit it; whether the case goes on at once."""
        began = time.monotonic()
        after = self.pipeline.step(case)
        self._metrics.stage_duration.labels(name).observe(time.monotonic() - began)
        now = self._clock()
        goes_on = after.stage is not None and after.due_at <= now and not self._stopping.is_set()
        self.incidents.save(after, name, now, keep_claim=goes_on)
        return goes_on
