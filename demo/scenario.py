"""The faults that the demo, the measurement and the acceptance tests share, and how to follow their repair."""

from collections.abc import Callable, Sequence

from demo.configs import SERVICE, WORKER
from demo.repair import Fault, Repair
from demo.service import break_it
from demo.stack import Stack
from demo.waiting import DeadlineError

DISK = Fault("log folder fills up", "disk", "NightshiftServiceDiskCritical", SERVICE)
MEMORY = Fault("cache fills memory", "memory", "NightshiftServiceMemoryCritical", SERVICE)
DEAD_WORKER = Fault("worker dies", "worker", "NightshiftServiceDown", WORKER)

REPAIR_SECONDS = 120.0


def break_one(stack: Stack, fault: Fault) -> tuple[Repair, str]:
    """Breaks the demo service; gives the repair to follow and what was done.

    Raises:
        RuntimeError: the service refuses.
        OSError: it cannot be reached.
    """
    answer = break_it(stack.layout.url("service"), fault.way)
    return Repair(fault, float(str(answer["at"]))), str(answer["text"])


def follow(
    stack: Stack,
    repairs: Sequence[Repair],
    news: Callable[[], None] = lambda: None,
    seconds: float = REPAIR_SECONDS,
) -> None:
    """Waits until every repair has run its course; calls `news` after each look.

    Raises:
        DeadlineError: some repair is not through in time; the text names its missing milestones.
        StackFailedError: a process ended.
    """

    def look() -> bool:
        done = [repair.look(stack.prometheus, stack.handler) for repair in repairs]
        news()
        return all(done)

    try:
        stack.wait(look, f"{len(repairs)} repair(s)", seconds)
    except DeadlineError as error:
        left = "; ".join(repair.missing() for repair in repairs if not repair.done)
        raise DeadlineError(f"{error}: {left}") from error
