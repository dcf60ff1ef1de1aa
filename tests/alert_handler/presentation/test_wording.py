import pytest

from alert_handler.model import (
    Attempt,
    Case,
    Decision,
    DecisionVerdict,
    Incident,
    Outcome,
    Plan,
    Reason,
    Verdict,
)
from alert_handler.presentation import wording

INCIDENT = Incident(id=1, identity="i", labels={}, opened_at=0, starts_at=0, received_at=0, last_seen_at=0)
PLAN = Plan(remediation="cleanup", target="logs", summary="delete 3 files")
ATTEMPT = Attempt(
    id=1,
    incident_id=1,
    number=1,
    playbook="p",
    remediation="cleanup",
    target="logs",
    digest="",
    state="succeeded",
    claimed_at=11,
    outcome=Outcome(status="succeeded", summary="3 files cleaned up"),
)


def decided(verdict: DecisionVerdict, text: str = "why", at: float = 10) -> Decision:
    """A decision of the policy."""
    return Decision(verdict=verdict, reason=Reason.ALLOWED, text=text, at=at, plan=PLAN)


ACT = decided(DecisionVerdict.ACT)


@pytest.mark.parametrize(
    ("case", "word", "text"),
    [
        (Case(incident=INCIDENT), "New", "being looked at"),
        (Case(incident=INCIDENT, decision=ACT, stage="act"), "Acting", "delete 3 files"),
        (
            Case(incident=INCIDENT, decision=ACT, attempt=ATTEMPT, stage="verify"),
            "Verifying",
            "cleanup on logs: 3 files cleaned up",
        ),
        (Case(incident=INCIDENT, decision=decided(DecisionVerdict.HOLD), stage="decide"), "Waiting", "why"),
        (Case(incident=INCIDENT, decision=decided(DecisionVerdict.OBSERVE), stage=None), "Left to people", "why"),
        (Case(incident=INCIDENT, decision=decided(DecisionVerdict.ESCALATE), stage=None), "Person needed", "why"),
        (Case(incident=INCIDENT, decision=decided(DecisionVerdict.RECOMMEND), stage=None), "Recommends", "why"),
        (Case(incident=INCIDENT, decision=decided(DecisionVerdict.REFUSE), stage=None), "Nothing done", "why"),
    ],
)
def test_standing_says_where_an_incident_is(case: Case, word: str, text: str) -> None:
    """A word and why, at every point of its way."""
    assert wording.standing(case) == {"word": word, "text": text}


@pytest.mark.parametrize(("value", "word"), wording.VERDICT_WORDS.items())
def test_standing_says_the_verdict(value: str, word: str) -> None:
    """What Prometheus said, when nothing newer was decided."""
    verdict = Verdict(value=value, text="seen", at=20)  # type: ignore[arg-type]
    case = Case(incident=INCIDENT, decision=ACT, attempt=ATTEMPT, verdict=verdict, stage=None)
    assert wording.standing(case) == {"word": word, "text": "seen"}


def test_decision_after_a_verdict_is_newer_news() -> None:
    """Not fixed, and now waiting for the cooldown: the waiting counts."""
    verdict = Verdict(value="not_fixed", text="still there", at=20)
    hold = decided(DecisionVerdict.HOLD, "cooldown: waiting 40 s", at=30)
    assert wording.standing(Case(incident=INCIDENT, decision=hold, verdict=verdict)) == {
        "word": "Waiting",
        "text": "cooldown",
    }


def test_closed_incident_without_an_action_was_resolved() -> None:
    """Not left to people any more."""
    closed = INCIDENT.evolve(state="closed", closed_at=50)
    observed = decided(DecisionVerdict.OBSERVE, "no playbook matches: left to people")
    assert wording.standing(Case(incident=closed, decision=observed, stage=None)) == {
        "word": "Resolved",
        "text": "no playbook matches",
    }
    assert wording.standing(Case(incident=closed, stage=None))["word"] == "Resolved"


@pytest.mark.parametrize("verdict", [v for v in DecisionVerdict if v is not DecisionVerdict.ACT])
def test_every_decision_has_a_word(verdict: DecisionVerdict) -> None:
    """None is shown as a code."""
    word = wording.standing(Case(incident=INCIDENT, decision=decided(verdict)))["word"]
    assert word
    assert word[0].isupper()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 s"),
        (0.04, "40 ms"),
        (1.25, "1.2 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (252, "4 min 12 s"),
        (11100, "3 h 5 min"),
        (187200, "2 d 4 h"),
        (-5, "-5.0 s"),
    ],
)
def test_duration_is_as_exact_as_it_is_worth(seconds: float | None, text: str) -> None:
    """Two units at the most."""
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "just now"),
        (-0.5, "just now"),
        (3.7, "3 s ago"),
        (252, "4 min ago"),
        (11100, "3 h 5 min ago"),
        (-90, "in 1 min 30 s"),
    ],
)
def test_age_is_coarse(seconds: float, text: str) -> None:
    """Seconds of something minutes old say nothing."""
    assert wording.age(seconds) == text


def test_time_is_utc() -> None:
    """For machines and for people."""
    assert wording.iso(1_800_000_000) == "2027-01-15T08:00:00Z"
    assert wording.readable(1_800_000_000) == "2027-01-15 08:00:00 UTC"


@pytest.mark.parametrize("seconds", [1e20, float("nan"), float("inf")])
def test_time_that_no_calendar_has_is_empty(seconds: float) -> None:
    """No exception on a page."""
    assert wording.iso(seconds) == wording.readable(seconds) == ""


@pytest.mark.parametrize(("ratio", "text"), [(0.424, "42 %"), (0.935, "93.5 %"), (1.0, "100.0 %"), (0.0, "0 %")])
def test_percent_has_tenths_near_the_end(ratio: float, text: str) -> None:
    """Where they matter."""
    assert wording.percent(ratio) == text


@pytest.mark.parametrize(("value", "text"), [(4_800_000.0, "4\u00a0800\u00a0000"), (12.5, "12.5"), (0.87312, "0.8731")])
def test_figure_is_grouped_or_short(value: float, text: str) -> None:
    """Readable at a glance."""
    assert wording.figure(value) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 tries"), (1, "1 try"), (2, "2 tries")])
def test_number_agrees_with_its_noun(count: int, text: str) -> None:
    """One of it has no s."""
    assert wording.number(count, "try", "tries") == text
