"""Stage learn: what this round taught, and whether the incident is over.

Counts the verified outcome, says how often the remediation has helped this alert, sends an alert that is not fixed
back to the policy, and closes the incident once its alert is resolved.
"""

from alert_handler.clock import Clock
from alert_handler.metrics import Metrics
from alert_handler.model import Attempt, Case, DecisionVerdict, Note
from alert_handler.notify import NotifyStage, last_verdict
from alert_handler.store.attempts import Attempts


class LearnStage:
    """Ends a round."""

    def __init__(self, attempts: Attempts, notify: NotifyStage, metrics: Metrics, clock: Clock) -> None:
        self._attempts = attempts
        self._notify = notify
        self._metrics = metrics
        self._clock = clock

    def __call__(self, case: Case) -> Case:
        """The case closed, sent back to decide, or at rest until its alert says more."""
        case = self._count(case)
        if case.incident.status == "resolved":
            return self._close(case)
        if case.decision is not None and case.decision.verdict is DecisionVerdict.HOLD:
            return case.evolve(stage="decide", due_at=case.decision.retry_at)
        if goes_on(case):
            return case.evolve(stage="decide", verification=None, note=Note(outcome="again", text=case.lesson))
        return case.evolve(
            stage=None, note=Note(outcome="waiting", text=case.lesson or "waiting for the alert to resolve")
        )

    def _count(self, case: Case) -> Case:
        """Count the round's verified outcome once; `lesson` marks that it was."""
        attempt, verdict = case.attempt, case.verdict
        if attempt is None or verdict is None or case.lesson:
            return case
        self._metrics.outcomes.labels(attempt.remediation, attempt.playbook, verdict.value).inc()
        return case.evolve(lesson=self._lesson(case, attempt))

    def _lesson(self, case: Case, attempt: Attempt) -> str:
        fixed, verified = self._attempts.success(attempt.remediation, case.incident.alertname)
        if not verified:
            return f"{attempt.remediation} for {case.incident.alertname}: no verified outcome yet"
        return f"{attempt.remediation} fixed {case.incident.alertname} {fixed} of {verified} times"

    def _close(self, case: Case) -> Case:
        now = self._clock()
        verdict = last_verdict(case) or "none"
        self._metrics.incident_resolution.labels(verdict).observe(max(0.0, now - case.incident.opened_at))
        closed = case.evolve(
            incident=case.incident.evolve(state="closed", closed_at=now),
            stage=None,
            note=Note(outcome="closed", text=f"the alert is resolved; {case.lesson}".rstrip("; ")),
        )
        return closed.evolve(messages=(self._notify.resolved(closed),) if people_know(closed) else ())


def goes_on(case: Case) -> bool:
    """Whether the policy is to be asked again: the attempt did not fix it, or nobody can tell."""
    return (
        case.verdict is not None
        and case.verdict.value != "fixed"
        and case.decision is not None
        and (case.decision.verdict is DecisionVerdict.ACT)
    )


def people_know(case: Case) -> bool:
    """Whether people were told of this incident, so that its end is news to them."""
    told = (DecisionVerdict.ACT, DecisionVerdict.RECOMMEND, DecisionVerdict.ESCALATE)
    return case.attempt is not None or (case.decision is not None and case.decision.verdict in told)
