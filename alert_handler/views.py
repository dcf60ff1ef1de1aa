"""What the API and the pages show, as plain dictionaries: one shape, two renderings."""

import math
from datetime import UTC, datetime
from typing import Any

from alert_handler.handler import Handler
from alert_handler.model import Attempt, Case, Severity
from alert_handler.presentation.wording import standing
from alert_handler.resources import Reading
from alert_handler.store.inbox import Reject

View = dict[str, Any]

#: The four states of the status board, best first.
STATES = ("HEALTHY", "WARNING", "DEGRADED", "CRITICAL")
_STATE_OF_SEVERITY = {"critical": "CRITICAL", "high": "DEGRADED", "medium": "WARNING", "low": "HEALTHY"}
_RANKS = tuple(Severity)
SAMPLE_SHOWN = 2_000
#: Open incidents that the status shows, the worst of the newest.
OPEN_SHOWN = 200


def incident_summary(case: Case) -> View:
    """One incident in a list."""
    incident = case.incident
    return {
        "id": incident.id,
        "alertname": incident.alertname,
        "labels": incident.labels,
        "summary": incident.annotations.get("summary", ""),
        "severity": case.triage.severity if case.triage else "",
        "category": case.triage.category if case.triage else "",
        "service": case.triage.service if case.triage else "",
        "status": incident.status,
        "state": incident.state,
        "starts_at": incident.starts_at,
        "received_at": incident.received_at,
        "opened_at": incident.opened_at,
        "closed_at": incident.closed_at,
        "stage": case.stage,
        "due_at": case.due_at if case.stage else None,
        "decision": _decision(case),
        "verdict": case.verdict.value if case.verdict else "",
        "standing": standing(case),
    }


def incident(handler: Handler, number: int) -> View | None:
    """One incident whole: timeline, evidence, attempts, messages; None when there is none."""
    case = handler.incidents.get(number)
    if case is None:
        return None
    return {
        **incident_summary(case),
        "annotations": case.incident.annotations,
        "generator_url": case.incident.generator_url,
        "triage": case.triage,
        "diagnosis": case.diagnosis,
        "verdict_text": case.verdict.text if case.verdict else "",
        "lesson": case.lesson,
        "timeline": handler.incidents.timeline(number),
        "attempts": [attempt(a) for a in handler.attempts.of(number)],
        "messages": handler.outbox.of(number),
    }


def attempt(found: Attempt) -> View:
    """One run of a remediation."""
    return {
        "id": found.id,
        "incident_id": found.incident_id,
        "number": found.number,
        "playbook": found.playbook,
        "remediation": found.remediation,
        "target": found.target,
        "digest": found.digest,
        "state": found.state,
        "claimed_at": found.claimed_at,
        "started_at": found.started_at,
        "finished_at": found.finished_at,
        "summary": found.outcome.summary if found.outcome else "",
        "output": found.outcome.output if found.outcome else "",
        "figures": found.outcome.figures if found.outcome else {},
        "verdict": found.verdict,
        "verified_at": found.verified_at,
    }


def reject(found: Reject) -> View:
    """A sample of input that could not be understood."""
    return {
        "id": found.id,
        "sender": found.sender,
        "received_at": found.received_at,
        "error": found.error,
        "sample": found.sample[:SAMPLE_SHOWN].decode("utf-8", "backslashreplace"),
    }


def status(handler: Handler) -> View:
    """The state of the house: the worst open incident, what stands between it and people, the switches."""
    counts = handler.incidents.open_by_severity()
    checks = _checks(handler)
    switches = handler.switches.read()
    open_cases = sorted(handler.incidents.list(state="open", limit=OPEN_SHOWN), key=_worst_first)
    return {
        "state": _state(counts, checks),
        "at": handler.clock(),
        "mode": handler.config.mode,
        "switches": {
            "autonomous_monitoring": switches.monitoring,
            "auto_remediation": switches.remediation,
            "pam_integration": switches.pam,
            "kill_switch": switches.killed,
        },
        "checks": checks,
        "open_count": sum(counts.values()),
        "affected": _affected(open_cases),
        "open": [incident_summary(case) for case in open_cases],
        "recent": [incident_summary(case) for case in handler.incidents.list(state="closed", limit=10)],
        "actions": [attempt(a) for a in handler.attempts.list(limit=10)],
        "queues": handler.outbox.queues(),
        "inbox_pending": handler.inbox.pending(),
    }


