"""Stage triage: how bad, what kind, whose. Also begins every episode: findings of an earlier one are put away.

Severity words of other rule sets are mapped (documented in docs/vocabulary.md); a category is taken from the label or
else guessed from the words of the alert, so that no incident is without one.
"""

import re

from alert_handler.metrics import Metrics
from alert_handler.model import Case, Category, Incident, Labels, Note, Severity, Triage

#: Words that other rule sets use, lower case.
SEVERITY_WORDS = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "emergency": Severity.CRITICAL,
    "fatal": Severity.CRITICAL,
    "disaster": Severity.CRITICAL,
    "p1": Severity.CRITICAL,
    "sev1": Severity.CRITICAL,
    "high": Severity.HIGH,
    "error": Severity.HIGH,
    "major": Severity.HIGH,
    "p2": Severity.HIGH,
    "sev2": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "warning": Severity.MEDIUM,
    "warn": Severity.MEDIUM,
    "minor": Severity.MEDIUM,
    "average": Severity.MEDIUM,
    "p3": Severity.MEDIUM,
    "sev3": Severity.MEDIUM,
    "low": Severity.LOW,
    "info": Severity.LOW,
    "information": Severity.LOW,
    "none": Severity.LOW,
    "notice": Severity.LOW,
    "p4": Severity.LOW,
    "p5": Severity.LOW,
}

#: Asked in this order: the more telling word first.
CATEGORY_WORDS = (
    (Category.SECURITY, re.compile(r"secur|login|auth|cert|tls|vulnerab|intrus", re.IGNORECASE)),
    (Category.CONFIGURATION, re.compile(r"config|reload|misconf|version|rollout", re.IGNORECASE)),
    (Category.INTEGRATION, re.compile(r"webhook|upstream|depend|third.?party|endpoint|notif|deliver", re.IGNORECASE)),
    (Category.PERFORMANCE, re.compile(r"laten|slow|throttl|satur|queue|p9[59]|duration", re.IGNORECASE)),
    (Category.CODE, re.compile(r"error|exception|crash|panic|5xx|fail", re.IGNORECASE)),
)


class TriageStage:
    """Judges an incident by its labels and annotations."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, case: Case) -> Case:
        """The case with its triage; whatever an earlier episode found is gone, its attempt stays."""
        triage = judge(case.incident)
        self._metrics.incidents_opened.labels(triage.severity, triage.category).inc()
        about = f"{triage.severity}, {triage.category}" + (f", service {triage.service}" if triage.service else "")
        return case.evolve(
            triage=triage,
            diagnosis=None,
            decision=None,
            verification=None,
            verdict=None,
            lesson="",
            note=Note(outcome=triage.severity, text=f"{about} ({triage.why})"),
        )


def judge(incident: Incident) -> Triage:
    """Severity, category and service of an incident."""
    severity, because = severity_of(incident.labels)
    category, guessed = category_of(incident)
    service = incident.labels.get("service") or incident.labels.get("job") or ""
    return Triage(severity=severity, category=category, service=service, why=f"{because}; {guessed}")


def severity_of(labels: Labels) -> tuple[Severity, str]:
    """The severity that the labels tell, and how it was found; an unknown word counts as medium."""
    for name in ("severity", "priority", "level"):
        word = labels.get(name, "").strip().lower()
        if word in SEVERITY_WORDS:
            return SEVERITY_WORDS[word], f"label {name}={word}"
    return Severity.MEDIUM, "no known severity label: medium"


def category_of(incident: Incident) -> tuple[Category, str]:
    """The category of the label, else of the alert's own words, else infrastructure."""
    told = incident.labels.get("category", "").strip().lower()
    if told in set(Category):
        return Category(told), f"label category={told}"
    words = " ".join((incident.alertname, incident.annotations.get("summary", "")))
    for category, pattern in CATEGORY_WORDS:
        found = pattern.search(words)
        if found:
            return category, f"category by the word {found.group(0)!r}"
    return Category.INFRASTRUCTURE, "category by default"
