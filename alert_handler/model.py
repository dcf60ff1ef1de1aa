"""The words of the alert handler as frozen types. Times are Unix seconds, durations seconds.

An *incident* is one label set while it is open; it grows through the stages as a `Case`. An *attempt* is one run of
a remediation; a *verdict* is what Prometheus says afterwards.
"""

import hashlib
import json
from enum import StrEnum
from typing import Literal, Self

import msgspec


class Severity(StrEnum):
    """How bad, in the order of the seeds; foreign words are mapped by triage."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Category(StrEnum):
    """What kind of fault, for routing."""

    CODE = "code"
    PERFORMANCE = "performance"
    SECURITY = "security"
    INTEGRATION = "integration"
    CONFIGURATION = "configuration"
    INFRASTRUCTURE = "infrastructure"


class Mode(StrEnum):
    """How far Nightshift may go."""

    OBSERVE = "observe"
    RECOMMEND = "recommend"
    ACT = "act"


class Risk(StrEnum):
    """How much a remediation can hurt: safe ones may run by themselves, major ones want a person."""

    SAFE = "safe"
    MAJOR = "major"


Labels = dict[str, str]
AlertStatus = Literal["firing", "resolved"]
MessageKind = Literal["action", "verdict", "recommendation", "escalation", "resolved", "watchdog"]


def identity(labels: Labels) -> str:
    """SHA-256 of a label set: the identity of an alert. Alertmanager's own fingerprint (FNV-1a) can be forged."""
    canonical = json.dumps(sorted(labels.items()), ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frozen value that grows by `evolve`."""

    def evolve(self, **changes: object) -> Self:
        """A copy with *changes* applied."""
        return msgspec.structs.replace(self, **changes)


class Alert(Model, frozen=True, kw_only=True):
    """One alert of a notification, whoever sent it. `identity` is taken before over-long labels are cut."""

    identity: str
    status: AlertStatus
    labels: Labels
    annotations: Labels = {}
    starts_at: float
    generator_url: str = ""


class Poison(Model, frozen=True, kw_only=True):
    """One alert of a notification that could not be understood; it never blocks the others."""

    error: str
    sample: bytes


class Notification(Model, frozen=True, kw_only=True):
    """One webhook body. `truncated` counts the alerts that its sender left out."""

    alerts: tuple[Alert, ...]
    poison: tuple[Poison, ...] = ()
    truncated: int = 0


class Incident(Model, frozen=True, kw_only=True):
    """One label set while it is open, as the alert's sender tells it."""

    id: int
    identity: str
    labels: Labels
    annotations: Labels = {}
    generator_url: str = ""
    status: AlertStatus = "firing"
    state: Literal["open", "closed"] = "open"
    opened_at: float
    starts_at: float
    received_at: float
    last_seen_at: float
    closed_at: float | None = None

    @property
    def alertname(self) -> str:
        """The rule that fired, or a stand-in: Alertmanager accepts alerts without a name."""
        return self.labels.get("alertname") or "(no alertname)"


class Triage(Model, frozen=True, kw_only=True):
    """How bad, what kind, whose."""

    severity: Severity
    category: Category
    service: str = ""
    why: str = ""


class Evidence(Model, frozen=True, kw_only=True):
    """One observation that bears on the cause: a query and its answer, so that the page works without Prometheus."""

    source: str
    text: str
    query: str = ""
    value: float | None = None
    series: tuple[tuple[float, float], ...] = ()


class Diagnosis(Model, frozen=True, kw_only=True):
    """What was found out before deciding. `probable_cause` is empty when nothing stands out."""

    evidence: tuple[Evidence, ...] = ()
    probable_cause: str = ""
    missing: tuple[str, ...] = ()


class Plan(Model, frozen=True, kw_only=True):
    """What a remediation would do, exactly: made before the decision, shown to people, run unchanged or not at all.

    `steps` is the dry run, a line per file or command. `payload` is the remediation's own JSON. `digest` (SHA-256 over
    remediation, target and payload) names exactly this plan.
    """

    remediation: str
    target: str
    summary: str
    steps: tuple[str, ...] = ()
    risk: Risk = Risk.SAFE
    payload: msgspec.Raw = msgspec.Raw(b"null")
    digest: str = ""

    def sealed(self) -> Self:
        """The plan with its digest."""
        parts = (self.remediation.encode(), self.target.encode(), bytes(self.payload))
        return self.evolve(digest=hashlib.sha256(b"\0".join(parts)).hexdigest())


class Outcome(Model, frozen=True, kw_only=True):
    """What a remediation's run gave. `unknown`: it was started, and nobody saw its end."""

    status: Literal["succeeded", "failed", "timed_out", "unknown"]
    summary: str
    output: str = ""
    figures: dict[str, float] = {}


class DecisionVerdict(StrEnum):
    """What to do about an incident now."""

    ACT = "act"
    RECOMMEND = "recommend"
    OBSERVE = "observe"
    HOLD = "hold"
    REFUSE = "refuse"
    ESCALATE = "escalate"


class Reason(StrEnum):
    """Why: one word per rule of the policy, in the order in which `decide` asks."""

    MONITORING_DISABLED = "monitoring_disabled"
    RESOLVED = "resolved"
    NO_PLAYBOOK = "no_playbook"
    OBSERVE_MODE = "observe_mode"
    RECOVERED = "recovered"
    STRIKES = "strikes"
    OUTCOME_UNKNOWN = "outcome_unknown"
    INCONCLUSIVE = "inconclusive"
    UNPLANNABLE = "unplannable"
    RECOMMEND_MODE = "recommend_mode"
    NEEDS_TRUST = "needs_trust"
    REMEDIATION_DISABLED = "remediation_disabled"
    KILL_SWITCH = "kill_switch"
    CANNOT_CHECK = "cannot_check"
    TARGET_BUSY = "target_busy"
    COOLDOWN = "cooldown"
    RATE_ACTION = "rate_action"
    RATE_TOTAL = "rate_total"
    ALLOWED = "allowed"


class Decision(Model, frozen=True, kw_only=True):
    """The policy's answer. `retry_at` is set on `hold`, `since` is when this hold began.

    `newest_attempt` is the id of the latest attempt of all that the policy knew of: a later one makes it ask again.
    """

    verdict: DecisionVerdict
    reason: Reason
    text: str
    at: float
    playbook: str = ""
    plan: Plan | None = None
    retry_at: float | None = None
    since: float | None = None
    newest_attempt: int = 0


class Attempt(Model, frozen=True, kw_only=True):
    """One run of a remediation for an incident; the row that makes it happen at most once."""

    id: int
    incident_id: int
    number: int
    playbook: str
    remediation: str
    target: str
    digest: str
    state: Literal["claimed", "started", "succeeded", "failed", "timed_out", "unknown"]
    claimed_at: float
    started_at: float | None = None
    finished_at: float | None = None
    outcome: Outcome | None = None
    verdict: str = ""
    verified_at: float | None = None


class Verdict(Model, frozen=True, kw_only=True):
    """What Prometheus says after an attempt."""

    value: Literal["fixed", "not_fixed", "inconclusive"]
    text: str
    at: float


class Verification(Model, frozen=True, kw_only=True):
    """A verification under way: what was seen so far, so that it goes on after a restart.

    `held_seconds` is how long it was healthy without a break, as far as somebody looked.
    """

    not_before: float
    until: float
    held_seconds: float = 0.0
    looked_at: float | None = None
    last: Literal["healthy", "unhealthy", "no_data"] = "no_data"
    text: str = ""


class Message(Model, frozen=True, kw_only=True):
    """One thing to tell people. `key` is unique per channel, so a repeated stage tells it once."""

    key: str
    kind: MessageKind
    severity: Severity
    title: str
    text: str
    at: float
    incident_id: int | None = None
    url: str = ""
    facts: dict[str, str] = {}


class Note(Model, frozen=True, kw_only=True):
    """What a stage did, for the timeline."""

    outcome: str
    text: str


class Findings(Model, frozen=True, kw_only=True):
    """What the stages have found out and done so far; kept as JSON beside the incident."""

    triage: Triage | None = None
    diagnosis: Diagnosis | None = None
    decision: Decision | None = None
    attempt: Attempt | None = None
    verification: Verification | None = None
    verdict: Verdict | None = None
    lesson: str = ""


class Case(Findings, frozen=True, kw_only=True):
    """An incident on its way through the stages: what is known so far, and where it goes next.

    `stage` is the stage to run next (None: nothing to do), not before `due_at`. `note` and `messages` are what the
    last stage wants written beside the case, in the same commit.
    """

    incident: Incident
    stage: str | None = "triage"
    due_at: float = 0.0
    note: Note | None = None
    messages: tuple[Message, ...] = ()

    @property
    def findings(self) -> Findings:
        """The case without its incident and its next stage."""
        return Findings(**{name: getattr(self, name) for name in Findings.__struct_fields__})
