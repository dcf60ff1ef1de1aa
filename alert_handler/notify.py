"""Stage notify: what people are told. Messages are written with the transition that they tell of, then delivered.

Every text is plain: escaping is each channel's own business.
"""

from alert_handler.clock import Clock
from alert_handler.model import Attempt, Case, DecisionVerdict, Labels, Message, MessageKind, Note, Severity

_PER_REASON = ("escalation", "recommendation")
_VERDICT_TITLES = {"fixed": "Fixed", "not_fixed": "Not fixed", "inconclusive": "Cannot tell whether fixed"}


class NotifyStage:
    """Tells the verdict, the recommendation or the call for a person; *external_url* is where the pages are."""

    def __init__(self, external_url: str, clock: Clock) -> None:
        self._url = external_url.rstrip("/")
        self._clock = clock

    def __call__(self, case: Case) -> Case:
        """The case with its message, if there is something to tell."""
        message = self.compose(case)
        if message is None:
            return case.evolve(note=Note(outcome="quiet", text="nothing to tell"))
        return case.evolve(messages=(message,), note=Note(outcome=message.kind, text=message.title))

    def compose(self, case: Case) -> Message | None:
        """The message that fits the case now."""
        decision = case.decision
        if decision is None:
            return None
        if decision.verdict is DecisionVerdict.ACT and case.verdict is not None and case.attempt is not None:
            title = f"{_VERDICT_TITLES[case.verdict.value]}: {case.attempt.remediation} on {case.attempt.target}"
            return self.message(case, "verdict", title, case.verdict.text)
        if decision.verdict is DecisionVerdict.ESCALATE:
            return self.message(case, "escalation", f"A person must look: {case.incident.alertname}", decision.text)
        if decision.verdict is DecisionVerdict.RECOMMEND:
            return self.message(case, "recommendation", f"Recommended for {case.incident.alertname}", decision.text)
        if decision.verdict is DecisionVerdict.HOLD and decision.since is not None:
            title = f"Still waiting to act: {case.incident.alertname}"
            return self.message(case, "escalation", title, f"for {decision.at - decision.since:.0f} s: {decision.text}")
        return None

    def action(self, case: Case) -> Message:
        """What was just done."""
        attempt = case.attempt
        outcome = attempt.outcome if attempt else None
        what = f"{attempt.remediation} on {attempt.target}" if attempt else "an action"
        title = f"Acted: {what} for {case.incident.alertname}"
        return self.message(case, "action", title, outcome.summary if outcome else "")

    def overdue(self, case: Case, orphan: Attempt) -> Message:
        """A run that outlived its handler goes on beyond its deadline."""
        title = f"Still running: {orphan.remediation} on {orphan.target}"
        text = "the handler that started it is gone and its time is up: end it by hand; nothing else acts on the target"
        return self.message(case, "escalation", title, text)

    def resolved(self, case: Case) -> Message:
        """The incident is over."""
        how = last_verdict(case).replace("_", " ") or "without a verified action of Nightshift"
        return self.message(case, "resolved", f"Resolved: {case.incident.alertname}", f"closed, {how}")

    def message(self, case: Case, kind: MessageKind, title: str, text: str) -> Message:
        """A message about *case*; its key makes it one per kind, episode and attempt, a call also per reason."""
        incident = case.incident
        number = case.attempt.number if case.attempt else 0
        key = f"{incident.id}/{incident.received_at:.3f}/{number}/{kind}"
        if case.decision and kind in _PER_REASON:
            key += f"/{case.decision.reason}"
        facts: Labels = {name: incident.labels[name] for name in ("service", "instance") if name in incident.labels}
        if case.decision:
            facts["decision"] = f"{case.decision.verdict} ({case.decision.reason})"
        if summary := incident.annotations.get("summary"):
            facts["summary"] = summary
        return Message(
            key=key,
            kind=kind,
            severity=case.triage.severity if case.triage else Severity.MEDIUM,
            title=title,
            text=text,
            at=self._clock(),
            incident_id=incident.id,
            url=f"{self._url}/incidents/{incident.id}",
            facts=facts,
        )


def last_verdict(case: Case) -> str:
    """What Prometheus said of the last attempt since this episode began, also after an escalation; "" when nothing."""
    attempt, began = case.attempt, case.incident.received_at
    if case.verdict is not None and case.verdict.at >= began:
        return case.verdict.value
    return attempt.verdict if attempt and (attempt.verified_at or 0.0) >= began else ""
