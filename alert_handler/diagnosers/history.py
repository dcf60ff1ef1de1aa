"""What happened to this incident's alert before, and how often a remediation helped."""

from alert_handler.diagnoser import Sources
from alert_handler.model import Attempt, Evidence, Incident
from chassis.plugins import plugin

WINDOW_SECONDS = 7 * 86400.0
MOST = 5


@plugin("diagnoser", "history")
class History:
    """Recent attempts on the same service, and their verdicts."""

    def __init__(self, sources: Sources) -> None:
        self._attempts = sources.attempts

    def look(self, incident: Incident, now: float) -> list[Evidence]:
        """The latest attempts of this incident, then those whose target names the same service."""
        service = incident.labels.get("service", "")
        past = reversed(self._attempts.since(now - WINDOW_SECONDS))
        same = [a for a in past if a.incident_id == incident.id or (service and service in a.target.split(":"))]
        return [Evidence(source="history", text=_told(attempt, now)) for attempt in same[:MOST]]


def _told(attempt: Attempt, now: float) -> str:
    minutes = (now - attempt.claimed_at) / 60
    verdict = attempt.verdict.replace("_", " ") or attempt.state
    return f"{minutes:.0f} min ago: {attempt.remediation} on {attempt.target}: {verdict}"
