from collections.abc import Mapping
from typing import cast

import msgspec
import pytest

from demo.clients import Attempt, Handler, Incident, Message, Prometheus, Transition
from demo.repair import MILESTONES, Fault, Repair

FAULT = Fault("worker dies", "worker", "NightshiftServiceDown", "demo-worker")
BROKEN_AT = 1000.0
WHOLE = Incident(
    id=1,
    alertname=FAULT.alertname,
    labels={"service": FAULT.service},
    status="resolved",
    state="closed",
    received_at=1015.0,
    starts_at=1014.0,
    timeline=[
        Transition(900.0, "verify", "not_fixed"),
        Transition(1015.1, "decide", "act"),
        Transition(1030.0, "verify", "waiting"),
        Transition(1031.0, "verify", "fixed"),
    ],
    attempts=[Attempt("restart", "demo-worker", "succeeded", 1015.2, 1015.3, 1015.6)],
    messages=[Message("webhook", "action", 1015.3, 1016.0, "sent")],
)


class FakeStack:
    """Stands in for Prometheus and the handler."""

    def __init__(self, incidents: list[Incident], since: float | None) -> None:
        self.found = incidents
        self.since = since

    def incidents(self) -> list[Incident]:
        """All of them."""
        return self.found

    def incident(self, number: int) -> Incident:
        """The one with that number."""
        return next(incident for incident in self.found if incident.id == number)

    def active_since(self, **_labels: str) -> float | None:
        """The one canned answer."""
        return self.since


def _look(repair: Repair, fake: FakeStack) -> bool:
    """One look at the fake."""
    return repair.look(cast("Prometheus", fake), cast("Handler", fake))


@pytest.fixture
def repair() -> Repair:
    """A fault that was just made, with a clock that stands still."""
    return Repair(FAULT, BROKEN_AT, clock=lambda: 1040.0)


def test_look_whole_course_gives_every_milestone(repair: Repair) -> None:
    """A fault that was detected, then repaired and resolved, has all its times."""
    assert not _look(repair, FakeStack([], 1004.0))
    assert not _look(repair, FakeStack([WHOLE], 1004.0))
    assert _look(repair, FakeStack([WHOLE], None))
    seconds: Mapping[str, float | None] = {name: repair.seconds(name) for name in MILESTONES}
    assert [round(value or 0, 1) for value in seconds.values()] == [4.0, 15.0, 15.1, 15.3, 31.0, 16.0, 40.0]
    assert repair.good


def test_look_incident_of_an_earlier_fault_is_not_taken(repair: Repair) -> None:
    """An incident that began before the fault is another one's."""
    old = Incident(2, FAULT.alertname, {"service": FAULT.service}, "resolved", "closed", 900.0, 900.0)
    _look(repair, FakeStack([old], None))
    assert repair.incident is None


@pytest.mark.parametrize(
    ("stage", "outcome", "verdict"),
    [("verify", "not_fixed", "not_fixed"), ("decide", "escalate:strikes", "escalated")],
)
def test_look_other_end_is_told_at_once_and_is_not_good(repair: Repair, stage: str, outcome: str, verdict: str) -> None:
    """A repair that did not work, or was left to a person, is not waited for any longer."""
    failed = msgspec.structs.replace(WHOLE, timeline=[Transition(1031.0, stage, outcome)])
    assert _look(repair, FakeStack([failed], 1004.0))
    assert repair.verdict == verdict
    assert not repair.good


def test_look_verdict_of_an_earlier_fault_does_not_count(repair: Repair) -> None:
    """An incident that opens again has an old verdict until there is a new one."""
    old = msgspec.structs.replace(WHOLE, timeline=[Transition(900.0, "verify", "fixed")])
    _look(repair, FakeStack([old], 1004.0))
    assert repair.verdict is None


def test_look_resolved_without_incident_does_not_count(repair: Repair) -> None:
    """No alert in Prometheus means nothing before the handler has received it: it may not have fired yet."""
    _look(repair, FakeStack([], None))
    assert "resolved" not in repair.times
    assert repair.missing() == f"worker dies: {', '.join(MILESTONES)}"
