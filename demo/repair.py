"""Follows one fault through the stack: when it was detected, received, decided on, acted on, verified, told, resolved.

The times are the stack's own (Prometheus' ALERTS_FOR_STATE, the handler's store); only the moment in which Prometheus
stops showing the alert is seen from outside, to within a poll.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from demo.clients import Handler, Incident, Prometheus

# The columns of the demo's table, in the order in which they happen.
MILESTONES = ("detected", "received", "decided", "acted", "verified", "notified", "resolved")
FIXED = "fixed"
VERDICTS = (FIXED, "not_fixed", "inconclusive")


@dataclass(frozen=True)
class Fault:
    """A way to break the demo service and the alert that must follow."""

    title: str
    way: str
    alertname: str
    service: str


@dataclass
class Repair:
    """What is known of one fault so far; times are Unix seconds."""

    fault: Fault
    broken_at: float
    clock: Callable[[], float] = time.time
    incident: Incident | None = None
    times: dict[str, float] = field(default_factory=dict)

    def look(self, prometheus: Prometheus, handler: Handler) -> bool:
        """Looks once more; True when nothing is left to happen.

        Raises:
            UnreachableError: a part does not answer.
        """
        self._look_at_prometheus(prometheus)
        if self.incident is None:
            self.incident = self._find(handler)
        if self.incident is not None:
            self.incident = handler.incident(self.incident.id)
            self.times.update(milestones(self.incident, self.broken_at))
        return self.done

    @property
    def done(self) -> bool:
        """Whether every milestone was reached, or the handler has given a verdict other than fixed."""
        return set(MILESTONES) <= set(self.times) or self.verdict not in (None, FIXED)

    @property
    def verdict(self) -> str | None:
        """Fixed, not_fixed or inconclusive; escalated when the handler called a person; None while it is at it.

        Taken from the timeline since the fault: an incident that opens again still shows its last verdict.
        """
        steps = [] if self.incident is None else [step for step in self.incident.timeline if step.at >= self.broken_at]
        verdicts = [step.outcome for step in steps if step.stage == "verify" and step.outcome in VERDICTS]
        if verdicts:
            return verdicts[-1]
        escalated = any(step.stage == "decide" and step.outcome.startswith("escalate") for step in steps)
        return "escalated" if escalated else None

    @property
    def good(self) -> bool:
        """Whether the verdict is fixed and Prometheus no longer shows the alert."""
        return self.verdict == FIXED and "resolved" in self.times

    def missing(self) -> str:
        """Names what is waited for."""
        left = [milestone for milestone in MILESTONES if milestone not in self.times]
        return f"{self.fault.title}: {', '.join(left)}"

    def seconds(self, milestone: str) -> float | None:
        """Seconds from the fault to a milestone, None when it was not reached."""
        at = self.times.get(milestone)
        return None if at is None else at - self.broken_at

    def _look_at_prometheus(self, prometheus: Prometheus) -> None:
        """Notes when Prometheus first saw the condition, and when it no longer shows the alert."""
        labels = {"alertname": self.fault.alertname, "service": self.fault.service}
        since = prometheus.active_since(**labels)
        if since is not None and since >= self.broken_at - 1:
            # Shown by the server in whole seconds and taken at the evaluation, which began before.
            self.times.setdefault("detected", max(since, self.broken_at))
        if since is None and "received" in self.times and "resolved" not in self.times:
            self.times["resolved"] = self.clock()

    def _find(self, handler: Handler) -> Incident | None:
        """Gives this fault's incident, if the handler has one."""
        for incident in handler.incidents():
            same = incident.alertname == self.fault.alertname and incident.labels.get("service") == self.fault.service
            if same and incident.starts_at >= self.broken_at - 1:
                return incident
        return None


def milestones(incident: Incident, broken_at: float) -> dict[str, float]:
    """Gives the milestones that an incident has reached since the fault, with their times."""
    attempts = [attempt for attempt in incident.attempts if attempt.claimed_at >= broken_at]
    told = [message.sent_at for message in incident.messages if message.sent_at and message.sent_at >= broken_at]
    found = {
        "received": incident.received_at,
        "decided": _first(incident, "decide", broken_at),
        "acted": min((attempt.started_at for attempt in attempts if attempt.started_at), default=None),
        "verified": _verified(incident, broken_at),
        "notified": min(told, default=None),
    }
    return {name: at for name, at in found.items() if at is not None and at >= broken_at}


def _first(incident: Incident, stage: str, since: float) -> float | None:
    """Gives when a stage first wrote into the timeline since the fault, None when it has not."""
    return min((step.at for step in incident.timeline if step.stage == stage and step.at >= since), default=None)


def _verified(incident: Incident, since: float) -> float | None:
    """Gives when the verdict fell."""
    steps = [step.at for step in incident.timeline if step.stage == "verify" and step.outcome in VERDICTS]
    return min((at for at in steps if at >= since), default=None)
