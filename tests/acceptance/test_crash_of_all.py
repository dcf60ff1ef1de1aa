"""The handler and what it had started are killed with SIGKILL together: nobody repairs, and a person is called."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.clients import Incident
from demo.receiver import messages
from demo.scenario import DEAD_WORKER, REPAIR_SECONDS, break_one
from demo.stack import Options, Stack
from demo.waiting import until

# Alertmanager repeats nothing within this time, but the incident's own stages would try again within seconds.
AFTERMATH_SECONDS = 15.0


@pytest.fixture(scope="module")
def stack(lingering_options: Options, ledger: Path, start_stack: Callable[[Options], Stack]) -> Stack:
    """A stack whose handler died in the middle of a restart together with the starting command, and came back."""
    running = start_stack(lingering_options)
    break_one(running, DEAD_WORKER)
    line = until(
        lambda: ledger.exists() and ledger.read_text(encoding="utf-8"), "the start", REPAIR_SECONDS, running.tick
    )
    running.children["handler"].kill()
    os.kill(int(line.split()[1]), signal.SIGKILL)
    running.children["handler"].start()
    return running


@pytest.fixture(scope="module")
def incident(stack: Stack) -> Incident:
    """The incident once it was left to a person."""

    def escalated() -> Incident | None:
        found = stack.handler.incident(stack.handler.incidents()[0].id)
        return found if any(step.outcome.startswith("escalate") for step in found.timeline) else None

    result = stack.wait(escalated, "an escalation", REPAIR_SECONDS)
    assert isinstance(result, Incident)
    return result


def test_action_of_unknown_outcome_is_not_repeated(stack: Stack, incident: Incident, ledger: Path) -> None:
    """The fault is still there and the alert still fires, and yet the action that was cut off ran once."""
    until(lambda: _message_kinds(stack, "escalation"), "the call for a person", AFTERMATH_SECONDS, stack.tick)
    assert [attempt.state for attempt in incident.attempts] == ["unknown"]
    assert stack.prometheus.firing(alertname=DEAD_WORKER.alertname)
    assert len(ledger.read_text(encoding="utf-8").splitlines()) == 1


def test_action_of_unknown_outcome_calls_a_person(stack: Stack, incident: Incident) -> None:
    """Somebody is told that the outcome is unknown and the fault is still there."""
    assert incident.state == "open"
    assert until(lambda: _message_kinds(stack, "escalation"), "the call for a person", AFTERMATH_SECONDS, stack.tick)


def _message_kinds(stack: Stack, kind: str) -> list[str]:
    """The received messages of one kind."""
    return [str(each["message"]) for each in messages(stack.layout.messages) if kind in str(each["message"])]
