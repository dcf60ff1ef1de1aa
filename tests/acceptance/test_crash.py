"""The handler is killed with SIGKILL between the start and the result of an action: the action does not run twice."""

from collections.abc import Callable
from pathlib import Path

import pytest

from demo.clients import Incident
from demo.configs import WORKER
from demo.scenario import DEAD_WORKER, REPAIR_SECONDS, break_one
from demo.stack import Options, Stack
from demo.vitals import living_pid
from demo.waiting import until


@pytest.fixture(scope="module")
def settled(
    lingering_options: Options, ledger: Path, start_stack: Callable[[Options], Stack]
) -> tuple[Stack, Incident]:
    """A stack whose handler died in the middle of a restart, came back and has finished with the incident."""
    stack = start_stack(lingering_options)
    repair, _ = break_one(stack, DEAD_WORKER)
    until(ledger.exists, "the start of the action", REPAIR_SECONDS, stack.tick, poll_seconds=0.05)
    stack.children["handler"].kill()
    stack.children["handler"].start()

    def finished() -> bool:
        repair.look(stack.prometheus, stack.handler)
        return repair.verdict is not None and "resolved" in repair.times

    stack.wait(finished, "the end of the incident", REPAIR_SECONDS)
    assert repair.incident is not None
    return stack, repair.incident


def test_killed_handler_does_not_repeat_the_action(settled: tuple[Stack, Incident], ledger: Path) -> None:
    """The worker's starting command ran once, although the handler that ran it never saw its end."""
    stack, incident = settled
    assert len(ledger.read_text(encoding="utf-8").splitlines()) == 1
    assert len(incident.attempts) == 1
    assert living_pid(stack.layout.pid_file) is not None


def test_killed_handler_knows_that_it_does_not_know(settled: tuple[Stack, Incident]) -> None:
    """The attempt is kept as unknown until Prometheus says how it went, and the verdict is Prometheus'."""
    _, incident = settled
    assert incident.attempts[0].target == WORKER
    assert incident.attempts[0].verdict == "fixed"
