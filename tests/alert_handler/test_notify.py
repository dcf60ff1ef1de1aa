import pytest

from alert_handler.model import Case, DecisionVerdict, Reason, Severity, Triage
from alert_handler.notify import NotifyStage, last_verdict
from tests.alert_handler.doubles import LABELS, NOW, FakeClock, attempt, case, decision, incident, verdict


@pytest.fixture
def stage(clock: FakeClock) -> NotifyStage:
    """The stage with pages at http://nightshift."""
    return NotifyStage("http://nightshift/", clock)


def told(stage: NotifyStage, **changes: object) -> tuple[str, str, str]:
    """Kind, title and text of the one message about a case."""
    (message,) = stage(case(**changes)).messages
    return message.kind, message.title, message.text


@pytest.mark.parametrize(
    ("value", "title"),
    [("fixed", "Fixed"), ("not_fixed", "Not fixed"), ("inconclusive", "Cannot tell whether fixed")],
)
def test_verdict_is_told_in_words(stage: NotifyStage, value: str, title: str) -> None:
    """All three verdicts name the remediation and the target."""
    found = told(stage, decision=decision(), attempt=attempt(), verdict=verdict(value))
    assert found == ("verdict", f"{title}: ledger on shop", "0.5")


def test_escalation_calls_a_person_with_the_reason(stage: NotifyStage) -> None:
    """The policy's own words are the text."""
    found = told(stage, decision=decision(DecisionVerdict.ESCALATE, Reason.STRIKES))
    assert found == ("escalation", "A person must look: DiskFull", "because")


def test_recommendation_after_a_failed_attempt_is_not_hidden_by_its_verdict(stage: NotifyStage) -> None:
    """The verdict was told before; now people must read what is recommended."""
    recommended = decision(DecisionVerdict.RECOMMEND, Reason.REMEDIATION_DISABLED)
    kind, _, text = told(stage, decision=recommended, attempt=attempt(), verdict=verdict("not_fixed"))
    assert (kind, text) == ("recommendation", "because")


def test_long_hold_is_told_with_how_long_and_why(stage: NotifyStage) -> None:
    """People learn that something waits, and for what."""
    held = decision(DecisionVerdict.HOLD, Reason.KILL_SWITCH, since=NOW - 900)
    found = told(stage, decision=held)
    assert found == ("escalation", "Still waiting to act: DiskFull", "for 900 s: because")


@pytest.mark.parametrize("verdict_given", [DecisionVerdict.REFUSE, DecisionVerdict.OBSERVE])
def test_nothing_is_told_when_nothing_is_wanted(stage: NotifyStage, verdict_given: DecisionVerdict) -> None:
    """Alerts that Nightshift leaves alone are Alertmanager's to tell."""
    after = stage(case(decision=decision(verdict_given, Reason.NO_PLAYBOOK)))
    assert after.messages == ()
    assert after.note is not None
    assert after.note.outcome == "quiet"


def test_case_without_decision_is_quiet(stage: NotifyStage) -> None:
    """There is nothing to tell before a decision."""
    assert stage(case()).messages == ()


def test_key_is_the_same_for_the_same_news(stage: NotifyStage, clock: FakeClock) -> None:
    """A stage that is run again after a crash tells nothing twice."""
    known = case(decision=decision(DecisionVerdict.ESCALATE, Reason.STRIKES))
    before = stage(known).messages[0].key
    clock.advance(60)
    assert stage(known).messages[0].key == before


CALL = decision(DecisionVerdict.ESCALATE, Reason.STRIKES)


@pytest.mark.parametrize(
    "other",
    [
        case(decision=CALL, incident=incident(received_at=NOW + 1)),
        case(decision=CALL, incident=incident(id=2)),
        case(decision=CALL, attempt=attempt(number=2)),
        case(decision=decision(DecisionVerdict.ESCALATE, Reason.CANNOT_CHECK)),
        case(decision=decision(DecisionVerdict.RECOMMEND, Reason.NEEDS_TRUST)),
        case(decision=decision(DecisionVerdict.HOLD, Reason.RATE_TOTAL, since=NOW)),
    ],
    ids=["episode", "incident", "attempt", "reason", "kind", "hold"],
)
def test_key_differs_for_other_news(stage: NotifyStage, other: Case) -> None:
    """A later call of the same episode for another reason is not swallowed as a repetition."""
    assert stage(other).messages[0].key != stage(case(decision=CALL)).messages[0].key


def test_message_links_to_its_incident_and_carries_facts(stage: NotifyStage) -> None:
    """Severity, address, service, summary and decision come along, untouched."""
    hostile = "<script>`rm -rf /`</script>"
    known = case(
        decision=CALL,
        triage=Triage(severity=Severity.CRITICAL, category="security"),  # type: ignore[arg-type]
        incident=incident(annotations={"summary": hostile}),
    )
    (message,) = stage(known).messages
    assert (message.severity, message.url) == (Severity.CRITICAL, "http://nightshift/incidents/1")
    assert message.facts == {"service": LABELS["service"], "decision": "escalate (strikes)", "summary": hostile}


def test_action_is_told_with_its_outcome(stage: NotifyStage) -> None:
    """What was done, on what, for which alert."""
    message = stage.action(case(attempt=attempt(), decision=decision()))
    assert (message.kind, message.title, message.text) == ("action", "Acted: ledger on shop for DiskFull", "written")


def test_action_without_attempt_is_still_told(stage: NotifyStage) -> None:
    """A message never fails for want of detail."""
    assert stage.action(case()).title == "Acted: an action for DiskFull"


def test_overdue_orphan_is_a_call_of_its_own(stage: NotifyStage) -> None:
    """It is no repetition of any other call about the incident."""
    message = stage.overdue(case(decision=decision()), attempt(state="started"))
    assert (message.kind, message.title) == ("escalation", "Still running: ledger on shop")
    assert message.key != stage(case(decision=CALL)).messages[0].key


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"attempt": attempt(), "verdict": verdict("fixed")}, "closed, fixed"),
        ({"attempt": attempt(verdict="not_fixed", verified_at=NOW)}, "closed, not fixed"),
        ({"attempt": attempt(verdict="fixed"), "verdict": verdict("inconclusive")}, "closed, inconclusive"),
        ({"attempt": attempt(verdict="fixed", verified_at=NOW - 1)}, "closed, without a verified action of Nightshift"),
        ({}, "closed, without a verified action of Nightshift"),
    ],
)
def test_end_of_an_incident_tells_the_last_verdict(stage: NotifyStage, changes: dict[str, object], text: str) -> None:
    """Also after an escalation put it away: the attempt remembers. An earlier episode's is none of its own."""
    known = case(**changes)
    assert stage.resolved(known).text == text
    assert last_verdict(known).replace("_", " ") in text