def board(handler: Handler, reading: Reading) -> View:
    """The status with the live resources: what the status board shows."""
    return {**status(handler), "resources": reading}


def seed_data(handler: Handler, now: datetime) -> View:
    """`/api/data` in the shape that existing consumers read: timestamp, metrics, alerts, historical_data."""
    seen = status(handler)
    closed = seen["recent"]
    return {
        "timestamp": now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds"),
        "metrics": {
            "overall_status": seen["state"],
            "reliability_score": _reliability(handler),
            "performance_score": None,
            "quality_score": None,
            "security_score": None,
        },
        "alerts": [
            {"severity": i["severity"].upper(), "title": i["alertname"], "message": i["summary"], "id": i["id"]}
            for i in seen["open"]
        ],
        "historical_data": [
            {"timestamp": i["opened_at"], "alertname": i["alertname"], "verdict": i["verdict"]} for i in closed
        ],
    }


def _decision(case: Case) -> View | None:
    decision = case.decision
    if decision is None:
        return None
    plan = decision.plan
    return {
        "verdict": decision.verdict,
        "reason": decision.reason,
        "text": decision.text,
        "at": decision.at,
        "playbook": decision.playbook,
        "plan": None if plan is None else {"summary": plan.summary, "steps": plan.steps, "digest": plan.digest},
    }


def _checks(handler: Handler) -> list[View]:
    """What must work for an alert to become an action and a message."""
    writable, missing = handler.database.writable, handler.upkeep.watchdog_missing
    store = "writes are synced to disk" if writable else "the last write failed: webhooks are answered 503"
    return [
        {"name": "store", "ok": writable, "text": store, "at": None},
        _upstream(handler, "prometheus", handler.config.prometheus.url),
        _upstream(handler, "alertmanager", handler.config.alertmanager.url),
        {
            "name": "watchdog",
            "ok": not missing,
            "text": "the always-firing alert is silent: no alert can arrive" if missing else "always-firing alert",
            "at": handler.upkeep.last_heard(),
        },
    ]


def _upstream(handler: Handler, name: str, url: str) -> View:
    up = handler.upkeep.upstream_up(name)
    return {"name": name, "ok": up, "text": url if up else f"no answer from {url}", "at": None}


def _state(counts: dict[str, int], checks: list[View]) -> str:
    """The worst of the open incidents (one not yet triaged counts as medium) and of the checks."""
    states = [_STATE_OF_SEVERITY[severity or "medium"] for severity in counts]
    if not all(check["ok"] for check in checks):
        states.append("DEGRADED")
    return max(states, key=STATES.index, default="HEALTHY")


def _worst_first(case: Case) -> tuple[int, float]:
    severity = case.triage.severity if case.triage else Severity.MEDIUM
    return _RANKS.index(severity), case.incident.opened_at


def _affected(worst_first: list[Case]) -> list[View]:
    """The services with open incidents, each with its worst severity."""
    worst: dict[str, str] = {}
    for case in worst_first:
        if case.triage:
            worst.setdefault(case.triage.service, case.triage.severity)
    return [{"service": service, "severity": severity} for service, severity in worst.items() if service]


def _reliability(handler: Handler) -> float | None:
    """Share of verified attempts of the last 30 days that fixed their fault, 0 to 100; None without any."""
    verdicts = [a.verdict for a in handler.attempts.since(handler.clock() - 30 * 86400.0) if a.verdict]
    return round(100.0 * verdicts.count("fixed") / len(verdicts), 1) if verdicts else None


def finite(value: float | None) -> float | None:
    """*value* unless it is NaN or infinite, which JSON cannot say."""
    return value if value is not None and math.isfinite(value) else None
