"""Stage act: runs what was decided, at most once.

Two rows are committed and synced before anything happens: the claim of (incident, attempt number), which a unique
index makes the only one, and the start. A crash before the start has changed nothing, so the policy is asked again. A
crash after it leaves the outcome unknown: the attempt is never run again, its effect is verified instead.
"""

import logging
import math
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from alert_handler.clock import Clock
from alert_handler.metrics import Metrics
from alert_handler.model import Attempt, Case, Decision, DecisionVerdict, Note, Outcome, Plan
from alert_handler.notify import NotifyStage
from alert_handler.playbooks import Playbook
from alert_handler.policy import RETRY_SECONDS
from alert_handler.process import still_running
from alert_handler.remediation import Limits, Remediation
from alert_handler.store.attempts import Attempts, Claimed
from alert_handler.switches import Switches
from chassis.logs import event

log = logging.getLogger(__name__)

#: A decision's facts (is it still firing?) are this old at most when the action starts.
FRESH_SECONDS = 2.0
#: How often to look whether an action of a handler that died still runs.
ORPHAN_LOOK_SECONDS = 1.0


class Executor(msgspec.Struct, frozen=True):
    """What acting takes: the kinds, the playbooks' deadlines, the lock files' folder, a last look at the switches."""

    remediations: Mapping[str, Remediation]
    playbooks: Mapping[str, Playbook]
    lock_folder: Path
    switches: Switches


class ActStage:
    """Runs the decided plan through *executor*; *notify* words what people are told of it."""

    def __init__(
        self, attempts: Attempts, executor: Executor, notify: NotifyStage, metrics: Metrics, clock: Clock
    ) -> None:
        self._attempts = attempts
        self._executor = executor
        self._notify = notify
        self._metrics = metrics
        self._clock = clock
        self._claiming = threading.Lock()

    def __call__(self, case: Case) -> Case:
        """The case with its attempt; back at decide when the decision does not hold any more."""
        decision = case.decision
        if decision is None or decision.plan is None or decision.verdict is not DecisionVerdict.ACT:
            return case.evolve(stage="notify", note=Note(outcome="skipped", text="nothing was decided"))
        number = case.attempt.number + 1 if case.attempt else 1
        interrupted = self._attempts.get(case.incident.id, number)
        if interrupted is not None:
            return self._resume(case, interrupted)
        stale = self._stale(decision)
        if stale:
            return case.evolve(stage="decide", note=Note(outcome="stale", text=stale))
        try:
            claimed = self._claim(case.incident.id, number, decision, decision.plan)
        except Claimed as error:
            note = Note(outcome="busy", text=f"the target is taken: {error}")
            return case.evolve(stage="decide", due_at=self._clock() + RETRY_SECONDS, note=note)
        if claimed is None:
            note = Note(outcome="stale", text="another action began since the decision: asking again")
            return case.evolve(stage="decide", note=note)
        return self._run(case, claimed, decision.plan)

    def _claim(self, incident: int, number: int, decision: Decision, plan: Plan) -> Attempt | None:
        """The claimed attempt; None when the policy did not know of the latest attempt of another incident.

        Cooldowns, strikes and rates hold only as long as nobody else acts between the question and the claim.
        """
        with self._claiming:
            newest = self._attempts.list(limit=1)
            if newest and newest[0].id != decision.newest_attempt:
                return None
            return self._attempts.claim(incident, number, decision.playbook, plan, self._clock())

    def _stale(self, decision: Decision) -> str:
        """Why the decision must be made again, or ""."""
        age = self._clock() - decision.at
        if not 0 <= age <= FRESH_SECONDS:
            return f"the decision is {age:.1f} s old: asking again"
        playbook = self._executor.playbooks.get(decision.playbook)
        if playbook is None or decision.plan is None or playbook.remediation != decision.plan.remediation:
            return f"playbook {decision.playbook} has changed: asking again"
        if not self._executor.switches.read().may_act:
            return "a switch was thrown: asking again"
        return ""

    def _run(self, case: Case, claimed: Attempt, plan: Plan) -> Case:
        limits = Limits(self._executor.playbooks[claimed.playbook].deadline_seconds, self._lock_file(claimed))
        started = self._attempts.start(claimed, self._clock())
        self._metrics.attempts.labels(plan.remediation).inc()
        if case.attempt is None or case.attempt.claimed_at < case.incident.received_at:
            self._metrics.reaction.observe(max(0.0, self._clock() - case.incident.received_at))
        began = time.monotonic()
        with self._metrics.running.track_inprogress():
            outcome = self._executor.remediations[plan.remediation].run(plan, limits)
        self._metrics.attempt_duration.labels(plan.remediation).observe(time.monotonic() - began)
        return self._ended(case, started, outcome)

    def _ended(self, case: Case, attempt: Attempt, outcome: Outcome) -> Case:
        """The case after an attempt of which *outcome* is known, or known to be unknown."""
        if outcome.status != "succeeded":
            self._metrics.attempt_failures.labels(attempt.remediation).inc()
        _log_action(attempt, outcome, case.incident.alertname)
        self._lock_file(attempt).unlink(missing_ok=True)
        outcome = outcome.evolve(figures={k: v for k, v in outcome.figures.items() if math.isfinite(v)})
        attempt = attempt.evolve(state=outcome.status, finished_at=self._clock(), outcome=outcome)
        acted = case.evolve(
            attempt=attempt,
            verification=None,
            verdict=None,
            lesson="",
            note=Note(outcome=outcome.status, text=f"{attempt.remediation} on {attempt.target}: {outcome.summary}"),
        )
        return acted.evolve(messages=(self._notify.action(acted),))

    def _resume(self, case: Case, interrupted: Attempt) -> Case:
        """An attempt of this number exists already: a handler died in the middle of it."""
        if interrupted.state == "claimed":
            outcome = Outcome(status="failed", summary="cut off before it started: nothing was done")
            ended = self._ended(case, interrupted, outcome)
            return ended.evolve(stage="decide", messages=())
        if still_running(self._lock_file(interrupted)):
            return self._wait(case, interrupted)
        outcome = Outcome(
            status="unknown", summary="the handler was cut off while it ran: not repeated, verified instead"
        )
        return self._ended(case, interrupted, outcome)

    def _wait(self, case: Case, orphan: Attempt) -> Case:
        """The case waiting for a run that outlived its handler; people are called once it is over its deadline."""
        now = self._clock()
        waiting = case.evolve(stage="act", due_at=now + ORPHAN_LOOK_SECONDS)
        playbook = self._executor.playbooks.get(orphan.playbook)
        if playbook and now - (orphan.started_at or orphan.claimed_at) <= playbook.deadline_seconds:
            return waiting
        return waiting.evolve(messages=(self._notify.overdue(case, orphan),))

    def _lock_file(self, attempt: Attempt) -> Path:
        return self._executor.lock_folder / f"attempt-{attempt.id}.lock"


def _log_action(attempt: Attempt, outcome: Outcome, issue: str) -> None:
    """The product requirements' log lines for actions and errors."""
    fields = {"incident": attempt.incident_id, "attempt": attempt.number, "target": attempt.target}
    result = f"{outcome.status}, {outcome.summary}"
    event(log, logging.INFO, f"🔧 Executed {attempt.remediation} for {issue}: {result}", **fields)
    if outcome.status != "succeeded":
        event(log, logging.ERROR, f"❌ Failed to {attempt.remediation}: {outcome.summary}", **fields)
