"""Storing comes first: in a storm of webhooks the other threads step back for a moment.

Workers compete with intake for the interpreter and for the one writer of the store; a thousand groups were stored in
12 s beside four busy workers and in 1.6 s beside none. A webhook that is stored late is sent again; a stage that runs
a second later harms nobody.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

#: So many webhooks ...
MANY = 20
#: ... within so many seconds are a rush, which ends when none has come for `QUIET_SECONDS`.
WITHIN_SECONDS = 0.2
QUIET_SECONDS = 0.1
#: Nobody steps back for longer: a rush without end must not stop all work.
PATIENCE_SECONDS = 2.0


class Rush:
    """Sees webhooks come; *monotonic* gives seconds that never jump."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._times: deque[float] = deque(maxlen=MANY)

    def note(self) -> None:
        """A webhook came."""
        self._times.append(self._monotonic())

    def on(self) -> bool:
        """Whether webhooks come in a rush now."""
        times = tuple(self._times)
        if len(times) < MANY or times[-1] - times[0] > WITHIN_SECONDS:
            return False
        return self._monotonic() - times[-1] < QUIET_SECONDS

    def step_back(self, stop: threading.Event) -> None:
        """Return when there is no rush, when *stop* is set, or after `PATIENCE_SECONDS`."""
        until = self._monotonic() + PATIENCE_SECONDS
        while self.on() and self._monotonic() < until:
            if stop.wait(QUIET_SECONDS / 4):
                return
