"""Waits for conditions with a deadline, without busy loops."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

POLL_SECONDS = 0.1


class DeadlineError(RuntimeError):
    """A condition did not come true in time; the text says what was waited for and for how long."""


def until(
    condition: Callable[[], Value | None],
    what: str,
    seconds: float,
    tick: Callable[[str], None] = lambda _what: None,
    poll_seconds: float = POLL_SECONDS,
) -> Value:
    """Calls `condition` until it gives something true, and gives that.

    Args:
        condition: gives a false value while it does not hold.
        what: named in the error and handed to `tick` before each look.
        seconds: how long to wait at most.
        tick: called before each look; may raise to give up early.
        poll_seconds: the pause between looks.

    Raises:
        DeadlineError: it did not hold in time.
    """
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while True:
        tick(what)
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise DeadlineError(f"waited {seconds:.0f} s in vain for {what}")
        pause.wait(poll_seconds)
