"""The PRD's scenario of a notification system that is down: act anyway, tell people later."""

import pytest

from demo.receiver import messages
from demo.repair import FIXED, MILESTONES
from demo.scenario import DISK, REPAIR_SECONDS, break_one
from demo.stack import Stack
from demo.waiting import until

LATER_SECONDS = 60.0


@pytest.fixture(scope="module")
def told_before(stack: Stack) -> int:
    """Breaks the disk while nobody takes messages, waits for the repair; what was told by then."""
    stack.children["receiver"].stop()
    repair, _ = break_one(stack, DISK)

    def repaired() -> bool:
        repair.look(stack.prometheus, stack.handler)
        return repair.verdict == FIXED and set(MILESTONES) - set(repair.times) <= {"notified"}

    stack.wait(repaired, "a repair without notifier", REPAIR_SECONDS)
    return len(messages(stack.layout.messages))


def test_fault_is_repaired_while_the_notifier_is_down(told_before: int) -> None:
    """Nobody could be told, and the fault was repaired and verified all the same."""
    assert told_before == 0


def test_messages_arrive_once_the_notifier_is_back(stack: Stack, told_before: int) -> None:
    """Every message of the repair that could not be delivered arrives later, in order."""
    assert told_before == 0
    stack.children["receiver"].start()
    arrived = until(lambda: _kinds(stack, at_least=2), "the late messages", LATER_SECONDS, stack.tick, poll_seconds=0.2)
    assert arrived[:2] == ["action", "verdict"]


def _kinds(stack: Stack, at_least: int) -> list[object]:
    """The kinds of the messages that arrived, once there are enough of them."""
    taken = [each["message"] for each in messages(stack.layout.messages)]
    return [each["kind"] for each in taken if isinstance(each, dict)] if len(taken) >= at_least else []
